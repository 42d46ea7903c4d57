"""The commands of a campaign: begin one, see how far it is, stop it."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kept.cli.client import LONG_SECONDS, call
from kept.cli.everybody import Engine, Segment, WhereOption, require_base
from kept.cli.output import console

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
_PATH: Final = "/v1/admin/campaign"
campaign_app = typer.Typer(
    name="campaign",
    help="Wake those for whom an action is chosen, at a pace.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.add_typer(campaign_app)


@campaign_app.command("begin")
def begin(
    action: Annotated[str, typer.Argument(help="The action.")],
    data: Data,
    pace: Annotated[int, typer.Option(help="How many customers are looked at a minute.")],
    segment: Segment = "",
    where: WhereOption = "",
    limit: Annotated[int, typer.Option(help="At most so many customers; 0 means all.")] = 0,
    engine: Engine = "",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many it would be, and begin nothing.")
    ] = False,
) -> None:
    """Look at those for whom an action is chosen now; each is decided as always, and again as it leaves."""
    require_base(data, engine)
    body = {
        "action": action,
        "pace": pace,
        "segment": segment,
        "where": where,
        "limit": limit,
        "dry_run": dry_run,
    }
    told = call(data, "POST", _PATH, body, seconds=LONG_SECONDS)
    if dry_run:
        _line(f"{action} is chosen for {told['would_wake']:,} customers; nothing was begun.")
        return
    _say(told)


@campaign_app.command("show")
def show(data: Data) -> None:
    """Say how far the newest campaign is."""
    _say(call(data, "GET", _PATH))


@campaign_app.command("stop")
def stop(data: Data) -> None:
    """Wake nobody more; what is queued already is each customer's own, and a brake stops that."""
    _say(call(data, "DELETE", _PATH))


def _say(told: dict[str, Any]) -> None:
    one = told["campaign"]
    if one is None:
        _line("There was no campaign yet.")
        return
    braked = ", braked" if one["is_braked"] and one["state"] == "running" else ""
    _line(
        f"{one['action']}: {one['state']}{braked}, {one['woken']:,} of {one['members']:,} looked at, "
        f"{one['pace']:,} a minute, since {one['begun_at']}"
    )


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False)
