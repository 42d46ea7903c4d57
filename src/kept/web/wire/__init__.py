"""How events get in: what other programs send, read without asking them to change.

`routes` says which path means what, `keys` who is speaking, `body` turns whatever was posted into
JSON, and `segment` or `webhook` into events. Nothing here does input or output.
"""
