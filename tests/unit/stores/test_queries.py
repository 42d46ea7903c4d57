"""Named queries are read from their files as they stand there."""

from kept.stores.queries import load_queries


def test_a_query_is_found_by_its_name_without_its_description() -> None:
    """The description is for the reader of the file, the statement for the database."""
    queries = load_queries("sqlite/derived.sql")
    assert queries["delete_wake"] == "DELETE FROM wakes WHERE customer_id = ?"
    assert queries["load_state"] == (
        "SELECT part_id, applied_sequence, state FROM states WHERE part_id = ?"
    )


def test_no_query_holds_two_statements() -> None:
    """A statement that is prepared once is one statement."""
    for file in ("stream", "identity", "derived", "messages", "records"):
        for name, sql in load_queries(f"sqlite/{file}.sql").items():
            assert ";" not in sql, name
            assert "--" not in sql, name
