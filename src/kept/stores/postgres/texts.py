"""Texts that may hold anything: PostgreSQL stores every character but NUL."""


def to_text(text: str) -> str:
    r"""Return a text without NUL; it is written as `\0`, and a backslash as two."""
    if "\\" not in text and "\0" not in text:
        return text
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def from_text(stored: str) -> str:
    """Return the text of which `to_text` made this."""
    if "\\" not in stored:
        return stored
    return "\\".join(piece.replace("\\0", "\0") for piece in stored.split("\\\\"))
