"""The command that carries an embedded store to PostgreSQL."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from kept.cli.options import MasterKey, MasterKeyToken, VaultDatabase
from kept.cli.output import console
from kept.runtime.move import move as move_store


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command("move")(move)


def move(
    data: Annotated[
        Path, typer.Option(help="The data folder; no server runs on it.", envvar="KEPT_DATA")
    ],
    to: Annotated[
        str,
        typer.Option(
            help="An empty PostgreSQL: postgresql://USER@HOST/NAME, or env:NAME or file:PATH where "
            "that stands."
        ),
    ],
    vault_database: VaultDatabase = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Carry the store of a data folder, and its keys, to a PostgreSQL that several nodes may share.

    Interrupted, it goes on where it stopped when it is called again. In the end every row is
    compared and every record opened; nothing starts on the old store any more.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}, {task.completed} rows"),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("beginning")

        def report(what: str, rows: int) -> None:
            bar.update(task, description=what, advance=rows)

        done = move_store(
            data,
            to=to,
            vault_database=vault_database,
            master_key=master_key,
            master_key_token=master_key_token,
            report=report,
        )
    compared = f": {done.rows} rows compared, {done.opened} records opened" if done.rows else ""
    console.print(f"The store of {data} is in {done.to} now{compared}.", markup=False)
    if done.log_size:
        console.print(
            f"The consent log has {done.log_size} leaves and the same root: {done.log_root.hex()}.",
            markup=False,
        )
    console.print(
        "Start every node with --database; nothing starts on the old store any more. Keep its files "
        "until the first backup of both databases is made, then remove kept.db and vault.db.",
        markup=False,
    )
    if done.master_key is not None:
        console.print(
            f"Each node needs the master key: give it {done.master_key}, by a safe way, and name it "
            "with KEPT_MASTER_KEY=file:PATH.",
            markup=False,
        )
