"""The command that lists the nodes of a store."""

import typer

from kept.cli.client import call
from kept.cli.operate import Data
from kept.cli.output import console


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command("nodes")(nodes)


def nodes(data: Data) -> None:
    """List the servers that share the store with this one."""
    found = call(data, "GET", "/v1/admin/nodes")["nodes"]
    if not found:
        console.print("This server has its store for itself.", markup=False)
    for one in found:
        marks = [one["state"]]
        if one["is_this"]:
            marks.append("this one")
        if not one["is_current"] and one["state"] != "gone":
            marks.append("takes a change up")
        told = f"{one['node']}  {one['name']}  {', '.join(marks)}  since {one['joined_at']}"
        console.print(told, markup=False, highlight=False)
