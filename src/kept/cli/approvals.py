"""Commands for what a machine may not decide alone: list it, see why, say yes or no to one."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kept.cli.client import call
from kept.cli.output import console
from kept.cli.person import signed_in

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Number = Annotated[int, typer.Argument(help="The approval's number.")]
Because = Annotated[str, typer.Option(help="Why, in your own words; kept with your name.")]
Alone = Annotated[
    bool,
    typer.Option("--alone", help="There is nobody else to decide what you approved before."),
]

Person = Annotated[str, typer.Option("--as", help="Who decides: the name that you sign in with.")]
Password = Annotated[
    str,
    typer.Option(
        prompt=True, hide_input=True, envvar="KEPT_PASSWORD", help="Your password; asked for."
    ),
]

approvals_app = typer.Typer(no_args_is_help=True, help="What waits for a person's decision.")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    approvals_app.command("list")(list_waiting)
    approvals_app.command("show")(show)
    approvals_app.command("approve")(approve)
    approvals_app.command("refuse")(refuse)
    app.add_typer(approvals_app, name="approvals")


def list_waiting(
    data: Data,
    state: Annotated[
        str,
        typer.Option(help="Only approved, refused, used, lapsed, withdrawn, contested or open."),
    ] = "",
) -> None:
    """List what waits for a person, customers masked."""
    after, count, has_more = 0, 0, True
    while has_more:
        query = f"?after={after}" + (f"&state={state}" if state else "")
        told = call(data, "GET", f"/v1/admin/approvals{query}")
        for one in told["approvals"]:
            console.print(_line(one), markup=False, highlight=False)
            after, count = one["approval"], count + 1
        has_more = told["has_more"]
    if not count:
        console.print("Nothing waits for a person." if not state else "There is none.")


def show(number: Number, data: Data) -> None:
    """Show one with the customer masked, the reasons, the facts, and what approving it does."""
    told = call(data, "GET", f"/v1/admin/approvals/{number}")
    one, explained = told["approval"], told["explained"]
    lines = [
        _line(one),
        f"  {one['what']}",
        f"  If approved: {one['happens']}.",
        *([f"  Contested; not to be decided by {one['not_by']}."] if one.get("not_by") else []),
        "",
        f"Decision {explained['decision_id']} at {explained['decided_at']}:",
        *(f"  - {reason}" for reason in explained["explained"]["reasons"]),
        "",
        "What became of it:",
        *(f"  {_step(step)}" for step in one.get("steps", [])),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def approve(
    number: Number,
    data: Data,
    because: Because,
    person: Person,
    password: Password,
    alone: Alone = False,
) -> None:
    """Let one action about one object go ahead, once; a person signs in for it, no token may."""
    _decide(number, data, "approve", because, who=(person, password), alone=alone)


def refuse(
    number: Number,
    data: Data,
    because: Because,
    person: Person,
    password: Password,
    alone: Alone = False,
) -> None:
    """Keep one action about one object away, or take an approval back that was not used yet."""
    _decide(number, data, "refuse", because, who=(person, password), alone=alone)


def _decide(
    number: int, data: Path, verb: str, because: str, *, who: tuple[str, str], alone: bool
) -> None:
    body = {"because": because, "alone": alone}
    with signed_in(data, *who) as ask:
        one = ask("POST", f"/v1/admin/approvals/{number}/{verb}", body)
    until = f" until {one['until']}" if one.get("until") and one["state"] != "used" else ""
    console.print(f"Approval {number} is {one['state']}{until}.", markup=False, highlight=False)


def _line(one: dict[str, Any]) -> str:
    who = one.get("name") or next(iter(one.get("identifiers", [])), "")
    about = f" ({one['about']})" if one.get("about") else ""
    return (
        f"{one['approval']:>6}  {one['state']:<9} {one['action']}{about} for customer "
        f"{one['customer']} {who}, since {one['requested_at']}"
    )


def _step(step: dict[str, Any]) -> str:
    by = f" by {step['by']}" if step.get("by") else ""
    because = f": {step['because']}" if step.get("because") else ""
    return f"{step['at']} {step['what']}{by}{because}"
