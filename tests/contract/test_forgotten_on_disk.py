"""Forgetting on a store that dies, is copied and is restored in the midst of it."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from kept.channels.files import FilesChannel
from kept.clock import VirtualClock
from kept.core.event import Identifier
from kept.core.values import DAY, HOUR, MINUTE
from kept.errors import NotFoundError, StoreError
from kept.flows.describe_customer import describe_customer
from kept.flows.erasure_records import read_record
from kept.flows.forget import Wish, forget
from kept.flows.pursue_erasures import find_due
from kept.flows.recover import recover
from kept.flows.regulate import Regulation, RegulationType, begin_regulation
from kept.flows.resolve import find_customer
from kept.flows.retain import _erase_all
from kept.flows.stage import Stage
from kept.runtime.erasures import Erasures
from kept.stores.guard_log import read_guard_file
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore, backup, restore_backup
from kept.stores.vault import MASTER_KEY_NAME, MasterKeyFile
from tests.contract.servers import outgoing
from tests.scenario.larkmead import compile_larkmead
from tests.unit.flows.test_guarantees import NOON, introduce, sent, tell
from tests.vaults import make_vault

ANA = Identifier("user_id", "ana")
BEN = Identifier("user_id", "ben")


class Shop:
    """A shop on a store in a folder, which can be opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOON
        self.open()

    def open(self) -> None:
        """Open the store as a server does that starts."""
        self.store = SqliteStore(self.folder, vault=make_vault(self.folder))
        self.stage = Stage(compile_larkmead(), self.store, now=self.now, shadow=False)
        with self.store.transaction():
            recover(self.stage.engine, self.now)

    def settle(self) -> None:
        """Write every state."""
        with self.store.transaction():
            self.stage.engine.customers.flush(9_999)

    def forget(self, who: Identifier = ANA, **wish: Any) -> None:
        """Forget somebody."""
        told = {"request_id": "r-1", "actor": "officer", "confirmed_by": "passport"}
        with self.store.transaction():
            forget(self.stage.engine, who, Wish(**told | wish), self.now)

    def regulate(self, kind: RegulationType, name: str) -> None:
        """Do to Ana what a regulation says."""
        regulation = Regulation(
            regulation_id=name, type=kind, actor="tool", confirmed_by="the shop",
            created_at=self.now, subject_count=1, subjects=(ANA,),
        )  # fmt: skip
        with self.store.transaction():
            begin_regulation(self.stage.engine, regulation, self.now)
            find_due(self.stage.engine, self.now)

    def is_known(self, who: Identifier = ANA) -> bool:
        """Return whether an identifier leads to anybody."""
        try:
            with self.store.transaction():
                describe_customer(self.stage.engine, who, self.now)
        except NotFoundError:
            return False
        return True

    def back_up(self, during: Callable[[], None] = lambda: None) -> Path:
        """Make a backup, and do something while it is made."""
        path = self.folder.parent / "backup.db"
        steps = self.store.backup(str(path))
        next(steps)
        during()
        assert list(steps)[-1] == 1.0
        return path

    def restore(self, path: Path) -> None:
        """Put a backup in the place of the store, and start."""
        self.store.close()
        restore(path, self.folder)
        self.open()


