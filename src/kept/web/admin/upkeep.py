"""Keeping a server in order over HTTP: take the brand folder up, back up, read the audit."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from kept.core.values import format_instant, moment_of
from kept.errors import ConflictError, InputError, Problem, StoreError
from kept.flows.note_in_log import note_operator
from kept.ports import Store
from kept.web.admin.unmask import names_of_staff
from kept.web.endpoints import BUSY, Call, Endpoint

BACKUPS: Final = "backups"
AUDIT_MAX: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the folder as it is now is in force, and if not, everything that is wrong with it."""

    is_in_force: bool
    version: str
    problems: tuple[Problem, ...]


class BackupWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to call the backup; by default the present instant."""

    name: str = ""


class BackupMade(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was written and verified."""

    file: str
    """Within the data folder."""
    size: int


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the audit."""

    newest: int = 100


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an operator did."""

    entry_id: int
    at: str
    actor: str
    name: str
    """What the actor is called, if it is a person who is still known."""
    verb: str
    detail: dict[str, Any]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What operators did, newest first."""

    entries: tuple[AuditLine, ...]


async def reload_brand(call: Call) -> Reloaded:
    """Take the brand folder up as it is now, or refuse it as a whole."""
    runtime, actor = call.front.runtime, call.caller.actor
    problems = await asyncio.to_thread(runtime.reload)
    version = runtime.bundle.policy.version
    detail = {"version": version, "problems": len(problems)}
    await runtime.ask(
        lambda engine, now: note_operator(
            engine.store, "approval", actor=actor, verb="reload", detail=detail, now=now
        )
    )
    return Reloaded(is_in_force=not problems, version=version, problems=problems)


async def make_backup(call: Call) -> BackupMade:
    """Copy the store while it works; answered when the copy is verified."""
    runtime, actor = call.front.runtime, call.caller.actor
    name = call.body.name or f"kept-{moment_of(call.now):%Y%m%dT%H%M%S%f}"
    if not _NAME.fullmatch(name):
        raise InputError("a backup's name has letters, digits, dots, dashes and underscores only")
    path = runtime.settings.data / BACKUPS / f"{name}.sqlite"
    size = await asyncio.to_thread(_write_backup, runtime.writer.engine.store, path)
    detail = {"file": path.name}
    await runtime.ask(
        lambda engine, now: note_operator(
            engine.store, "staff_access", actor=actor, verb="backup", detail=detail, now=now
        )
    )
    return BackupMade(file=f"{BACKUPS}/{path.name}", size=size)


def _write_backup(store: Store, path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be made: {error.strerror}") from error
    if path.exists():
        raise ConflictError(f"there is a backup {path.name} already; give another name")
    for _ in store.backup(str(path)):
        # Nobody watches the progress over HTTP.
        continue
    return path.stat().st_size


async def show_audit(call: Call) -> Audit:
    """Return what operators did, newest first."""
    store = call.front.runtime.writer.engine.store
    newest = max(1, min(call.query.newest, AUDIT_MAX))
    entries = await asyncio.to_thread(store.read_audit, newest=newest)
    names = names_of_staff(call)
    return Audit(
        entries=tuple(
            AuditLine(
                entry_id=entry.entry_id,
                at=format_instant(entry.at),
                actor=entry.actor,
                name=names.get(entry.actor, ""),
                verb=entry.verb,
                detail=entry.detail,
            )
            for entry in entries
        )
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/admin/reload",
        name="reloadBrand",
        summary="Take the brand folder up as it is now, or refuse it as a whole.",
        handler=reload_brand,
        tag="Operating",
        who="operator",
        needs="brand",
        answer=Reloaded,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/backups",
        name="makeBackup",
        summary="Copy the store while it works; answered when the copy is verified.",
        handler=make_backup,
        tag="Operating",
        who="operator",
        needs="backups",
        body=BackupWanted,
        answer=BackupMade,
        statuses=(409, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/audit",
        name="showAudit",
        summary="List what operators did, newest first.",
        handler=show_audit,
        tag="Operating",
        who="operator",
        needs="audit",
        query=AuditQuery,
        answer=Audit,
        statuses=(400, 503),
    ),
)
