"""The consent log on a real file: what makes a leaf, what is signed, receipts, forgetting."""

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest

from kept import verify_receipt
from kept.core.consent import GPC
from kept.core.event import Event, Identifier
from kept.core.receipt import ConsentReceipt
from kept.core.record import digest_of
from kept.core.values import DAY, SECOND
from kept.errors import ConflictError, NotFoundError
from kept.flows.describe_customer import show_customer
from kept.flows.forget import Wish, forget
from kept.flows.ingest import ingest
from kept.flows.note_in_log import note_operator
from kept.flows.sign_log import BROKEN, rotate_key
from kept.flows.tick import housekeep
from kept.ports import RESTORED_SETTING
from tests.scenario.log_world import NOW, LogWorld, sql, truncate
from tests.vaults import make_vault


def test_what_speaks_of_consent_makes_a_leaf_and_nothing_else_does(log_world: LogWorld) -> None:
    """A signal on every page makes one; what operators approve makes one each."""
    records = log_world.records()
    assert [record.kind for record in records] == [
        "log_begun", "consent_given", "approval", "privacy_signal",
        "consent_given", "consent_withdrawn", "approval",
    ]  # fmt: skip
    assert [record.record_id for record in records] == [str(n) for n in range(7)]
    given, withdrawn = records[1], records[5]
    assert given.pii_principal_id == "user_id:ana"
    assert given.purposes[0].lawful_basis == "consent"
    assert given.parties[0].party_contact == "hello@larkmead.example"
    assert given.privacy_notices[0].version == "none"
    assert given.events[0].event_type == "consent_given"
    # A withdrawal that names no company is for all of them.
    assert withdrawn.events[0].pii_controllers == ("bank", "shop")
    assert withdrawn.events[0].event_state == "withdrawn"
    assert log_world.records()[2].from_audit.actor == "zoe"


def test_a_refusal_is_told_from_a_withdrawal(log_world: LogWorld) -> None:
    """Who says no when asked withdrew nothing, and the standard has no term for it."""
    for user in ("ana", "eve"):
        log_world.say("Consent Given", user, entity="shop", purpose="marketing")
        event = Event(
            event_key=hash(user) % 1000 + 1000,
            message_id=f"banner {user}",
            source="shop",
            name="Segment Consent Preference Updated",
            type="track",
            occurred_at=log_world.now + SECOND,
            received_at=log_world.now + SECOND,
            identifiers=(Identifier("user_id", "eve" if user == "eve" else "new"),),
            vouched_count=1,
            context={"consent": {"categoryPreferences": {"Advertising": False}}},
        )
        with log_world.store.transaction():
            ingest(log_world.engine, [event], [], source="shop", now=log_world.now + SECOND)
    told = [r.events[0].event_type for r in log_world.records() if r.kind == "preference"]
    assert told == ["kept:consent_refused", "consent_withdrawn"]
    assert log_world.places() == []


def test_an_untampered_log_passes(log_world: LogWorld) -> None:
    """With what was signed early, late, and with a receipt that was given out."""
    early = log_world.store.read_checkpoints(after=0, limit=9)[1].note
    receipt = msgspec.json.encode(log_world.receipts().receipts[0]).decode()
    found = log_world.audit(early, log_world.sign(), receipt)
    assert found.findings == ()
    assert found.size == log_world.store.log_size() == 8
    assert found.events == log_world.store.last_sequence()
    assert found.checkpoints == 4


def test_a_forgotten_part_leaves_the_tree_whole(log_world: LogWorld) -> None:
    """The record cannot be read any more, its leaf stands, and everything else still fits."""
    kept = log_world.sign()
    part = log_world.store.read_leaves(start=1, limit=1)[0].part_id
    log_world.do(
        lambda engine, now: note_operator(
            engine.store, "erasure", actor="zoe", verb="erase", detail={"parts": [part]}, now=now
        )
    )
    log_world.forget(part)
    found = log_world.audit(kept)
    assert found.findings == ()
    assert found.forgotten == 3
    log_world.tamper(sql("UPDATE consent_log SET leaf_hash = zeroblob(32) WHERE leaf_index = 1"))
    assert log_world.places() == ["leaves 1 to 3"]


