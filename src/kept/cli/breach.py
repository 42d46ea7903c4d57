"""Commands for a breach: declare it, see whom it touched, let the notices go, close it, export."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from kept.cli.client import call, fetch
from kept.cli.output import console
from kept.errors import InputError

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Number = Annotated[int, typer.Argument(help="The breach's number.")]
Because = Annotated[str, typer.Option(help="Why; it is written into the audit.")]

breach_app = typer.Typer(no_args_is_help=True, help="A key, an account or a recipient was lost.")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    breach_app.command("declare")(declare)
    breach_app.command("list")(list_all)
    breach_app.command("show")(show)
    breach_app.command("notify")(notify)
    breach_app.command("close")(close)
    breach_app.command("evidence")(evidence)
    app.add_typer(breach_app, name="breach")


def declare(
    data: Data,
    since: Annotated[str, typer.Option(help="From when on, such as 2026-03-02T09:00:00Z.")],
    because: Because,
    source: Annotated[str, typer.Option(help="A source of sources.yaml.")] = "",
    staff: Annotated[str, typer.Option(help="A member of staff.")] = "",
    recipient: Annotated[str, typer.Option(help="A recipient of consent.yaml.")] = "",
) -> None:
    """Revoke what is compromised at once, and begin to find out exactly whom it touched.

    Until that is known nothing promotional leaves to anybody.
    """
    body = {
        "source": source,
        "staff": staff,
        "recipient": recipient,
        "since": since,
        "because": because,
    }
    _print(call(data, "POST", "/v1/admin/breaches", body))


def list_all(data: Data) -> None:
    """List breaches, newest first."""
    found = call(data, "GET", "/v1/admin/breaches")["breaches"]
    for one in found:
        console.print(_line(one), markup=False, highlight=False)
    if not found:
        console.print("There is none.")


def show(number: Number, data: Data) -> None:
    """Show one: how far the search is, how many it touched with which fields, how many were told."""
    _print(call(data, "GET", f"/v1/admin/breaches/{number}"))
    counts: dict[tuple[str, str, str], int] = {}
    after, is_last = -1, False
    while not is_last:
        page = call(data, "GET", f"/v1/admin/breaches/{number}/affected?after={after}")
        for customer in page["customers"]:
            for touch in customer["touches"]:
                for field in touch["fields"]:
                    key = (touch["how"], touch["certainty"], field)
                    counts[key] = counts.get(key, 0) + 1
        after, is_last = page["after"], page["is_last"]
    for (how, certainty, field), count in sorted(counts.items()):
        console.print(f"  {field}: {how}, {certainty}, of {count}", markup=False, highlight=False)


def notify(
    number: Number,
    data: Data,
    did: Annotated[
        list[str],
        typer.Option(help="What was done, as the notice says it: LOCALE=TEXT, once for each."),
    ],
    looked: Annotated[
        str, typer.Option(help="The digest of the drafts that you looked at; sends them.")
    ] = "",
) -> None:
    """Show the notices as they would go, with counts; given their digest, let them go."""
    told = dict(_said(text) for text in did)
    body = {"what_we_did": told}
    drafts = call(data, "POST", f"/v1/admin/breaches/{number}/drafts", body)
    for draft in drafts["drafts"]:
        head = f"--- {draft['locale']} by {draft['channel']}: {draft['subject']}"
        console.print(f"{head}\n{draft['text']}", markup=False, highlight=False)
    for way, count in sorted(drafts["ways"].items()):
        console.print(f"{count} customer(s): {way}", markup=False, highlight=False)
    if not looked:
        digest = drafts["digest"]
        console.print(
            f"Nothing is sent yet. To send these, add --looked {digest}",
            markup=False,
            highlight=False,
        )
        return
    done = call(data, "POST", f"/v1/admin/breaches/{number}/notify", {"digest": looked})
    console.print(_line(done), markup=False, highlight=False)


def close(number: Number, data: Data, because: Because) -> None:
    """Close a breach: whoever was not told is not told any more, and promotions go on."""
    done = call(data, "POST", f"/v1/admin/breaches/{number}/close", {"because": because})
    console.print(_line(done), markup=False, highlight=False)


def evidence(
    number: Number,
    data: Data,
    into: Annotated[Path, typer.Option(help="The zip to write.")],
    personal: Annotated[
        bool, typer.Option("--personal", help="Name people in the clear; needs --because.")
    ] = False,
    because: Because = "",
) -> None:
    """Write timeline, customers, fields, audit, notices and a report into a zip with checksums."""
    body = {"personal": personal, "because": because}
    content = fetch(data, "POST", f"/v1/admin/breaches/{number}/evidence", body)
    _write_for_owner(into, content)
    console.print(f"{into}: {len(content)} bytes.", markup=False, highlight=False)


def _write_for_owner(into: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whatever stood there before."""
    beside = into.with_name(f".{into.name}.making")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        beside.replace(into)
    finally:
        beside.unlink(missing_ok=True)


def _said(text: str) -> tuple[str, str]:
    locale, equals, said = text.partition("=")
    if not equals or not locale or not said:
        message = f"{text!r} is not LOCALE=TEXT, such as en=We have changed the key."
        raise InputError(message)
    return locale, said


def _print(one: dict[str, Any]) -> None:
    lines = [
        _line(one),
        f"  since {one['since']}: {one['because']}",
        *(f"  revoked: {r['what']} ({r['count']})" for r in one["revocations"]),
        f"  {one['customers']} customer(s), {one['told']} told, {one['due']} not yet",
        *(f"  not known: {limit}" for limit in one["limits"]),
        *([] if one["has_notice"] else ["  The brand has no notice: none can be drafted."]),
        f"  the authority is to hear by {one['authority_by']}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _line(one: dict[str, Any]) -> str:
    return (
        f"Breach {one['breach']}: {one['kind']} {one['name']}, {one['state']} "
        f"({one['progress_percent']} % read), {one['customers']} touched, {one['told']} told"
    )
