"""The store and its keys: which belong together, and how a store from before keys is sealed."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, LiteralString

import msgspec

from kept.errors import SettingsError
from kept.ports import HOUSE, VAULT_SETTING, Record, Vault
from kept.stores.files import sync_file, sync_folder
from kept.stores.guard_log import append_guard_file, digest_record, read_guard_file
from kept.stores.queries import load_queries
from kept.stores.sqlite.session import Session
from kept.stores.vault.envelope import decode_identifier
from kept.stores.vault.plain import PlainVault

_log = logging.getLogger("kept.stores")
CHUNK: Final = 2_000
_SEALED: Final[tuple[tuple[Record, str, str], ...]] = (
    ("event", "load_events", "seal_events"),
    ("state", "load_states", "seal_states"),
    ("message", "load_messages", "seal_messages"),
    ("decision", "load_decisions", "seal_decisions"),
    ("quarantine", "load_quarantine", "seal_quarantine"),
)


class NewKeys:
    """Makes new keys durable before the records that were sealed with them."""

    def __init__(self, vault: Vault) -> None:
        """Take the vault."""
        self._vault = vault

    def flush(self) -> None:
        """Sync the keys that this transaction made."""
        self._vault.settle()

    def committed(self) -> None:
        """Do nothing: keys were made durable before."""

    def rolled_back(self) -> None:
        """Do nothing: a key that seals nothing harms nobody."""


def take_up_vault(session: Session, vault: Vault, *, guard: Path) -> None:
    """Start a vault on the keys of this store; a store that was written without any is sealed now.

    Raises:
        SettingsError: the store was sealed with other keys, or with keys that nobody gave.
    """
    queries = load_queries("sqlite/seal.sql")
    row = session.fetch_one(queries["load_vault_identity"], (VAULT_SETTING,))
    noted: bytes = row[0] if row else b""
    vault.start(noted)
    if noted and vault.identity != noted:
        vault.close()
        raise SettingsError(
            f"{session.path} is sealed, and was opened without its keys; give the master key"
        )
    if vault.identity and not noted:
        _seal_store(session, vault, queries)
    if vault.identity:
        _seal_guard_log(session, vault, guard)


def _seal_store(session: Session, vault: Vault, queries: Mapping[str, LiteralString]) -> None:
    """Seal every record; begun again after a crash, it passes over what is sealed already."""
    count = _seal_identifiers(session, vault, queries)
    for record, load, seal in _SEALED:
        for rows in _chunks(session, queries[load]):
            plain = PlainVault()
            with session.transaction():
                for key, part_id, record_id, body in rows:
                    if not _is_plain(body):
                        continue
                    content = plain.open(part_id, record, body, record_id)
                    sealed = vault.seal(part_id, record, content, record_id)
                    session.write(queries[seal], (sealed, key))
                    count += 1
                vault.settle()
            session.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    with session.transaction():
        for name, value in session.fetch(queries["load_settings"]):
            session.write(
                queries["seal_settings"], (vault.seal(HOUSE, "setting", value, name), name)
            )
        for entry_id, detail in session.fetch(queries["load_audit"]):
            sealed = vault.seal(HOUSE, "audit", detail, entry_id)
            session.write(queries["seal_audit"], (sealed, entry_id))
        session.write(queries["save_vault_identity"], (VAULT_SETTING, vault.identity))
        vault.settle()
    # What stood in the log before it was sealed must not stay readable there.
    session.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if count:
        _log.info("sealed %d records of a store from before records were sealed", count)


def _seal_identifiers(session: Session, vault: Vault, queries: Mapping[str, LiteralString]) -> int:
    """Seal the identifiers of all parts, and let them be found by keyed hashes; return how many."""
    count = 0
    for rows in _chunks(session, queries["load_parts"]):
        with session.transaction():
            for part_id, claimed, lookup_key, body in rows:
                if not _is_plain(body):
                    continue
                content = PlainVault().open(part_id, "identifier", body, claimed)
                identifier, _ = decode_identifier(lookup_key)
                key = vault.lookup_key(identifier, claimed=bool(claimed))
                sealed = vault.seal(part_id, "identifier", content, claimed)
                session.write(queries["seal_parts"], (key, sealed, part_id))
                count += 1
            vault.settle()
    return count


def _chunks(session: Session, sql: LiteralString) -> Iterator[list[Any]]:
    """Yield the rows of a table in order of their key, some at a time."""
    after = 0
    while rows := session.fetch(sql, (after, CHUNK)):
        yield rows
        after = rows[-1][0]


def _is_plain(body: bytes) -> bool:
    """Return whether a record is in the envelope of the plain vault."""
    return body[1:2] == b"\0"


def _seal_guard_log(session: Session, vault: Vault, path: Path) -> None:
    """Name people in the guard log by keyed hashes, where records still name them by identifiers."""
    records, length = read_guard_file(path)
    renamed = [_rename(record, vault) for record in records]
    if renamed == records:
        return
    queries = load_queries("sqlite/records.sql")
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    append_guard_file(partial, renamed, at=0)
    sync_file(partial)
    with session.transaction():
        for old, new in zip(records, renamed, strict=True):
            if session.fetch_one(queries["find_guard"], (digest_record(old),)) is not None:
                session.write(queries["insert_guard"], (digest_record(new),))
    # Overwritten first: the name of the old content goes to the new, its bytes must not stay.
    with path.open("r+b") as file:
        partial.replace(path)
        file.write(bytes(length))
        file.flush()
    sync_folder(path.parent)


def _rename(record: bytes, vault: Vault) -> bytes:
    """Return a record with its first member, a lookup key, as this vault makes it."""
    try:
        members = msgspec.msgpack.decode(record, type=list[Any])
    except msgspec.MsgspecError:
        # Nothing of ours, and so nothing that names anybody.
        return record
    if not (members and isinstance(members[0], bytes) and members[0].startswith((b"=", b"?"))):
        return record
    identifier, claimed = decode_identifier(members[0])
    members[0] = vault.lookup_key(identifier, claimed=claimed)
    return msgspec.msgpack.encode(members)
