"""The pure core: values in, values out, with no input, output, clock or threads."""
