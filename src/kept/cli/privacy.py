"""Commands about what customers may ask for under the law: to be forgotten, with a receipt."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from kept.cli.client import call
from kept.cli.output import console, error_console
from kept.errors import InputError

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Request = Annotated[str, typer.Argument(help="The id that stands in the receipt.")]

erasures_app = typer.Typer(no_args_is_help=True, help="What became of erasures.")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("forget")(forget)
    erasures_app.command("list")(list_erasures)
    erasures_app.command("show")(show_erasure)
    erasures_app.command("confirm")(confirm_erasure)
    erasures_app.command("held")(show_held)
    app.add_typer(erasures_app, name="erasures")


def forget(
    who: Annotated[str, typer.Argument(help="An identifier, such as user_id:ana.")],
    data: Data,
    confirmed_by: Annotated[
        str,
        typer.Option(help="How it was made sure that they ask themselves; stands in the receipt."),
    ],
    suppress: Annotated[
        bool, typer.Option("--suppress", help="Take nothing of them any more, even later.")
    ] = False,
    internal: Annotated[
        bool, typer.Option("--internal", help="Do not tell recipients outside.")
    ] = False,
    proof: Annotated[
        Path | None,
        typer.Option(help="Where to write the signed record that `kept verify-receipt` verifies."),
    ] = None,
) -> None:
    """Forget a customer everywhere, at once and for good, and print the receipt as JSON."""
    body = {
        "identifier": who,
        "confirmed_by": confirmed_by,
        "is_suppressed": suppress,
        "is_forwarded": not internal,
    }
    if proof is not None:
        _check_writable(proof)
    told = call(data, "POST", "/v1/admin/erasures", body)
    # First: nobody can be forgotten a second time to see it.
    console.print_json(data=told["receipt"])
    if proof is not None:
        proof.write_bytes(msgspec.json.encode(told["proof"]))
        error_console.print(f"{proof}: verified with the key {told['key']}", markup=False)


def _check_writable(proof: Path) -> None:
    """Refuse a file that cannot be written while nothing is erased yet; none is left by trying."""
    try:
        try:
            proof.open("xb").close()
        except FileExistsError:
            proof.open("ab").close()
        else:
            proof.unlink()
    except OSError as error:
        message = f"{proof} cannot be written ({error.strerror}); name another file with --proof"
        raise InputError(message) from error


def list_erasures(data: Data) -> None:
    """List the newest erasures, and for whom each still waits."""
    for one in call(data, "GET", "/v1/admin/erasures")["erasures"]:
        waits = f"waits for {', '.join(one['waiting_for'])}" if one["waiting_for"] else "complete"
        console.print(
            f"{one['request_id']}  {one['erased_at']}  {waits}", markup=False, highlight=False
        )


def show_erasure(request: Request, data: Data) -> None:
    """Print the receipt of an erasure as it stands now, as JSON."""
    console.print_json(data=call(data, "GET", f"/v1/admin/erasures/{request}")["receipt"])


def confirm_erasure(
    request: Request,
    data: Data,
    recipient: Annotated[str, typer.Option(help="A recipient of consent.yaml.")],
) -> None:
    """Note that a recipient has erased, as it told you; prints the receipt."""
    path = f"/v1/admin/erasures/{request}/confirm"
    told = call(data, "POST", path, {"recipient": recipient})
    console.print_json(data=told["receipt"])


def show_held(
    request: Request,
    data: Data,
    because: Annotated[str, typer.Option(help="Why it is looked at; kept in the audit.")],
) -> None:
    """Print what a law obliges to keep after an erasure, as JSON."""
    path = f"/v1/admin/erasures/{request}/held"
    console.print_json(data=call(data, "POST", path, {"because": because})["records"])
