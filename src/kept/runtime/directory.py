"""Who may ask, in memory as it is durable: looked up for every request, loaded anew after a change."""

import hmac
from ipaddress import ip_network
from typing import Final

import msgspec

from kept.core.access import Network, is_within
from kept.core.keys import KEY_LENGTH_MAX, KeyRing, WriteKey, hash_key
from kept.core.staff import ApiToken, Session, Staff
from kept.core.values import HOUR, MINUTE
from kept.errors import NotAllowedError
from kept.flows.keys import note_used
from kept.flows.revoke_compromised import Barred, load_barred
from kept.flows.staff import ADMIN_SETTING, REVOKED, forget_over
from kept.ports import Store

_SEEN_EVERY: Final = MINUTE
"""How exactly the last use of a session is remembered."""


class Directory:
    """Staff, sessions, tokens and write keys; what was used is written down by the writer's tick.

    It is read by the event loop, and replaced as a whole by the writer.
    """

    def __init__(self, *, declared: dict[str, str] | None = None, idle: int, whole: int) -> None:
        """Begin empty.

        Args:
            declared: hashes of the write keys that sources.yaml names, with their sources.
            idle: after how long without use a session ends (µs).
            whole: after how long a session ends however it was used (µs).
        """
        self.declared = declared or {}
        self.barred = Barred()
        """What a breach took away of what the brand folder names."""
        self._idle = idle
        self._whole = whole
        self._sessions: dict[str, Session] = {}
        self._tokens: dict[str, ApiToken] = {}
        self._seen: dict[str, int] = {}
        self._used_tokens: dict[str, int] = {}
        self._written: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
        """Uses of sessions, tokens and write keys, as they were written down last."""
        self._admin_digest = ""
        self.staff: dict[int, Staff] = {}
        self.keys = KeyRing(())

    def load(self, store: Store) -> None:
        """Take up everything as it is stored now."""
        self.staff = {staff.staff_id: staff for staff in store.load_staff()}
        self._sessions = {each.digest: each for each in store.load_sessions()}
        self._tokens = {each.digest: each for each in store.load_tokens()}
        admin = (store.load_setting(ADMIN_SETTING) or b"").decode()
        self._admin_digest = "" if admin == REVOKED else admin
        used = self.keys.used
        self.barred = load_barred(store)
        self.keys = KeyRing(
            (
                *store.load_keys(),
                *(
                    WriteKey(digest=digest, source=source, made_by="sources.yaml")
                    for digest, source in self.declared.items()
                    if digest not in self.barred.hashes
                ),
            )
        )
        self.keys.used |= used

    def forget_over(self, store: Store, now: int) -> None:
        """Drop sessions that ended by themselves."""
        forget_over(store, now, idle=self._idle, whole=self._whole)

    def find_session(self, cookie: str, *, now: int) -> tuple[Session, Staff] | None:
        """Return whose session a cookie names, None where it is nobody's any more."""
        session = (
            self._sessions.get(hash_key(cookie)) if 0 < len(cookie) <= KEY_LENGTH_MAX else None
        )
        if session is None:
            return None
        seen_at = max(session.seen_at, self._seen.get(session.digest, 0))
        session = msgspec.structs.replace(session, seen_at=seen_at)
        staff = self.staff.get(session.staff_id)
        is_over = session.is_over(now, idle=self._idle, whole=self._whole)
        if staff is None or not staff.is_enabled or is_over:
            return None
        if now - seen_at >= _SEEN_EVERY:
            self._seen[session.digest] = now
        return session, staff

    def sessions_of(self, staff_id: int, *, now: int) -> list[Session]:
        """Return where somebody is signed in, the newest first."""
        found = [
            msgspec.structs.replace(each, seen_at=max(each.seen_at, self._seen.get(each.digest, 0)))
            for each in self._sessions.values()
            if each.staff_id == staff_id
        ]
        alive = [
            each for each in found if not each.is_over(now, idle=self._idle, whole=self._whole)
        ]
        return sorted(alive, key=lambda each: each.begun_at, reverse=True)

    def is_admin(self, token: str) -> bool:
        """Return whether a text is the admin token of the first start."""
        return bool(self._admin_digest) and hmac.compare_digest(hash_key(token), self._admin_digest)

    def find_token(self, token: str, *, now: int, address: str) -> ApiToken | None:
        """Return the API token that is offered, None where it is none any more.

        Raises:
            NotAllowedError: it is real, and may not be used from there.
        """
        found = self._tokens.get(hash_key(token)) if 0 < len(token) <= KEY_LENGTH_MAX else None
        if found is None or (found.ends_at and now >= found.ends_at):
            return None
        if found.networks and not is_within(address, _parse(found)):
            raise NotAllowedError(f"the token {found.name} may not be used from {address}")
        hour = now // HOUR * HOUR
        if hour > max(found.used_at, self._used_tokens.get(found.digest, 0)):
            self._used_tokens[found.digest] = hour
        return found

    def write_used(self, store: Store) -> None:
        """Write down, within the writer's transaction, what was used since the last time.

        What was ended or revoked since is passed over: saved again, it would be alive again.
        """
        seen, hours, keys = dict(self._seen), dict(self._used_tokens), dict(self.keys.used)
        if seen:
            for stored in store.load_sessions():
                if stored.digest in seen:
                    session = msgspec.structs.replace(stored, seen_at=seen[stored.digest])
                    store.save_session(session)
                    self._sessions[session.digest] = session
        if hours:
            for kept in store.load_tokens():
                if kept.digest in hours:
                    token = msgspec.structs.replace(kept, used_at=hours[kept.digest])
                    store.save_token(token)
                    self._tokens[token.digest] = token
        if keys:
            note_used(store, list(keys.items()))
        self._written = (seen, hours, keys)

    def forget_written(self) -> None:
        """Let go of what was written down, once that is durable; what was used again since stays."""
        noted = (self._seen, self._used_tokens, self.keys.used)
        for uses, written in zip(noted, self._written, strict=True):
            for digest, at in written.items():
                if uses.get(digest) == at:
                    del uses[digest]
        self._written = ({}, {}, {})


def _parse(token: ApiToken) -> list[Network]:
    return [ip_network(each) for each in token.networks]
