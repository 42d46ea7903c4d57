"""The use cases, one verb a file: load, decide with the core, save."""
