"""Every key service wraps, unwraps, begins epochs and destroys them, for good."""

import stat
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kept.clock import VirtualClock
from kept.core.values import DAY
from kept.errors import KeptError, SettingsError, StoreError
from kept.flows.engine import Engine
from kept.ports import KeyService
from kept.runtime.key_upkeep import KeyUpkeep
from kept.runtime.master_key import find_master_key, open_keys, open_master_key
from kept.stores.memory import MemoryStore
from kept.stores.sqlite.key_file import KeyFile
from kept.stores.vault import MasterKeyFile, MasterKeyText, SealingVault
from kept.stores.vault.transit import TransitKeys
from tests.contract.transit_server import TOKEN, Transit, serve_transit
from tests.scenario.larkmead import compile_larkmead

pytestmark = pytest.mark.network

SECRET = b"a secret of thirty-two bytes...."


@pytest.fixture
def transit() -> Iterator[Transit]:
    """Give a key service of its own."""
    with serve_transit() as served:
        yield served


@pytest.fixture(params=["file", "transit"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> KeyService:
    """Give each key service that can be changed from here."""
    if request.param == "file":
        return MasterKeyFile.make(tmp_path / "master-key")
    transit: Transit = request.getfixturevalue("transit")
    return TransitKeys(transit.url, token=TOKEN)


def test_what_was_wrapped_is_unwrapped_under_its_epoch(service: KeyService) -> None:
    """Also after another has begun; equal secrets look different."""
    (first,) = service.list_epochs()
    wrapped = service.wrap(first, SECRET)
    assert SECRET not in wrapped
    assert wrapped != service.wrap(first, SECRET)
    second = service.begin_epoch()
    assert service.list_epochs() == [first, second]
    assert service.unwrap(first, wrapped) == SECRET
    assert service.unwrap(second, service.wrap(second, SECRET)) == SECRET


def test_an_epoch_that_was_destroyed_is_gone_for_good(service: KeyService) -> None:
    """Nothing under it can be unwrapped; the newer one works on."""
    (first,) = service.list_epochs()
    wrapped = service.wrap(first, SECRET)
    second = service.begin_epoch()
    kept = service.wrap(second, SECRET)
    service.destroy_epoch(first)
    assert service.list_epochs() == [second]
    with pytest.raises((KeptError, KeyError)):
        service.unwrap(first, wrapped)
    assert service.unwrap(second, kept) == SECRET


def test_a_master_key_file_is_private_and_survives_a_start(tmp_path: Path) -> None:
    """Only its owner may read it; a destroyed epoch stands nowhere in the folder."""
    path = tmp_path / "master-key"
    service = MasterKeyFile.make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text().strip().partition(":")[2]
    wrapped = service.wrap(1, SECRET)
    service.begin_epoch()
    again = MasterKeyFile(path)
    assert again.unwrap(1, wrapped) == SECRET
    again.destroy_epoch(1)
    assert all(first.encode() not in one.read_bytes() for one in tmp_path.iterdir())


def test_a_master_key_that_is_there_is_never_made_anew(tmp_path: Path) -> None:
    """Of two that start at once on an empty folder, both take the first one's: it may have sealed."""
    path = tmp_path / "master-key"
    with ThreadPoolExecutor(8) as starts:
        services = list(starts.map(MasterKeyFile.make, [path] * 8))
    wrapped = services[0].wrap(1, SECRET)
    assert all(service.unwrap(1, wrapped) == SECRET for service in services)
    assert list(tmp_path.iterdir()) == [path]


def test_a_master_key_behind_a_link_stays_where_it_is(tmp_path: Path) -> None:
    """The file that the operator backs up is the one that changes, and nothing else holds keys."""
    real, link = tmp_path / "mounted" / "key", tmp_path / "master-key"
    MasterKeyFile.make(real)
    link.symlink_to(real)
    MasterKeyFile(link).begin_epoch()
    assert link.is_symlink()
    assert MasterKeyFile(real).list_epochs() == [1, 2]


def test_a_key_service_that_refuses_or_fails_is_told_apart(transit: Transit) -> None:
    """A wrong token is for the operator to mend, a service that is down comes back."""
    with pytest.raises(SettingsError, match="answers 403"):
        TransitKeys(transit.url, token="wrong").list_epochs()
    service = TransitKeys(transit.url, token=TOKEN)
    with pytest.raises(SettingsError, match="encrypted with another one"):
        service.unwrap(1, b"vault:v1:" + b64encode(bytes(60)))
    transit.is_down = True
    with pytest.raises(StoreError, match="answers 503"):
        service.wrap(1, SECRET)
    with pytest.raises(StoreError, match="does not answer"):
        TransitKeys("http://127.0.0.1:9/v1/transit/keys/brand", token="").list_epochs()
    for url in ("https://host/v1/transit", "http://host/v1/transit/keys/x", "keys/x"):
        with pytest.raises(SettingsError, match="transit:https://HOST"):
            TransitKeys(url, token="")


def test_a_store_is_sealed_under_a_key_service(tmp_path: Path, transit: Transit) -> None:
    """It is asked once an epoch, and not once a part."""
    vault = SealingVault(KeyFile(tmp_path / "vault.db", TransitKeys(transit.url, token=TOKEN)))
    vault.start(b"")
    sealed = {part: vault.seal(part, "event", b"%d" % part, 1) for part in range(50)}
    vault.settle()
    identity = vault.identity
    vault.close()
    again = SealingVault(KeyFile(tmp_path / "vault.db", TransitKeys(transit.url, token=TOKEN)))
    again.start(identity)
    assert all(again.open(part, "event", sealed[part], 1) == b"%d" % part for part in sealed)
    again.close()


# -- settings


def test_where_the_master_key_is_follows_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transit: Transit
) -> None:
    """A file is made where none is, the environment and a service are taken as they are."""
    assert find_master_key(tmp_path) is None
    made = open_master_key(tmp_path)
    assert isinstance(made, MasterKeyFile)
    assert isinstance(find_master_key(tmp_path), MasterKeyFile)
    elsewhere = open_master_key(tmp_path, f"file:{tmp_path / 'keys' / 'kept'}")
    assert isinstance(elsewhere, MasterKeyFile)
    assert (tmp_path / "keys" / "kept").exists()
    monkeypatch.setenv("KEPT_TEST_MASTER", f"7:{b64encode(bytes(32)).decode()}")
    assert open_master_key(tmp_path, "env:KEPT_TEST_MASTER").list_epochs() == [7]
    monkeypatch.setenv("KEPT_TEST_TOKEN", TOKEN)
    served = open_master_key(tmp_path, f"transit:{transit.url}", token="env:KEPT_TEST_TOKEN")
    assert served.list_epochs() == [1]
    with pytest.raises(SettingsError, match="never as itself") as refused:
        open_master_key(tmp_path, "c2VjcmV0")
    assert "c2VjcmV0" not in str(refused.value)


def test_a_master_key_is_never_made_for_what_was_sealed_already(tmp_path: Path) -> None:
    """Whoever lost it must be told, and not find an empty store tomorrow."""
    keys = open_keys(tmp_path)
    keys.open(b"")
    keys.close()
    (tmp_path / "master-key").unlink()
    with pytest.raises(SettingsError, match=r"master key .* is missing, and everything .* sealed"):
        open_keys(tmp_path)
    assert not (tmp_path / "master-key").exists()


# -- upkeep


class Upkeep:
    """Keys that are looked after on a clock that is moved by hand."""

    def __init__(self, folder: Path, service: KeyService, *, days: int) -> None:
        """Open a vault."""
        self.clock = VirtualClock(1_767_225_600_000_000)
        self.engine = Engine(
            MemoryStore(), compile_larkmead(), secret=b"", public_url="https://kept.example"
        )
        self.keys = KeyFile(folder / "vault.db", service)
        self.vault = SealingVault(self.keys)
        self.vault.start(b"")
        self.upkeep = KeyUpkeep(self.submit, lambda: self.keys, days=days)

    def submit(self, job: Callable[[Engine, int], Any]) -> "Future[Any]":
        """Do a job at once."""
        future: Future[Any] = Future()
        future.set_result(job(self.engine, self.clock.now()))
        return future

    def live(self, days: int) -> None:
        """Let days pass, looking twice a day."""
        for _ in range(2 * days):
            self.clock.advance(DAY // 2)
            self.upkeep.look()


def test_no_backup_is_readable_for_longer_than_was_said(tmp_path: Path) -> None:
    """And each is for two thirds of it: the promise (G11) and what a backup is for."""
    days = 30
    kept = Upkeep(tmp_path, MasterKeyFile.make(tmp_path / "master-key"), days=days)
    kept.upkeep.look()
    backups: list[tuple[int, bytes]] = []
    for day in range(90):
        kept.vault.seal(day + 1, "event", b"x", 1)
        kept.vault.settle()
        key = kept.keys._fetch_one("find_part_key", (day + 1,))
        backups.append((day, key))
        kept.live(1)
        there = kept.keys.service.list_epochs()
        for made, (epoch, _) in backups:
            age = day + 1 - made
            assert age <= days + 1 or epoch not in there
            assert age > days * 2 // 3 - 1 or epoch in there
    assert len(kept.keys.list_epochs()) <= 4
    kept.vault.close()


def test_what_only_the_operator_can_change_raises_an_alert(tmp_path: Path) -> None:
    """When a new epoch is due, and when an old one is to be destroyed."""
    one, two = (f"{n}:{b64encode(bytes([n] * 32)).decode()}" for n in (1, 2))
    kept = Upkeep(tmp_path, MasterKeyText(one, place="X"), days=30)
    kept.live(11)
    assert [a["code"] for a in kept.engine.alerts][:1] == ["master_key_due"]
    kept.keys.close()
    kept.keys.service = MasterKeyText(f"{one}\n{two}", place="X")
    kept.keys.open(kept.vault.identity)
    kept.engine.alerts.clear()
    kept.live(21)
    alerts = {(a["code"], a["epoch"]) for a in kept.engine.alerts}
    assert ("master_key_to_destroy", 1) in alerts
    kept.vault.close()


class _Refusing(MasterKeyFile):
    """A key service whose token may not rotate the key."""

    def begin_epoch(self) -> int:
        """Refuse."""
        message = "the token may not do it"
        raise SettingsError(message)


def test_a_key_service_that_refuses_does_not_disturb_the_writer(tmp_path: Path) -> None:
    """A job that fails there has the store opened again, with all that was being written."""
    MasterKeyFile.make(tmp_path / "master-key")
    kept = Upkeep(tmp_path, _Refusing(tmp_path / "master-key"), days=30)
    disturbed: list[Exception] = []
    submit = kept.submit

    def watch(job: Callable[[Engine, int], Any]) -> "Future[Any]":
        try:
            return submit(job)
        except Exception as error:
            disturbed.append(error)
            raise

    kept.upkeep = KeyUpkeep(watch, lambda: kept.keys, days=30)
    with pytest.raises(SettingsError, match="may not"):
        kept.live(11)
    assert disturbed == []
    kept.vault.close()


def test_an_answer_that_is_no_json_is_a_failure_of_the_service(transit: Transit) -> None:
    """Somebody in between has answered; it may be well again later."""
    transit.is_garbled = True
    with pytest.raises(StoreError, match="something else than JSON"):
        TransitKeys(transit.url, token=TOKEN).list_epochs()
