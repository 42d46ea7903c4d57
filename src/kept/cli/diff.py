"""Commands for changes of a brand: explain one, hold it against the limits, approve it."""

import json
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from kept.cli.options import Database, MasterKey, MasterKeyToken, VaultDatabase
from kept.cli.output import console
from kept.cli.replay import (
    Entity,
    Purpose,
    Since,
    Until,
    Workers,
    check_format,
    parse_option,
    try_on,
)
from kept.clock import random_bytes
from kept.core.brand.model import Limits
from kept.core.checkpoint import SEED_BYTES
from kept.core.diff.approval import (
    DiffApproval,
    digest_folder,
    parse_approvers,
    public_line,
    read_approval,
    sign_approval,
)
from kept.core.diff.changes import find_changes
from kept.core.diff.verdict import Approved, Verdict, judge_change, to_markdown, to_text
from kept.core.diff.worsening import find_worsenings
from kept.errors import ConflictError, InputError, InvalidBrandError
from kept.flows.replay.judge import judge, measure_bias
from kept.flows.replay.report import Report
from kept.flows.replay.words import to_markdown as report_to_markdown
from kept.flows.replay.words import to_text as report_to_text
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.records import Source
from kept.runtime.replays import Trial

APPROVALS_MAX: Final = 1_000
Base = Annotated[Path, typer.Argument(help="The brand folder as it is in force.")]
Tried = Annotated[Path, typer.Argument(help="The brand folder as it would become.")]
Against = Annotated[
    Path | None, typer.Option(help="A data folder, to count what the change does to people.")
]
Approvals = Annotated[
    Path | None,
    typer.Option(help="A folder of notes that `kept approve-change` wrote; it need not be there."),
]
Approvers = Annotated[Path | None, typer.Option(help="The list of those whose approval counts.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("diff")(diff)
    app.command("approve-change")(approve_change)
    app.command("approver-key")(make_approver_key)


def diff(
    base: Base,
    tried: Tried,
    against: Against = None,
    purpose: Purpose = "",
    entity: Entity = "",
    since: Since = "",
    until: Until = "",
    workers: Workers = 1,
    approvals: Approvals = None,
    approvers: Approvers = None,
    form: Annotated[str, typer.Option("--format", help="text, json or markdown.")] = "text",
    database: Database = "",
    vault_database: VaultDatabase = "",
    master_key: MasterKey = "",
    master_key_token: MasterKeyToken = "",
) -> None:
    """Explain a change of a brand, and fail where it worsens something and nobody approved that.

    Without a record, whatever can only worsen things waits for an approval. With one, it is what
    worsens past the limits of contact.yaml, as they are in BASE, and what no figure shows.
    """
    check_format(form)
    folders = _read_both(base, tried)
    before, after = (load_checked(texts) for texts in folders)
    approved = _read_approvals(approvals, approvers, folders, tried=tried)
    limits = before.contact.limits
    report: Report | None = None
    _check_options(against, database=database, purpose=purpose)
    if against is not None:
        trial = Trial(
            texts=folders[1],
            base_texts=folders[0],
            since=parse_option("--from", since),
            until=parse_option("--to", until),
            purpose=purpose,
            entity=entity,
            traits=tuple(group for group in limits.groups if group != "cohort"),
            workers=workers,
        )
        source = Source(
            data=against,
            database=database,
            vault_database=vault_database,
            master_key=master_key,
            master_key_token=master_key_token,
        )
        report = try_on(source, trial)
    verdict = judge_change(
        find_changes(before, after),
        find_worsenings(before, after),
        versions=(before.version, after.version),
        measured=None if report is None else judge(report, limits),
        approved=approved,
    )
    _print(verdict, report, limits, form=form)
    if verdict.failed:
        raise typer.Exit(1)


def _check_options(against: Path | None, *, database: str, purpose: str) -> None:
    if against is None and database:
        raise InputError(
            "--database reads a record; name the folder of one of its nodes with --against"
        )
    if against is not None and not purpose:
        raise InputError("--against reads what customers did; say for what with --purpose")


def _read_both(base: Path, tried: Path) -> list[dict[str, str]]:
    """Return both folders, or everything that is wrong with either."""
    folders, problems = [], []
    for folder in (base, tried):
        try:
            texts = read_folder(folder)
            load_checked(texts)
            folders.append(texts)
        except InvalidBrandError as error:
            problems += [
                msgspec.structs.replace(problem, file=f"{folder}/{problem.file}")
                for problem in error.problems
            ]
    if problems:
        raise InvalidBrandError(problems)
    return folders


def _read_approvals(
    approvals: Path | None,
    approvers: Path | None,
    folders: Sequence[dict[str, str]],
    *,
    tried: Path,
) -> Approved:
    """Return what of this very change was approved, and by whom."""
    if approvals is None:
        return Approved()
    if approvers is None:
        raise InputError("--approvals needs --approvers: the list of those whose approval counts")
    if approvers.resolve().is_relative_to(tried.resolve()):
        raise InputError(
            f"{approvers} comes with the change; a change does not say who may approve it"
        )
    # Git keeps no empty folder: one that is not there holds no approvals.
    if approvals.exists() and not approvals.is_dir():
        raise InputError(f"{approvals} is no folder")
    keys = parse_approvers(_read(approvers))
    digests = [digest_folder(texts) for texts in folders]
    allows: set[str] = set()
    by: set[str] = set()
    for path in sorted(approvals.glob("*.note"))[:APPROVALS_MAX]:
        try:
            approval, names = read_approval(_read(path), keys)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if names and [approval.base, approval.tried] == digests:
            allows |= set(approval.allows)
            by |= set(names)
    return Approved(allows=tuple(sorted(allows)), by=tuple(sorted(by)))


def _print(verdict: Verdict, report: Report | None, limits: Limits, *, form: str) -> None:
    if form == "json":
        bias = [] if report is None else measure_bias(report, limits)
        told = msgspec.to_builtins(verdict) | {
            "failed": verdict.failed,
            "bias": msgspec.to_builtins(bias),
            "report": None if report is None else msgspec.to_builtins(report),
        }
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    elif form == "markdown":
        typer.echo(to_markdown(verdict), nl=False)
        if report is not None:
            typer.echo("\n" + report_to_markdown(report), nl=False)
    else:
        typer.echo(to_text(verdict), nl=False)
        if report is not None:
            typer.echo("\n" + report_to_text(report), nl=False)


def approve_change(
    base: Base,
    tried: Tried,
    key: Annotated[Path, typer.Option(help="The approver's key, as `kept approver-key` made it.")],
    by: Annotated[str, typer.Option(help="The approver's name in the list of approvers.")],
    allow: Annotated[
        list[str], typer.Option(help="pressure, hardship, bias or limits; may be given again.")
    ],
    because: Annotated[str, typer.Option(help="Why; it stands in the note.")],
    out: Annotated[Path, typer.Option(help="Where the note goes; its name ends in .note.")],
) -> None:
    """Approve that one change of a brand worsens something, and sign it."""
    if out.suffix != ".note":
        raise InputError(f"{out.name} must end in .note")
    digests = [digest_folder(texts) for texts in _read_both(base, tried)]
    approval = DiffApproval(base=digests[0], tried=digests[1], allows=tuple(allow), because=because)
    note = sign_approval(approval, name=by, seed=_read_seed(key))
    _make_folder(out.parent)
    _write_new(out, note, mode=0o644)
    console.print(f"Wrote {out}: it allows {', '.join(allow)} for this change alone.", markup=False)


def make_approver_key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; keep it to yourself.")],
    by: Annotated[str, typer.Option(help="The approver's name.")],
) -> None:
    """Make an approver's key, and print the line for the list of approvers."""
    if not by or any(sign.isspace() or sign == "+" for sign in by):
        raise InputError("--by is a name without spaces and without a plus sign")
    seed = random_bytes(SEED_BYTES)
    _write_new(file, b64encode(seed).decode() + "\n", mode=0o600)
    typer.echo(public_line(by, seed))


def _read_seed(path: Path) -> bytes:
    try:
        seed = b64decode(_read(path).strip(), validate=True)
    except (Base64Error, ValueError):
        seed = b""
    if len(seed) != SEED_BYTES:
        raise InputError(f"{path} holds no approver's key; `kept approver-key` makes one")
    return seed


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a text: {type(error).__name__}") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made a folder: {error.strerror}") from error


def _write_new(path: Path, text: str, *, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise ConflictError(f"{path} is there already; name another file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
