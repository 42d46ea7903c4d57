"""Commands for whoever runs a server: ask it, stop it, hear its reasons."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kept.cli.client import call
from kept.cli.output import console
from kept.errors import InputError

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Scope = Annotated[
    str,
    typer.Argument(
        help="all, or action:NAME, channel:NAME, purpose:NAME, region:NAME, cohort:NAME; "
        "with a plus what is within both, such as region:NAME+purpose:NAME."
    ),
]
Who = Annotated[str, typer.Argument(help="An identifier, such as user_id:ana.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("explain")(explain)
    app.command("refused")(list_refused)
    app.command("decide")(decide)
    app.command("unmerge")(unmerge)


def pause(
    scope: Scope,
    data: Data,
    because: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
) -> None:
    """Stop an action, a channel, a purpose, a region, a cohort or everything, at once."""
    body = {"scope": scope, "because": because}
    brake = call(data, "POST", "/v1/admin/brakes", body)
    console.print(f"Paused {brake['scope']} since {brake['since']}.", markup=False)


def resume(scope: Scope, data: Data) -> None:
    """Lift a brake; those who waited hear from the brand one by one."""
    brake = call(data, "DELETE", f"/v1/admin/brakes/{quote(scope, safe='')}")
    console.print(f"Resumed {brake['scope']}.", markup=False)


def explain(
    decision: Annotated[int, typer.Argument(help="The decision's id.")],
    data: Data,
    unmask: Annotated[
        str, typer.Option(help="Show values of the person, for this reason, which is kept.")
    ] = "",
) -> None:
    """Say why a decision came out as it did, what would have changed it, and prove it."""
    path = f"/v1/admin/decisions/{decision}"
    told = (
        call(data, "POST", f"{path}/unmask", {"reason": unmask})
        if unmask
        else call(data, "GET", path)
    )
    explained = told["explained"]
    lines = [
        f"Decision {told['decision_id']} at {told['decided_at']}, brand {told['brand_version']}",
        f"  {explained['outcome']}",
        *_section("Holds that were on", explained["holds"]),
        *_section("Why not", explained["reasons"]),
        *_section("What would have changed it", explained["would_change"]),
        *_section("What the customer may read", told["customer"]),
        "",
        "Made again from the same facts it comes out the same."
        if told["replays_alike"]
        else "MADE AGAIN FROM THE SAME FACTS IT COMES OUT OTHERWISE.",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False)
    if not told["replays_alike"]:
        raise typer.Exit(1)


def _section(title: str, sentences: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  - {sentence}" for sentence in sentences)] if sentences else []


def list_refused(
    data: Data,
    after: Annotated[
        int, typer.Option(min=0, help="Only what was decided after this decision.")
    ] = 0,
    source: Annotated[str, typer.Option(help="Only contacts of this tool.")] = "",
) -> None:
    """List the contacts that tools outside Kept asked for and were refused, and why.

    In shadow these are what Kept would have stopped. `kept explain` says more of each.
    """
    counts: Counter[str] = Counter()
    is_last = False
    while not is_last:
        page = call(data, "GET", f"/v1/admin/refused-contacts?after={after}")
        for one in page["refused"]:
            if source in ("", one["source"]):
                why = " ".join(filter(None, (one["code"], one["because"])))
                counts[why] += 1
                console.print(_refused_line(one, why), markup=False)
        after, is_last = page["after"], page["is_last"]
    told = ", ".join(f"{why} {count}" for why, count in counts.most_common())
    console.print(
        f"{counts.total()} contact(s) refused{': ' if told else ''}{told}. "
        f"What comes from now on is after decision {after}.",
        markup=False,
    )


def _refused_line(one: dict[str, Any], why: str) -> str:
    until = f" until {one['until']}" if one["until"] else ""
    action = one["action"] or "a contact"
    wanted = f"{action} ({one['entity']}, {one['purpose']}, {one['channel']})"
    return f"{one['decision_id']}  {one['decided_at']}  {one['source']}: {wanted}: {why}{until}"


def decide(
    placement: Annotated[str, typer.Argument(help="A placement of brand.yaml.")],
    who: Who,
    data: Data,
    source: Annotated[str, typer.Option(help="The source that asks.")],
    key: Annotated[str, typer.Option(help="Its write key.", envvar="KEPT_KEY")],
    action: Annotated[
        list[str] | None, typer.Option(help="At a gate: the actions asked for.")
    ] = None,
) -> None:
    """Ask for a decision as a touchpoint would, and print the answer as JSON."""
    namespace, value = _identifier(who)
    body: dict[str, Any] = {
        "placement": placement,
        "identifiers": {namespace: value},
        "actions": action or [],
    }
    console.print_json(data=call(data, "POST", "/v1/decide", body, key=key))


def unmerge(one: Who, other: Who, data: Data) -> None:
    """Say that two identifiers are two people; everything is sorted out again by itself."""
    body = {"one": one, "other": other}
    _identifier(one)
    _identifier(other)
    call(data, "POST", "/v1/admin/customers/unmerge", body)
    console.print(f"{one} and {other} are two people from now on.", markup=False)


def _identifier(text: str) -> tuple[str, str]:
    namespace, colon, value = text.partition(":")
    if not colon or not namespace or not value:
        message = f"{text!r} is not an identifier; write namespace:value, such as user_id:ana"
        raise InputError(message)
    return namespace, value