def test_the_sealed_log_forgets_and_stays_whole(tmp_path: Path) -> None:
    """With real keys: after the erasure nobody reads the record, and the audit passes."""
    world = LogWorld(tmp_path, make_vault(tmp_path))
    world.say("Consent Given", entity="shop", purpose="marketing")
    world.say("Consent Given", "ben", entity="shop", purpose="marketing")
    kept = world.sign()
    wish = Wish(request_id="r1", actor="zoe", confirmed_by="asked in the shop")
    world.do(lambda engine, now: forget(engine, Identifier("user_id", "ana"), wish, now))
    found = world.audit(kept, world.sign())
    assert (found.findings, found.forgotten) == ((), 1)
    assert [record.pii_principal_id for record in world.records()] == ["", "user_id:ben", ""]
    # Who comes back begins anew: what they might have refused is refused, and recorded.
    world.now += 2 * DAY
    world.say("Order Completed", total=1)
    kinds = [record.kind for record in world.records()]
    assert kinds[:3] == ["log_begun", "consent_given", "erasure"]
    assert set(kinds[3:]) == {"consent_withdrawn"}
    assert world.places(kept) == []
    world.store.close()


def test_what_cannot_be_read_and_was_not_forgotten_is_found(log_world: LogWorld) -> None:
    """Damage is not taken for an erasure."""
    log_world.tamper(sql("UPDATE consent_log SET data = x'ff' WHERE leaf_index = 4"))
    assert log_world.places() == ["event 6", "leaf 4"]


def test_a_tree_that_does_not_fit_is_never_signed(log_world: LogWorld) -> None:
    """The operator is told, once; nothing more is signed, and receipts are refused."""
    log_world.tamper(sql("UPDATE consent_log SET leaf_hash = zeroblob(32) WHERE leaf_index = 2"))
    log_world.store.close()
    log_world.open()
    log_world.say("Unsubscribed", purpose="marketing")
    newest = log_world.store.read_newest_checkpoint()
    for _ in range(2):
        log_world.do(housekeep)
    assert [alert["code"] for alert in log_world.engine.alerts] == [BROKEN]
    with pytest.raises(ConflictError, match="kept audit"):
        log_world.receipts()
    with pytest.raises(ConflictError):
        log_world.do(lambda engine, now: rotate_key(engine, actor="zoe", now=now))
    assert log_world.store.read_newest_checkpoint() == newest


def holds(receipt: ConsentReceipt, key: str) -> bool:
    """Return whether the stand-alone verifier accepts a receipt."""
    try:
        verify_receipt.verify(msgspec.json.encode(receipt).decode(), key)
    except verify_receipt.Refused:
        return False
    return True


def test_a_receipt_is_verified_without_us(log_world: LogWorld) -> None:
    """Each record of Ana's, of nobody else's, and nothing that was altered."""
    given = log_world.receipts()
    assert [one.record["kind"] for one in given.receipts] == [
        "consent_given", "privacy_signal", "consent_withdrawn",
    ]  # fmt: skip
    assert all(holds(one, given.key) for one in given.receipts)
    assert {one.record["pii_principal_id"] for one in given.receipts} == {"user_id:ana"}
    first = given.receipts[0]
    text = json.dumps(msgspec.to_builtins(first))
    for old, new in (
        ("user_id:ana", "user_id:eve"), ("shop", "bank"), ("consent_given", "consent_withdrawn"),
        ('"salt": "', '"salt": "AAAA'), ("index 1", "index 2"), ("\\n8\\n", "\\n9\\n"),
    ):  # fmt: skip
        assert old in text
        with pytest.raises(verify_receipt.Refused):
            verify_receipt.verify(text.replace(old, new), given.key)
    with pytest.raises(NotFoundError):
        log_world.receipts("nobody")


def test_giving_receipts_and_looking_somebody_up_are_recorded(log_world: LogWorld) -> None:
    """Who of the staff saw whom, under the person's own part; it is not among their receipts."""
    log_world.receipts()
    log_world.do(
        lambda engine, now: show_customer(
            engine, Identifier("user_id", "ben"), actor="zoe", now=now
        )
    )
    kinds = [(r.kind, r.from_audit.verb, r.pii_principal_id) for r in log_world.records()[7:]]
    assert kinds == [
        ("staff_access", "write_receipts", "part:1"), ("staff_access", "find_customer", "part:2"),
    ]  # fmt: skip
    assert all(one.record["kind"] != "staff_access" for one in log_world.receipts("ben").receipts)
    assert log_world.places() == []