def restore(path: Path, folder: Path) -> None:
    """Restore into a folder that has its master key."""
    service = MasterKeyFile(folder / MASTER_KEY_NAME)
    restore_backup(path, folder, service=service, replace=True)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a shop that knows Ana and Ben."""
    shop = Shop(tmp_path / "data")
    introduce(shop.stage)
    introduce(shop.stage, "ben")
    shop.settle()
    return shop


def test_what_is_stored_of_the_suppressed_stays_in_a_restore(shop: Shop) -> None:
    """Only forgetting erases; whether somebody is suppressed is as it was last said."""
    path = shop.back_up()
    shop.regulate("SUPPRESS_ONLY", "g1")
    shop.restore(path)
    assert shop.is_known()
    assert tell(shop.stage, "Page Viewed").forgotten == 1
    shop.store.close()


@pytest.mark.parametrize("is_suppressed", [False, True])
def test_the_last_word_on_a_suppression_counts_after_a_restore(
    shop: Shop, *, is_suppressed: bool
) -> None:
    """However often it was said before, word for word."""
    path = shop.back_up()
    kinds: list[RegulationType] = ["SUPPRESS_ONLY", "UNSUPPRESS"] * 2
    for number, kind in enumerate(kinds[: 3 if is_suppressed else 4]):
        shop.regulate(kind, f"g{number}")
    shop.restore(path)
    assert shop.is_known()
    assert tell(shop.stage, "Page Viewed").forgotten == is_suppressed
    shop.store.close()


def test_an_erasure_whose_commit_failed_is_made_up_for_as_a_whole(shop: Shop) -> None:
    """The guard has it, so that it is done: what a law keeps is kept, and recipients are told."""
    tell(shop.stage, "Page Viewed")
    shop.now = shop.stage.now = NOON + HOUR
    shop.stage.work()
    assert sent(shop.stage) == ["lamp_offer"]
    bill = {"bill_id": "b-1", "amount": 40, "due_at": "2026-03-20T00:00:00Z"}
    tell(shop.stage, "Bill Issued", source="billing", properties=bill)
    shop.settle()
    with pytest.raises(StoreError):
        forget_and_break(shop)
    shop.store.close()
    shop.open()
    assert not shop.is_known()
    assert shop.is_known(BEN)
    (row,) = shop.store.load_requests(newest=9)
    record = read_record(row)
    assert [one.recipient for one in record.recipients] == ["mailer"]
    assert ANA in record.identifiers
    assert [note.hold for note in record.held] == ["invoices"]
    assert len(shop.store.load_held_records(row.number)) == 1
    assert shop.store.load_guard() == []
    shop.store.close()


def forget_and_break(shop: Shop) -> None:
    """Forget Ana, and let the disk fail once the guard has it."""
    with shop.store.transaction():
        wish = Wish(request_id="r-1", actor="officer", confirmed_by="passport")
        forget(shop.stage.engine, ANA, wish, shop.now)
        shop.store._session.flush()
        shop.store._session.connection.close()


def test_a_restored_store_tells_recipients_unless_it_was_not_wished(shop: Shop) -> None:
    """What was told before is not known any more."""
    tell(shop.stage, "Page Viewed")
    shop.now = shop.stage.now = NOON + HOUR
    shop.stage.work()
    shop.settle()
    path = shop.back_up()
    shop.forget(is_forwarded=False)
    shop.restore(path)
    (row,) = shop.store.load_requests(newest=9)
    assert read_record(row).recipients == ()
    assert not shop.is_known()
    shop.store.close()


def test_whoever_was_let_go_in_time_is_let_go_again_and_nobody_is_told(shop: Shop) -> None:
    """Retention is our own promise: recipients keep what they have by theirs."""
    tell(shop.stage, "Page Viewed")
    shop.now = shop.stage.now = NOON + HOUR
    shop.stage.work()
    refused = {"entity": "shop", "purpose": "marketing"}
    tell(shop.stage, "Consent Withdrawn", properties=refused)
    shop.settle()
    path = shop.back_up()
    customer = find_customer(shop.stage.engine.customers, [(ANA, False)])
    assert customer is not None
    with shop.store.transaction():
        _erase_all(shop.stage.engine, customer, shop.now + DAY)
    shop.restore(path)
    assert not shop.is_known()
    (row,) = shop.store.load_requests(newest=9)
    assert read_record(row).recipients == ()
    shop.store.close()


def test_a_backup_that_was_made_during_an_erasure_can_be_restored(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of the instant before, with its keys; after it everything is forgotten again."""
    monkeypatch.setattr(backup, "PAGES_A_STEP", 1)
    tell(shop.stage, "Page Viewed")
    path = shop.back_up(during=shop.forget)
    shop.restore(path)
    assert not shop.is_known()
    assert shop.is_known(BEN)
    assert not shop.is_known(Identifier("email", "ana@example.com"))
    shop.store.close()


