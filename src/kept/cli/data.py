"""Commands about data: bring history in, back up, restore."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kept.cli import history
from kept.cli.client import LONG_SECONDS, call
from kept.cli.options import Database, MasterKey, MasterKeyToken, VaultDatabase
from kept.cli.output import console, error_console
from kept.errors import SettingsError
from kept.runtime.backups import note_database_restored
from kept.runtime.backups import restore as restore_store
from kept.runtime.stores import Where

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
vault_app = typer.Typer(
    no_args_is_help=True, help="The master key that everything is sealed under."
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("import")(import_history)
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("restored")(restored)
    vault_app.command("status")(show_vault)
    vault_app.command("rotate")(rotate_vault)
    app.add_typer(vault_app, name="vault")


def import_history(
    file: Annotated[Path, typer.Argument(help="JSONL, CSV or Parquet, by its ending.")],
    data: Data,
    source: Annotated[str, typer.Option(help="A source of kind import.")] = "history",
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="What the columns mean; without one, lines are events as SDKs send them."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where to list what was not taken (JSONL).")
    ] = None,
) -> None:
    """Bring history in: it is folded like everything else, and nothing is sent because of it.

    It can be interrupted and begun again: it goes on where it stopped, and nothing counts twice.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[taken]} taken, {task.fields[refused]} not"),
        TimeRemainingColumn(),
        console=console,
    )
    reading = history.open_file(file, mapping)
    with bar:
        task = bar.add_task(file.name, total=reading.row_count, taken=0, refused=0)
        done = history.Totals()
        for done in history.send(reading, data=data, source=source, report=report):
            bar.update(task, completed=done.rows, taken=done.taken, refused=done.refused)
    console.print(
        f"{done.taken} taken, {done.duplicates} known already, {done.refused} not taken"
        + (f"; see {report}" if report and done.refused else ""),
        markup=False,
    )


def backup(
    data: Data,
    name: Annotated[
        str, typer.Option(help="What to call it; by default the present instant.")
    ] = "",
) -> None:
    """Copy the store while the server runs, into the data folder, and verify the copy."""
    made = call(data, "POST", "/v1/admin/backups", {"name": name}, seconds=LONG_SECONDS)
    console.print(f"{data / made['file']}: {made['size']} bytes, verified.", markup=False)


def restore(
    backup_file: Annotated[Path, typer.Argument(help="A file that `kept backup` wrote.")],
    data: Data,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the store that is there aside.")
    ] = False,
    guard: Annotated[
        Path | None,
        typer.Option(help="The optouts.log of the machine that the backup comes from."),
    ] = None,
    database: Database = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Put a backup in the place of a store that no server runs on.

    What customers withdrew since the backup was made is withdrawn again before anything is sent.
    Nobody knows what was sent since, so that each promotional purpose stays paused until `kept
    resume purpose:NAME`. A store in a database is restored by PostgreSQL's own means.
    """
    if database:
        raise SettingsError(
            "a backup that `kept backup` wrote is not put into a database: restore a PostgreSQL by "
            "its own means (see the guide on PostgreSQL); or restore the backup into a data folder "
            "without --database and KEPT_DATABASE, and carry it over with `kept move`"
        )
    done = restore_store(
        backup_file,
        data,
        replace=replace,
        guard=guard,
        master_key=master_key,
        master_key_token=master_key_token,
    )
    console.print(
        f"Restored {backup_file} into {data}; {done.waiting} later withdrawal(s) will be applied "
        "before the first message.",
        markup=False,
    )
    if guard is None:
        return
    console.print(f"{done.added} line(s) of {guard} were new to it and are added.", markup=False)
    for line in done.damaged_lines:
        error_console.print(f"{guard}:{line}: damaged, and so left out", markup=False)
    if done.damaged_lines:
        error_console.print(
            "Nobody can say who opted out there. Look for these lines in another copy of the file "
            "before you resume a purpose; whole lines may be added to "
            f"{done.log} while no server runs.",
            markup=False,
        )


def restored(
    data: Data,
    database: Database = "",
    vault_database: VaultDatabase = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Say that a PostgreSQL was restored by its own means, before the first node starts again.

    What customers withdrew since is withdrawn again before anything is sent; each promotional
    purpose stays paused until `kept resume purpose:NAME`; no number is given out a second time;
    everybody signs in anew.
    """
    where = Where(data, database, vault_database, master_key, master_key_token)
    waiting = note_database_restored(where)
    console.print(
        f"Taken up; {waiting} later withdrawal(s) will be applied before the first message.",
        markup=False,
    )


def show_vault(data: Data) -> None:
    """List the epochs of the master key: how many keys each wraps, and since when none."""
    _print_epochs(call(data, "GET", "/v1/admin/vault"))


def rotate_vault(data: Data) -> None:
    """Begin a new epoch of the master key and wrap every key under it, while the server works."""
    _print_epochs(call(data, "POST", "/v1/admin/vault/rotate", seconds=LONG_SECONDS))


def _print_epochs(told: Any) -> None:
    for epoch in told["epochs"]:
        since = f", retired {epoch['retired_at']}" if epoch["retired_at"] else ""
        console.print(
            f"epoch {epoch['epoch']}: {epoch['key_count']} keys, begun {epoch['begun_at']}{since}",
            markup=False,
        )