def test_an_old_key_stays_good_for_what_it_signed(log_world: LogWorld) -> None:
    """A receipt of before is verified by the old key, one of after by the new one only."""
    before = log_world.receipts()
    log_world.do(lambda engine, now: rotate_key(engine, actor="zoe", now=now))
    after = log_world.receipts()
    assert after.key != before.key
    assert holds(before.receipts[0], before.key)
    assert holds(after.receipts[0], after.key)
    assert not holds(after.receipts[0], before.key)
    periods = log_world.engine.log_periods
    assert [period.until for period in periods] == [periods[1].since, 0]
    assert log_world.places(msgspec.json.encode(before.receipts[0]).decode()) == []
    log_world.store.close()
    log_world.open()
    assert log_world.engine.log_periods == periods


def test_what_the_checkpoint_beside_the_store_contradicts_is_not_signed(
    log_world: LogWorld,
) -> None:
    """Whoever cut the log and all that was signed of it in the database finds nobody to sign that."""
    log_world.tamper(lambda connection: truncate(connection, 6))
    # Opened anew it would go on under a new name; this engine goes on as it was.
    log_world.engine.store = log_world.store
    with pytest.raises(ConflictError):
        log_world.sign()


def test_a_restored_log_goes_on_under_a_new_name(log_world: LogWorld) -> None:
    """Nobody is shown two histories under one name, and the log says that it was restored."""
    old = log_world.engine.log_periods[-1].key
    log_world.do(lambda engine, now: engine.store.save_setting(RESTORED_SETTING, b"1"))
    log_world.store.close()
    log_world.open()
    record = next(r for r in log_world.records() if r.kind == "log_key")
    assert record.detail["replaces"] == old
    assert log_world.engine.log_periods[-1].key.partition("+")[0] != old.partition("+")[0]
    assert log_world.places() == []


def test_a_log_that_begins_late_owes_nothing_for_before(tmp_path: Path) -> None:
    """A store that was there before the log has consents without leaves, and signals too."""
    world = LogWorld(tmp_path)
    world.say("Consent Given", entity="shop", purpose="marketing")
    world.say("Page Viewed", gpc=True)

    def forget_log(connection: sqlite3.Connection) -> None:
        for table in ("consent_log", "consent_log_checkpoints", "consent_log_hashes"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM settings WHERE name = 'log_keys'")

    world.tamper(forget_log)
    world.store.close()
    world.open()
    world.say("Page Viewed", gpc=True)
    assert world.store.log_size() == 1
    assert world.places() == []
    world.store.close()


def test_many_leaves_are_proven_and_compared_by_their_tiles(tmp_path: Path) -> None:
    """Beyond 256 leaves: proofs from the hashes over them, and a hash that was edited is found."""
    world = LogWorld(tmp_path)
    world.say("Consent Given", entity="shop", purpose="marketing")
    with world.store.transaction():
        for number in range(600):
            note_operator(
                world.store, "approval", actor="zoe", verb="v", detail={"n": number}, now=NOW
            )
    world.say("Unsubscribed", purpose="marketing")
    given = world.receipts()
    assert all(holds(one, given.key) for one in given.receipts)
    assert world.places() == []
    world.tamper(sql("UPDATE consent_log_hashes SET hash = zeroblob(32) WHERE position = 1"))
    assert world.places() == ["leaves 256 to 511"]
    world.store.close()


def test_a_signal_is_recorded_of_each_part_once(log_world: LogWorld) -> None:
    """The states say so, and the events of the stream agree."""
    log_world.say("Page Viewed", "ben", gpc=True)
    log_world.say("Page Viewed", "ben", gpc=True)
    signals = [r for r in log_world.records() if r.kind == "privacy_signal"]
    assert [r.pii_principal_id for r in signals] == ["user_id:ana", "user_id:ben"]
    row = log_world.store.read_events(after=signals[1].from_event.sequence - 1, limit=1)[0]
    assert row.event is not None
    assert digest_of(row.event) == signals[1].from_event.digest
    assert row.event.context == {GPC: True}
    assert log_world.places() == []
