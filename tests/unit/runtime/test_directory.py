"""Who may ask, as the directory has it: what ends by itself, what was used, what was taken over."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest

from kept.core.keys import WriteKey, hash_key
from kept.core.staff import ApiToken, Session, Staff
from kept.core.values import HOUR, MINUTE
from kept.errors import ContendedError, NotAllowedError
from kept.flows.keys import KEYS_SETTING, migrate_keys
from kept.flows.staff import ADMIN_SETTING, REVOKED, forget_over, has_other_way_in
from kept.runtime.directory import Directory
from kept.stores.memory import MemoryStore

NOW = 1_767_225_600_000_000 // HOUR * HOUR
ANA = Staff(staff_id=1, name="ana", roles=("viewer",), password="x")


def directory_of(store: MemoryStore) -> Directory:
    """Return a directory that has taken a store up."""
    directory = Directory(
        declared={hash_key("declared"): "shop"}, idle=30 * MINUTE, whole=12 * HOUR
    )
    directory.load(store)
    return directory


def make_session(cookie: str, **changes: int) -> Session:
    """Return a session of Ana's."""
    fields: dict[str, Any] = {"staff_id": 1, "begun_at": NOW, "seen_at": NOW, **changes}
    return Session(digest=hash_key(cookie), way="password", **fields)


@pytest.fixture
def store() -> MemoryStore:
    """A store with Ana, signed in."""
    made = MemoryStore()
    with made.transaction():
        made.save_staff(ANA)
        made.save_session(make_session("cookie"))
    return made


def test_a_session_lives_as_long_as_it_is_used_and_no_longer_than_it_may(
    store: MemoryStore,
) -> None:
    """Its use is written down by the writer, and counts before that."""
    directory = directory_of(store)
    now = NOW
    while now < NOW + 12 * HOUR:
        found = directory.find_session("cookie", now=now)
        assert found is not None
        assert found[1] == ANA
        now += 29 * MINUTE
        with store.transaction():
            directory.write_used(store)
        directory.load(store)
    assert directory.find_session("cookie", now=NOW + 12 * HOUR) is None
    other = directory_of(store)
    assert other.find_session("nobody's", now=NOW) is None
    assert other.find_session("", now=NOW) is None


def test_a_session_that_is_not_used_is_over(store: MemoryStore) -> None:
    """At the very instant."""
    directory = directory_of(store)
    assert directory.find_session("cookie", now=NOW + 30 * MINUTE - 1) is not None
    directory = directory_of(store)
    assert directory.find_session("cookie", now=NOW + 30 * MINUTE) is None
    with store.transaction():
        assert forget_over(store, NOW + 30 * MINUTE, idle=30 * MINUTE, whole=HOUR) == 1
    assert store.load_sessions() == []


def test_nobody_who_is_disabled_or_gone_has_a_session(store: MemoryStore) -> None:
    """Whatever is stored of it."""
    with store.transaction():
        store.save_staff(msgspec.structs.replace(ANA, is_enabled=False))
    assert directory_of(store).find_session("cookie", now=NOW) is None
    with store.transaction():
        store.save_session(make_session("orphan", staff_id=99))
    assert directory_of(store).find_session("orphan", now=NOW) is None


def test_a_token_ends_and_stays_in_its_networks_and_its_use_is_noted(store: MemoryStore) -> None:
    """To the hour."""
    token = ApiToken(
        digest=hash_key("token"),
        name="tool",
        scopes=("status",),
        made_at=NOW,
        made_by="admin",
        ends_at=NOW + 2 * HOUR,
        networks=("127.0.0.0/8",),
    )
    with store.transaction():
        store.save_token(token)
    directory = directory_of(store)
    for later in (HOUR, HOUR + MINUTE):
        assert directory.find_token("token", now=NOW + later, address="127.0.0.1") is not None
    with pytest.raises(NotAllowedError):
        directory.find_token("token", now=NOW, address="10.0.0.1")
    assert directory.find_token("token", now=NOW + 2 * HOUR, address="127.0.0.1") is None
    assert directory.find_token("another", now=NOW, address="127.0.0.1") is None
    with store.transaction():
        directory.write_used(store)
    (kept,) = store.load_tokens()
    assert kept.used_at == NOW + HOUR


def test_what_was_ended_since_it_was_used_stays_ended(store: MemoryStore) -> None:
    """A copy of a cookie is worth nothing after signing out, nor a token once it is revoked."""
    token = ApiToken(
        digest=hash_key("token"), name="tool", scopes=("status",), made_at=NOW, made_by="admin"
    )
    with store.transaction():
        store.save_token(token)
    directory = directory_of(store)
    assert directory.find_session("cookie", now=NOW + MINUTE) is not None
    assert directory.find_token("token", now=NOW + HOUR, address="127.0.0.1") is not None
    with store.transaction():
        store.drop_sessions([hash_key("cookie")])
        store.drop_tokens([hash_key("token")])
        directory.write_used(store)
    assert store.load_sessions() == []
    assert store.load_tokens() == []


