"""A record played again from the command line: beside a server, of a stopped one, and with wrong input."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import ok, run_kept
from tests.e2e.served import BRAND, Served, serve, stop
from tests.tree import ROOT

EXAMPLE = ROOT / "examples" / "ferrowen"
READ = ("--purpose", "service", "--entity", "shop")


def live(served: Served) -> None:
    """Let a few customers do what customers do."""
    for number in range(4):
        user = served.introduce()
        # Whoever has just joined is welcomed; the message leaves while the others come in.
        served.track("Account Opened", user)
        served.wait_for(lambda: served.outbox().count("welcome") > number)  # noqa: B023
        served.make_regular(user)
        if number:
            served.track("Consent Given", user, entity="shop", purpose="marketing")
        served.ask("till", user)
        served.track("Order Completed", user, total=120)


def replay(brand: Path, data: Path, *more: Any) -> dict[str, Any]:
    """Return the report of a replay."""
    told = ok("replay", brand, "--against", data, *READ, "--format", "json", *more)
    report: dict[str, Any] = json.loads(told)
    return report


def test_the_record_of_a_running_server_is_reproduced_and_the_reading_is_audited(
    own_server: Served,
) -> None:
    """Signals over HTTP, ticks and hand-overs by the clock: every decision comes out as recorded."""
    live(own_server)
    report = replay(BRAND, own_server.data)
    assert report["reproduced"] == report["decisions"]["recorded"] > 10
    assert report["differences"] == []
    assert report["customers"] == 4
    assert report["contacts"]["recorded"] == report["contacts"]["tried"] > 0
    audit = own_server.ok(own_server.admin("GET", "/audit"))
    (entry,) = [one for one in audit["entries"] if one["verb"] == "replay"]
    assert entry["detail"]["purpose"] == "service"


def test_a_stopped_server_s_folder_is_played_alike_by_any_number_of_workers(tmp_path: Path) -> None:
    """And a changed policy shows what it spares."""
    with serve(tmp_path) as served:
        live(served)
        stop(served.process)
        data = served.data
    changed = tmp_path / "changed"
    shutil.copytree(BRAND, changed)
    contact = changed / "contact.yaml"
    contact.write_text(contact.read_text().replace("count: 1,", "count: 9,"))
    one = replay(changed, data)
    two = replay(changed, data, "--workers", 2)
    assert one == two
    assert one["reproduced"] == one["decisions"]["recorded"]
    text = ok("replay", changed, "--against", data, *READ)
    assert "Counted again, consent, caps and quiet hours hold at every contact." in text
    assert "@" not in text


def test_what_cannot_be_played_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Each wrong input by itself, and nothing is made or written because of it."""
    with serve(tmp_path) as served:
        live(served)
        stop(served.process)
        data = served.data
    nowhere = tmp_path / "nowhere"
    broken = tmp_path / "broken"
    shutil.copytree(BRAND, broken)
    (broken / "contact.yaml").write_text("caps: {week: {count: 0}}\n")
    a_file = tmp_path / "kept.backup"
    a_file.write_text("x")
    history = tmp_path / "history"
    (history / "events" / "day=2026-03-02").mkdir(parents=True)
    (history / "events" / "day=2026-03-02" / "00.parquet").write_bytes(b"PAR1")
    for arguments, told in (
        ((nowhere, "--against", data, *READ), "there is no brand folder"),
        ((BRAND, "--against", nowhere, *READ), "there is no store in"),
        ((BRAND, "--against", a_file, *READ), "kept restore"),
        ((BRAND, "--against", history, *READ), "holds the files of history"),
        ((broken, "--against", data, *READ), "contact.yaml"),
        ((EXAMPLE, "--against", data, *READ), "the record is of"),
        (
            (BRAND, "--against", data, *READ, "--from", "2026-05-01", "--to", "2026-04-01"),
            "does not lie before",
        ),
        ((BRAND, "--against", data, *READ, "--from", "yesterday"), "is not an instant"),
        (
            (BRAND, "--against", data, *READ, "--from", "2001-01-01", "--to", "2001-02-01"),
            "nothing was recorded then",
        ),
        (
            (BRAND, "--against", data, "--purpose", "curiosity", "--entity", "shop"),
            "there is no purpose",
        ),
        ((BRAND, "--against", data, *READ, "--format", "xml"), "text, json or markdown"),
    ):
        done = run_kept("replay", *arguments)
        assert done.code == 1, arguments
        assert told in done.err, (arguments, done.err)
        assert "Traceback" not in done.err
    assert not nowhere.exists()


def test_an_empty_record_says_that_it_is_empty(tmp_path: Path) -> None:
    """A server that heard nothing has nothing to be played."""
    with serve(tmp_path) as served:
        stop(served.process)
        data = served.data
    done = run_kept("replay", BRAND, "--against", data, *READ)
    assert done.code == 1
    assert "the record is empty" in done.err


@pytest.mark.parametrize("option", ["--workers"])
def test_no_workers_are_not_understood(option: str, tmp_path: Path) -> None:
    """Less than one process plays nothing."""
    assert run_kept("replay", BRAND, "--against", tmp_path, *READ, option, 0).code == 2