def test_a_restore_that_was_cut_short_keeps_what_it_put_aside(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Done again, it does not take its own new keys for those of the old store."""
    path = shop.back_up()
    tell(shop.stage, "Page Viewed", user_id="carol")
    shop.settle()
    shop.store.close()
    folder = shop.folder
    rename = Path.rename

    def die(self: Path, target: Path) -> Path:
        if self.name == "kept.db.partial":
            message = "killed"
            raise KeyboardInterrupt(message)
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            restore(path, folder)
    assert not (folder / "kept.db").exists()
    restore(path, folder)
    shop.open()
    assert not shop.is_known(Identifier("user_id", "carol"))
    shop.store.close()
    for name in ("kept.db", "vault.db"):
        (folder / name).unlink()
        (folder / f"{name}.replaced").rename(folder / name)
    shop.open()
    assert shop.is_known(Identifier("user_id", "carol"))
    shop.store.close()


def test_no_id_that_was_given_out_is_given_again_after_a_restore(shop: Shop) -> None:
    """A link in a message that left after the backup must not open what is somebody else's."""
    path = shop.back_up()
    tell(shop.stage, "Page Viewed", user_id="carol")
    carol = shop.stage.engine.customers.find_part(Identifier("user_id", "carol"), claimed=False)
    assert carol is not None
    decision = shop.store.next_decision_id() - 1
    shop.restore(path)
    tell(shop.stage, "Page Viewed", user_id="dora")
    assert shop.store.load_parts([carol.part_id]) == []
    assert shop.store.next_decision_id() > decision + 1
    assert shop.store.read_decision(decision) is None
    shop.store.close()


def test_the_guard_holds_no_values_of_a_person(shop: Shop) -> None:
    """Sources put into ids and contexts what they like; a stop is kept without it, and works."""
    path = shop.back_up()
    shop.now = shop.stage.now = NOON + HOUR
    context = {
        "consent": {"categoryPreferences": {}, "email": "ana@example.com"},
        "gpc": True,
        "page": "ana@example.com",
    }
    properties = {
        "entity": "shop",
        "purpose": "marketing",
        "channels": {"email": False, "sms": "ana@example.com"},
        "topic": ["ana@example.com"],
    }
    tell(
        shop.stage, "Consent Withdrawn", message_id="ana@example.com", context=context,
        properties=properties,
    )  # fmt: skip
    records, _ = read_guard_file(shop.folder / "optouts.log")
    assert records
    assert not [one for one in records if b"ana@example.com" in one]
    shop.restore(path)
    with shop.store.transaction():
        view = describe_customer(shop.stage.engine, ANA, shop.now)
    assert view.consents["p|shop|marketing|"] is False
    assert shop.store.load_guard() == []
    shop.store.close()


def test_what_is_being_written_is_waited_for_before_files_are_erased(tmp_path: Path) -> None:
    """A message that had begun to leave becomes a file after the customer was forgotten."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    stage.providers["email"] = "garbage"
    tell(stage, "Page Viewed")
    stage.advance(stage.now + MINUTE)
    with stage.store.transaction():
        wish = Wish(request_id="r-1", actor="officer", confirmed_by="passport")
        record = forget(stage.engine, ANA, wish, stage.now)
    assert record.in_flight == ("email",)
    files = FilesChannel(folder=tmp_path / "outbox", clock=VirtualClock(NOON))
    (message_id,) = record.message_ids
    ended = [False]

    def write(seconds: float) -> bool:
        if ended[0]:
            files.send(outgoing(message_id=message_id, idempotency_key=message_id))
        return ended[0]

    def submit(job: Callable[..., Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        with stage.store.transaction():
            future.set_result(job(stage.engine, stage.now))
        return future

    is_history_clean = [False]
    erasures = Erasures(
        submit,
        files=files,
        posts=tmp_path / "outbox",
        waits=(write,),
        notifier_of=lambda _: None,
        drop_base=lambda: None,
        is_clean=lambda request_id: is_history_clean[0],
    )

    def are_erased() -> bool:
        row = stage.store.load_request("r-1")
        assert row is not None
        return read_record(row).are_files_erased

    erasures.look()
    assert not are_erased()
    ended[0] = True
    erasures.look()
    assert not are_erased(), "files of history hold something still"
    is_history_clean[0] = True
    erasures.look()
    assert are_erased()
    assert list((tmp_path / "outbox" / "email").iterdir()) == []
    assert stage.now < NOON + DAY
