"""The page that documents an export is made from its structs."""

from tests.export_page import PAGE, with_tables


def test_the_page_lists_every_member_of_an_export() -> None:
    """`.venv/bin/python -m tests.export_page` writes it anew."""
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text
