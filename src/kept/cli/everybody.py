"""Commands about everybody at once: a base is prepared on the server, and asked in counts."""

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kept.cli.client import LONG_SECONDS, call
from kept.cli.output import console, error_console

Data = Annotated[Path, typer.Option(help="The data folder of the server.", envvar="KEPT_DATA")]
Segment = Annotated[str, typer.Option(help="Only the members of this segment.")]
WhereOption = Annotated[str, typer.Option(help="Only those for whom this condition holds.")]
Engine = Annotated[
    str, typer.Option(help="What is asked: duckdb or spark; by default the base that there is.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]
_BASE: Final = "/v1/admin/base"
_ENGINES: Final = ("duckdb", "spark")
_POLL_SECONDS: Final = 0.5
_REASONS_SHOWN: Final = 4


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("base")(base)
    app.command("audience")(audience)
    app.command("reach")(reach)


def base(
    what: Annotated[str, typer.Argument(help="prepare, show or drop.")],
    data: Data,
    engine: Engine = "duckdb",
) -> None:
    """Take everybody's facts as they are now, so that questions about all of them can be asked."""
    if what == "prepare":
        _say(_prepare(data, engine))
    elif what == "show":
        _say(call(data, "GET", _BASE))
    elif what == "drop":
        _say(call(data, "DELETE", _BASE))
    else:
        message = f"{what!r} is not one of prepare, show, drop"
        raise typer.BadParameter(message)


def audience(
    data: Data,
    condition: Annotated[str, typer.Argument(help="A condition, as a brand writes it.")] = "",
    segment: Segment = "",
    engine: Engine = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Count those for whom a condition holds now, or the members of a segment."""
    require_base(data, engine)
    body = {"where": condition, "segment": segment}
    told = call(data, "POST", f"{_BASE}/audience", body, seconds=LONG_SECONDS)
    if as_json:
        console.print_json(data=told)
        return
    _line(f"{told['members']:,} of {told['customers']:,} customers, as of {told['instant']}")
    for cohort, count in sorted(told["cohorts"].items(), key=lambda one: -one[1]):
        _line(f"  {count:>12,}  {cohort or 'cohort unknown'}")
    if told["unknown"]:
        _line(f"Of {told['unknown']:,} it is unknown; they are not counted.")


def reach(
    data: Data,
    action: Annotated[
        list[str] | None, typer.Option(help="Only this action, as if there were no other.")
    ] = None,
    placement: Annotated[str, typer.Option(help="Where it is decided.")] = "outbound",
    segment: Segment = "",
    where: WhereOption = "",
    with_hold: Annotated[
        str, typer.Option(help="Try a condition as a hold on everything promotional.")
    ] = "",
    without_hold: Annotated[str, typer.Option(help="Leave this hold out.")] = "",
    engine: Engine = "",
    *,
    by_cohort: Annotated[bool, typer.Option("--by-cohort", help="Count by cohort, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide for everybody now, in one query: what would go out, and what stops how many."""
    require_base(data, engine)
    body = {
        "placement": placement,
        "actions": action or [],
        "segment": segment,
        "where": where,
        "with_hold": with_hold,
        "without_hold": without_hold,
        "by_cohort": by_cohort,
    }
    told = call(data, "POST", f"{_BASE}/reach", body, seconds=LONG_SECONDS)
    if as_json:
        console.print_json(data=told)
        return
    _line(f"{told['customers']:,} customers, as of {told['instant']}, at {told['placement']}")
    _line(f"{told['silent']:,} would hear nothing")
    for one in told["actions"]:
        _say_action(one, is_tried=bool(with_hold or without_hold))
    for cohort, count in sorted(told["cohorts"].items()):
        _line(f"  {cohort or 'cohort unknown'}: {count:,} would hear something")


def _say_action(one: dict[str, Any], *, is_tried: bool) -> None:
    ways = ", ".join(f"{channel} {count:,}" for channel, count in sorted(one["channels"].items()))
    before = f" (before: {one['chosen_before']:,})" if is_tried else ""
    _line("")
    _line(f"{one['action']}: {one['chosen']:,}{before}" + (f" by {ways}" if ways else ""))
    for why in one["refused"][:_REASONS_SHOWN]:
        detail = f" {why['detail']}" if why["detail"] else ""
        _line(f"  {why['count']:>12,}  {why['layer']}: {why['code']}{detail}")
    rest = sum(why["count"] for why in one["refused"][_REASONS_SHOWN:])
    if rest:
        _line(f"  {rest:>12,}  other reasons")


def _prepare(data: Path, engine: str) -> dict[str, Any]:
    _require_engine(engine)
    told = call(data, "POST", _BASE, {"engine": engine})
    while told["state"] == "filling":
        time.sleep(_POLL_SECONDS)
        told = call(data, "GET", _BASE)
    if told["state"] != "ready":
        error_console.print(_problem(told), markup=False, soft_wrap=True)
        raise typer.Exit(1)
    return dict(told)


def _require_engine(engine: str) -> None:
    if engine not in _ENGINES:
        message = f"--engine {engine!r} is not one of {', '.join(_ENGINES)}"
        raise typer.BadParameter(message)


def _problem(told: dict[str, Any]) -> str:
    return f"the base could not be taken: {told['problem'] or 'it was dropped'}"


def require_base(data: Path, engine: str = "") -> None:
    """Prepare a base where there is none, or where another engine is to be asked."""
    _require_engine(engine or "duckdb")
    told = call(data, "GET", _BASE)
    if told["state"] != "ready" or engine not in ("", told["engine"]):
        _prepare(data, engine or "duckdb")


def _say(told: dict[str, Any]) -> None:
    if told["state"] == "none":
        _line("There is no base.")
        return
    if told["state"] == "failed":
        _line(_problem(told))
        return
    where = ", on Spark" if told["engine"] == "spark" else ""
    _line(
        f"The base is {told['state']}: {told['customers']:,} customers, "
        f"{told['instant'] or 'being taken'}, in {told['seconds']:.1f} s{where}"
    )


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False)