def test_the_use_of_a_key_is_written_down_and_a_revoked_one_stays_revoked(
    store: MemoryStore,
) -> None:
    """What was used before it was revoked is not saved again."""
    with store.transaction():
        for key in ("one", "two"):
            store.save_key(WriteKey(digest=hash_key(key), source="shop"))
    directory = directory_of(store)
    for key in ("one", "two", "declared"):
        assert directory.keys.find(key, now=NOW + MINUTE) is not None
    with store.transaction():
        store.drop_keys([hash_key("two")])
        directory.write_used(store)
    (kept,) = store.load_keys()
    assert (kept.digest, kept.used_at) == (hash_key("one"), NOW)


def test_a_use_that_was_written_in_vain_is_written_again_until_it_is_durable() -> None:
    """Another node comes in the way, or the store fails; what is durable is not written anew."""
    store = MemoryStore()
    token = ApiToken(
        digest=hash_key("token"), name="tool", scopes=("status",), made_at=NOW, made_by="admin"
    )
    with store.transaction():
        store.save_staff(ANA)
        store.save_session(make_session("cookie"))
        store.save_token(token)
        store.save_key(WriteKey(digest=hash_key("key"), source="shop"))
    directory = directory_of(store)
    assert directory.find_session("cookie", now=NOW + MINUTE) is not None
    assert directory.find_token("token", now=NOW + HOUR, address="127.0.0.1") is not None
    assert directory.keys.find("key", now=NOW + HOUR) is not None

    def used() -> list[int]:
        return [
            *(session.seen_at for session in store.load_sessions()),
            *(token.used_at for token in store.load_tokens()),
            *(key.used_at for key in store.load_keys()),
        ]

    with suppress(ContendedError), store.transaction():
        directory.write_used(store)
        raise ContendedError("another node was first")
    assert used() == [NOW, 0, 0]
    with store.transaction():
        directory.write_used(store)
    # Used once more between the commit and what follows it.
    assert directory.find_session("cookie", now=NOW + 3 * MINUTE) is not None
    directory.forget_written()
    assert used() == [NOW + MINUTE, NOW + HOUR, NOW + HOUR]
    with store.transaction():
        store.save_token(token)
        directory.write_used(store)
    directory.forget_written()
    assert used() == [NOW + 3 * MINUTE, 0, NOW + HOUR]


@pytest.mark.parametrize("stored", ["", REVOKED])
def test_an_admin_token_that_is_revoked_is_nobodys(store: MemoryStore, stored: str) -> None:
    """Neither what stands in its place nor nothing opens anything."""
    with store.transaction():
        store.save_setting(ADMIN_SETTING, stored.encode())
    directory = directory_of(store)
    for offered in ("", stored, "token"):
        assert not directory.is_admin(offered)
    with store.transaction():
        store.save_setting(ADMIN_SETTING, hash_key("token").encode())
    directory.load(store)
    assert directory.is_admin("token")
    assert not directory.is_admin(hash_key("token"))


def test_keys_of_an_older_version_are_taken_over_once(store: MemoryStore) -> None:
    """And what is revoked afterwards does not come back."""
    with store.transaction():
        store.save_setting(KEYS_SETTING, msgspec.json.encode({hash_key("old"): "shop"}))
        migrate_keys(store)
    assert store.load_keys() == [WriteKey(digest=hash_key("old"), source="shop")]
    with store.transaction():
        store.drop_keys([hash_key("old")])
        migrate_keys(store)
    assert store.load_keys() == []


def test_a_way_in_is_an_admin_who_has_signed_in_and_still_can(store: MemoryStore) -> None:
    """An invitation that nobody used is none."""
    assert not has_other_way_in(store)
    admin = msgspec.structs.replace(ANA, staff_id=2, roles=("admin",))
    for changes, is_one in (
        ({}, False),
        ({"signed_in_at": NOW}, True),
        ({"signed_in_at": NOW, "is_enabled": False}, False),
        ({"signed_in_at": NOW, "password": ""}, False),
    ):
        with store.transaction():
            store.save_staff(msgspec.structs.replace(admin, **changes))
        assert has_other_way_in(store) is is_one
    with store.transaction():
        store.save_staff(msgspec.structs.replace(admin, signed_in_at=NOW))
    assert not has_other_way_in(store, without=2)
