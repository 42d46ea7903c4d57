"""The command line: thin commands over the same runtime that the server uses."""
