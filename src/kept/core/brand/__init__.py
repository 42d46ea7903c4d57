"""The brand folder: everything that a brand decides, as data under version control."""
