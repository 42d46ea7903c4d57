"""The commands about the files of history: SQL on them for a purpose, and writing them now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from kept.analytics import SqlSession
from kept.cli.client import LONG_SECONDS, call
from kept.cli.output import console, error_console
from kept.cli.rows import FORMS, write_rows
from kept.errors import ConflictError, InputError

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
PROMPT: Final = "kept> "
MORE: Final = "  ...> "
"""Shown while a query goes on over several lines."""
_ENDS: Final = frozenset({"exit", "quit", "\\q"})


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("sql")(sql)
    app.command("export-history")(export_history)


def sql(
    data: Data,
    purpose: Annotated[str, typer.Option(help="What it is read for, a purpose of consent.yaml.")],
    query: Annotated[
        str, typer.Argument(help="One query; without it, queries are asked for.")
    ] = "",
    entity: Annotated[
        str, typer.Option(help="For which legal entity; needed where there are several.")
    ] = "",
    form: Annotated[
        str, typer.Option("--format", help="table, csv, json (lines) or parquet.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="A new file for the rows; Parquet needs one.")
    ] = None,
) -> None:
    """Ask the files of history in SQL, for a purpose whose basis holds now.

    The views are customers, events, decisions, reasons, outcomes, feedback and messages. Whoever
    the purpose has no basis for is absent; what is personal is not there. Nothing else can be read,
    and nothing written. Each query is audited with the number of its rows.
    """
    if form not in FORMS:
        raise InputError(f"--format is {form!r}; it must be one of {', '.join(FORMS)}")
    if form == "parquet" and output is None:
        raise InputError("say with --output where Parquet goes")
    if output is not None and output.exists():
        raise ConflictError(f"{output} is there already; name another file")
    wanted = {"purpose": purpose, "entity": entity}
    readable = list(_read_readable(data, wanted))
    folder = Path(call(data, "GET", "/v1/admin/history")["folder"])
    session = SqlSession(folder, readable)
    try:
        if query:
            _answer(session, query, data=data, wanted=wanted, form=form, output=output)
        else:
            for asked in _ask_for_queries():
                try:
                    _answer(session, asked, data=data, wanted=wanted, form=form, output=output)
                except InputError as error:
                    error_console.print(str(error), markup=False)
    finally:
        session.close()


def export_history(data: Data) -> None:
    """Write what came in so far into the files of history, the hour that is under way included.

    Closed hours are written without being asked; this is for an analysis that cannot wait.
    """
    told = call(data, "POST", "/v1/admin/history/export", seconds=LONG_SECONDS)
    console.print(
        f"{told['files']} file(s), {told['bytes']} bytes, in {told['folder']}.", markup=False
    )


def _read_readable(data: Path, wanted: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Yield whose parts may be read, as the server says page by page."""
    after, is_last = 0, False
    while not is_last:
        page = call(data, "POST", "/v1/admin/history/readable", {**wanted, "after": after})
        yield from ((part, customer) for part, customer in page["parts"])
        after, is_last = page["after"], page["is_last"]


def _ask_for_queries() -> Iterator[str]:
    """Yield queries that somebody types, each ended by a semicolon."""
    lines: list[str] = []
    while True:
        try:
            line = input(MORE if lines else PROMPT)
        except EOFError:
            return
        if not lines and line.strip().lower() in _ENDS:
            return
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines.clear()


def _answer(
    session: SqlSession,
    query: str,
    *,
    data: Path,
    wanted: dict[str, str],
    form: str,
    output: Path | None,
) -> None:
    answer = session.run(query)
    # Before anybody sees a row: what cannot be audited is not read.
    call(data, "POST", "/v1/admin/history/queries", {**wanted, "count": len(answer.rows)})
    write_rows(answer, form=form, output=output)
