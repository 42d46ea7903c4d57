"""The command that plays a record again under a changed policy."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from kept.cli.client import call
from kept.cli.options import Database, MasterKey, MasterKeyToken, VaultDatabase
from kept.core.values import format_instant, parse_instant
from kept.errors import InputError
from kept.flows.replay.reading import ReplayReading
from kept.flows.replay.report import Report, report_of
from kept.flows.replay.words import to_markdown, to_text
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.records import Source, check_source, is_in_use, note_reading
from kept.runtime.replays import Trial, replay

Against = Annotated[
    Path,
    typer.Option(
        help="The data folder of a server, running or stopped, or a copy of one; with --database the "
        "folder of one of its nodes."
    ),
]
Purpose = Annotated[
    str, typer.Option(help="What the record is read for, a purpose of consent.yaml.")
]
Entity = Annotated[
    str, typer.Option(help="For which legal entity; needed where there are several.")
]
Since = Annotated[str, typer.Option("--from", help="The first instant that is decided again.")]
Until = Annotated[str, typer.Option("--to", help="The instant at which it ends (exclusive).")]
Workers = Annotated[int, typer.Option(min=1, help="How many processes share the work.")]
Traits = Annotated[
    str, typer.Option("--groups", help="Traits by which groups are compared, with commas between.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("replay")(replay_record)


def replay_record(
    brand: Annotated[Path, typer.Argument(help="The brand folder that is tried.")],
    against: Against,
    purpose: Purpose,
    entity: Entity = "",
    since: Since = "",
    until: Until = "",
    workers: Workers = 1,
    traits: Traits = "",
    form: Annotated[str, typer.Option("--format", help="text, json or markdown.")] = "text",
    database: Database = "",
    vault_database: VaultDatabase = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Play what was heard under a changed policy, beside the policy that it was heard under.

    Nothing is sent and nothing personal is written. The reading is audited.
    """
    check_format(form)
    source = Source(
        data=against,
        database=database,
        vault_database=vault_database,
        master_key=master_key,
        master_key_token=master_key_token,
    )
    report = try_on(
        source,
        Trial(
            texts=read_folder(brand),
            since=parse_option("--from", since),
            until=parse_option("--to", until),
            purpose=purpose,
            entity=entity,
            traits=split_names(traits),
            workers=workers,
        ),
    )
    if form == "json":
        typer.echo(json.dumps(msgspec.to_builtins(report), indent=2, ensure_ascii=False))
    else:
        typer.echo(to_text(report) if form == "text" else to_markdown(report), nl=False)


def try_on(source: Source, trial: Trial) -> Report:
    """Keep that a record is read, play it, and return what came of it."""
    tried = load_checked(trial.texts)
    if trial.since and trial.until and trial.since >= trial.until:
        raise InputError(
            f"--from {format_instant(trial.since)} does not lie before "
            f"--to {format_instant(trial.until)}"
        )
    check_source(source)
    reading = ReplayReading(
        purpose=trial.purpose,
        entity=trial.entity,
        brand_version=tried.version,
        since=format_instant(trial.since) if trial.since else "",
        until=format_instant(trial.until) if trial.until else "",
    )
    if is_in_use(source):
        call(source.data, "POST", "/v1/admin/replays", msgspec.to_builtins(reading))
    else:
        note_reading(source, reading)
    replayed = replay(source, trial)
    return report_of(
        replayed.tally,
        replayed.period,
        versions=(replayed.recorded_version, replayed.tried_version),
        purpose=replayed.purpose,
        entity=replayed.entity,
        currency=tried.brand.currency,
    )


def check_format(form: str) -> None:
    """Refuse a form of output that there is not."""
    if form not in ("text", "json", "markdown"):
        raise InputError(f"--format is {form!r}; it must be text, json or markdown")


def parse_option(name: str, text: str) -> int:
    """Return an option's instant in µs, 0 where it is left out."""
    if not text:
        return 0
    instant = parse_instant(text)
    if instant is None:
        raise InputError(
            f"{name} {text!r} is not an instant such as 2026-03-02 or 2026-03-02T09:00:00Z"
        )
    return instant


def split_names(text: str) -> tuple[str, ...]:
    """Return names that are written with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
