"""Commands that answer a customer's request: hand over, put right, restrict; and how long data is kept."""

import json
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from kept.cli.client import call, download
from kept.cli.output import console
from kept.errors import InputError

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Who = Annotated[str, typer.Argument(help="An identifier, such as user_id:ana.")]
ConfirmedBy = Annotated[str, typer.Option(help="How it was made sure who asks.")]
Because = Annotated[str, typer.Option(help="Why, for the audit; no value belongs here.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("export")(export)
    app.command("correct")(correct)
    app.command("restrict")(restrict)
    app.command("retention")(retention)


def export(
    who: Who,
    data: Data,
    out: Annotated[Path, typer.Option(help="A folder that is not there yet, or a FILE.zip.")],
    confirmed_by: ConfirmedBy,
    locale: Annotated[str, typer.Option(help="A language; by default the customer's.")] = "",
) -> None:
    """Hand over everything that is held of a customer: a text to read, tables, and JSON."""
    if out.exists():
        raise InputError(f"{out} is there already; name a new file or folder")
    body = {"identifier": who, "confirmed_by": confirmed_by, "locale": locale}
    if out.suffix == ".zip":
        download(data, "/v1/admin/customers/export", body, out)
        names = zipfile.ZipFile(out).namelist()
    else:
        archive = out.with_name(f".{out.name}.zip")
        try:
            download(data, "/v1/admin/customers/export", body, archive)
            out.mkdir(mode=0o700)
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(out)
                names = packed.namelist()
        finally:
            archive.unlink(missing_ok=True)
    console.print(f"{out}: {len(names)} files. Begin with README.txt.", markup=False)


def correct(
    who: Who,
    data: Data,
    confirmed_by: ConfirmedBy,
    because: Because,
    trait: Annotated[str, typer.Option(help="The trait that is wrong.")] = "",
    object_: Annotated[
        str, typer.Option("--object", help="KIND/KEY of the object that is wrong, with --field.")
    ] = "",
    field: Annotated[str, typer.Option(help="The field of the object.")] = "",
    event: Annotated[
        str, typer.Option(help="The message id of the event that is wrong, with --property.")
    ] = "",
    property_: Annotated[str, typer.Option("--property", help="The property of the event.")] = "",
    value: Annotated[
        str | None,
        typer.Option(help="The right value, as JSON or as text; without one, there is none."),
    ] = None,
    wrong: Annotated[str, typer.Option(help="An identifier that is not the customer's.")] = "",
    right: Annotated[str, typer.Option(help="The identifier that takes its place.")] = "",
) -> None:
    """Put one thing right; a source that repeats the wrong value does not bring it back."""
    body: dict[str, Any] = {
        "identifier": who,
        "confirmed_by": confirmed_by,
        "because": because,
        "trait": trait,
        "object": object_,
        "field": field,
        "event": event,
        "property": property_,
        "value": _value(value),
        "wrong_identifier": wrong,
        "right_identifier": right,
    }
    done = call(data, "POST", "/v1/admin/customers/correct", body)
    console.print(f"{done['what']} is put right.", markup=False)
    for share in done["recipients"]:
        last = f", last on {share['last_at']}" if share["last_at"] else ""
        console.print(
            f"  Tell {share['recipient']} ({share['country']}), who is given it by "
            f"{share['through']}{last}.",
            markup=False,
        )


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def restrict(
    who: Who,
    data: Data,
    because: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    confirmed_by: Annotated[str, typer.Option(help="How it was made sure who asks.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Use the data again.")] = False,
    informed_by: Annotated[
        str, typer.Option(help="With --lift: how the customer was told before.")
    ] = "",
) -> None:
    """Keep a customer's data and use it for nothing but what a law obliges to; or lift that again."""
    if lift:
        body = {"identifier": who, "informed_by": informed_by}
        call(data, "POST", "/v1/admin/customers/lift-restriction", body)
        console.print(f"The data of {who} is used again.", markup=False)
        return
    body = {"identifier": who, "because": because, "confirmed_by": confirmed_by}
    done = call(data, "POST", "/v1/admin/customers/restrict", body)
    console.print(f"The data of {who} is kept and not used since {done['since']}.", markup=False)
    console.print(f"{len(done['withdrawn'])} message(s) withdrawn.", markup=False)
    for channel in done["in_flight"]:
        console.print(f"  Something had begun to leave by {channel} before.", markup=False)
    for recipient in done["recipients"]:
        console.print(f"  Tell {recipient}, who has data of them too.", markup=False)


def retention(
    data: Data,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and change nothing.")
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="Apply limits that became shorter without waiting.")
    ] = False,
    because: Annotated[str, typer.Option(help="With --approve: why, for the audit.")] = "",
) -> None:
    """Show what is past its time, by kind and purpose; or approve limits that became shorter.

    What is past its time is removed by the running server, everybody's once a day.
    """
    if approve and dry_run:
        raise InputError("--dry-run shows, and --approve applies; give one")
    if approve:
        body = {"because": because}
        done = call(data, "POST", "/v1/admin/retention/approve", body)
        told = "The shorter limits are applied now." if done["approved"] else "No limit waits."
        console.print(told, markup=False)
        return
    told = call(data, "GET", "/v1/admin/retention")
    table = Table("what", "past its time", "oldest", "kept", "because", "for what")
    for one in told["overdue"]:
        waits = " (waits)" if one["is_waiting"] else ""
        table.add_row(
            one["what"],
            str(one["count"]),
            one["oldest"],
            one["kept"] + waits,
            one["because"],
            ", ".join(one["purposes"]) or "nothing",
        )
    console.print(table if told["overdue"] else "Nothing is past its time.")
    if told["shortened"]:
        console.print(
            f"Shorter than what is applied, and waiting until {told['waits_until']} or for "
            f"`kept retention --approve`: {', '.join(told['shortened'])}.",
            markup=False,
        )
