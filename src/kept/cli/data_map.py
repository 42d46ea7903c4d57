"""The command that says which data a brand uses for what, on which basis, and who is given it."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from kept.cli.output import console
from kept.core.data_map import map_data
from kept.core.data_map.write import COLUMNS, shorter_rows_of, to_csv, to_markdown
from kept.errors import InputError
from kept.runtime.folder import load_checked, read_folder


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("data-map")(data_map)


def data_map(
    folder: Annotated[Path, typer.Argument(help="The brand folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write all of it as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write a row for each field.")] = False,
    as_markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Write the record of processing activities (GDPR, 30)."),
    ] = False,
    field: Annotated[
        str, typer.Option(help="Only this field, with every policy that reads it.")
    ] = "",
) -> None:
    """Say which field is used for what, on which basis, who is given it, and until when.

    It is computed from the policies themselves: a condition, a text or a tool that is not in the map
    does not read the field.
    """
    if as_json + as_csv + as_markdown > 1:
        message = "--json, --csv and --markdown are three ways to write it; give one"
        raise InputError(message)
    brand = load_checked(read_folder(folder))
    data = map_data(brand)
    if field:
        found = data.find(field)
        if found is None:
            message = f"there is no field {field!r}; `kept data-map {folder}` lists them"
            raise InputError(message)
        data = msgspec.structs.replace(data, fields=(found,))
    if as_csv:
        typer.echo(to_csv(data), nl=False)
    elif as_markdown:
        typer.echo(to_markdown(data, brand))
    elif as_json or field:
        typer.echo(json.dumps(msgspec.to_builtins(data), indent=2, ensure_ascii=False))
    else:
        table = Table(*COLUMNS, title=f"{data.brand}: {len(data.fields)} fields", expand=True)
        for row in shorter_rows_of(data):
            table.add_row(*row)
        console.print(table, markup=False)
