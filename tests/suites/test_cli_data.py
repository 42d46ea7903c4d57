"""History in, backups out and back again, from the command line."""

import json
import re
from pathlib import Path

import pytest

from kept.cli.history import ROWS_A_REQUEST
from tests.e2e.command import ok, run_kept, started, wait_for
from tests.e2e.ferrowen import Ferrowen, serve_ferrowen
from tests.e2e.served import BRAND, Served, new_id, serve, stop
from tests.tree import ROOT

PEOPLE = ROOT / "examples" / "people"


def test_the_example_s_history_moves_in_and_nothing_is_said(tmp_path: Path) -> None:
    """Both files are taken whole; again, every row is known; bad rows are listed, and lose no other."""
    with serve_ferrowen(tmp_path) as ferrowen:
        data = ferrowen.served.data
        bills = (PEOPLE / "bills.csv", "--mapping", PEOPLE / "bills.mapping.yaml", "--data", data)

        first = ok("import", PEOPLE / "history.jsonl", "--data", data)
        second = ok("import", *bills)

        count = len((PEOPLE / "history.jsonl").read_text().splitlines())
        rows = len((PEOPLE / "bills.csv").read_text().splitlines()) - 1
        assert f"{count} taken, 0 known already, 0 not taken" in first
        assert f"{rows} taken, 0 known already, 0 not taken" in second
        assert f"0 taken, {rows} known already, 0 not taken" in ok("import", *bills)
        assert ferrowen.customer("marta")["cohort"] == "loyal"
        bad = tmp_path / "bad.jsonl"
        good = {"type": "track", "userId": "marta", "event": "Account Opened", "messageId": "b-1"}
        bad.write_text("\n".join(["no json", json.dumps(good), json.dumps({"type": "track"})]))
        report = tmp_path / "report.jsonl"
        told = ok("import", bad, "--data", data, "--report", report)
        assert "1 taken, 0 known already, 2 not taken" in told
        listed = [json.loads(line) for line in report.read_text().splitlines()]
        assert [line["row"] for line in listed] == [1, 3]
        assert not said(ferrowen)


def said(ferrowen: Ferrowen) -> str:
    """Return everything that was ever said to anybody."""
    return ferrowen.served.outbox()


def test_an_import_that_was_interrupted_goes_on(own_server: Served, tmp_path: Path) -> None:
    """Killed amid a file and begun again, it goes on where it was, and every row is there once."""
    file = tmp_path / "orders.jsonl"
    rows, people = 20_000, 50
    with file.open("w") as written:
        for number in range(rows):
            event = {"type": "track", "event": "Order Completed", "userId": f"u{number % people}"}
            written.write(json.dumps(event | {"properties": {"total": 1}}) + "\n")
    arguments = ("import", file, "--source", "old_shop", "--data", own_server.data)
    progress = own_server.data / "imports"
    with started(*arguments) as importing:
        wait_for(lambda: progress.exists() and list(progress.glob("*.json")))
        importing.kill()
    assert list(progress.glob("*.json")), "it had ended before it was killed"
    before = own_server.metric('kept_events_total{source="old_shop"}')
    assert 0 < before < rows

    told = ok(*arguments)

    match = re.search(r"(\d+) taken, (\d+) known already, 0 not taken", told)
    assert match, told
    taken, known = int(match[1]), int(match[2])
    assert taken + known == rows
    # Only what was sent and not yet noted when it died is sent again: one request at most.
    assert known <= ROWS_A_REQUEST
    assert own_server.metric('kept_events_total{source="old_shop"}') == rows
    assert not list(progress.glob("*.json"))
    stop(own_server.process)
    gone = run_kept(*arguments)
    assert gone.code == 1
    assert "is it running" in gone.err


def test_what_cannot_be_imported_is_said(kept_server: Served, tmp_path: Path) -> None:
    """A missing file, an ending that nobody knows, columns without a mapping, a source that is none."""
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"type": "track"}\n')
    for file, source, says in (
        (tmp_path / "missing.jsonl", "old_shop", "there is no file"),
        (other, "old_shop", "jsonl, csv and parquet"),
        (table, "old_shop", "--mapping"),
        (lines, "shop", "not import"),
        (lines, "nobody", "no source"),
    ):
        done = run_kept("import", file, "--source", source, "--data", kept_server.data)
        assert done.code == 1
        assert says in done.err


def test_a_restore_applies_later_opt_outs_before_anything_is_sent(own_server: Served) -> None:
    """What a customer withdrew after the backup stays withdrawn, though the backup knows nothing of it."""
    data = own_server.data
    user = own_server.introduce()
    own_server.make_regular(user)
    own_server.track("Consent Given", user, entity="shop", purpose="marketing")
    ok("backup", "--name", "before", "--data", data)
    assert own_server.ask("till", user)["shown"]
    own_server.track("Consent Withdrawn", user, entity="shop", purpose="marketing")
    refused = run_kept("restore", data / "backups" / "before.sqlite", "--data", data)
    assert refused.code == 1, "a folder that a server uses was restored into"
    stop(own_server.process)
    refused = run_kept("restore", data / "backups" / "before.sqlite", "--data", data)
    assert refused.code == 1
    assert "--replace" in refused.err

    told = ok("restore", data / "backups" / "before.sqlite", "--data", data, "--replace")

    assert "1 later withdrawal(s) will be applied" in told
    with serve(own_server.brand.parent, brand=BRAND) as again:
        assert again.ask("till", user)["silence"]
        found = again.ok(again.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"}))
        assert found["consents"]["p|shop|marketing|"] is False


def test_opt_outs_of_a_lost_machine_hold_on_the_new_one(own_server: Served, tmp_path: Path) -> None:
    """What its guard log still says is in force before anything is said; what it lacks is told."""
    data = own_server.data
    users = [own_server.introduce() for _ in range(3)]
    for user in users:
        own_server.make_regular(user)
        own_server.track("Consent Given", user, entity="shop", purpose="marketing")
    ok("backup", "--name", "before", "--data", data)
    for user in users:
        own_server.track("Consent Withdrawn", user, entity="shop", purpose="marketing")
    stop(own_server.process)
    backup, found = tmp_path / "before.sqlite", tmp_path / "found.log"
    backup.write_bytes((data / "backups" / "before.sqlite").read_bytes())
    lines = (data / "optouts.log").read_bytes().splitlines()
    assert len(lines) == len(users)
    found.write_bytes(b"\n".join([lines[0], b"?" + lines[1][1:], lines[2]]) + b"\n")
    # A data folder of another machine: nothing in it yet.
    new = tmp_path / "new"
    new.mkdir()
    gone = run_kept("restore", backup, "--data", new / "data", "--guard", tmp_path / "gone.log")
    assert gone.code == 1
    assert "no guard log" in gone.err
    assert not (new / "data" / "kept.db").exists()
    # The master key is in no backup; it is kept elsewhere, and given to the new machine.
    locked = run_kept("restore", backup, "--data", new / "data", "--guard", found)
    assert locked.code == 1
    assert "there is no master key here" in locked.err
    assert not (new / "data" / "kept.db").exists()
    (new / "data" / "master-key").write_bytes((data / "master-key").read_bytes())

    done = run_kept("restore", backup, "--data", new / "data", "--guard", found)

    assert done.code == 0
    assert "2 later withdrawal(s) will be applied" in done.out
    assert f"2 line(s) of {found} were new" in done.out
    assert f"{found}:2: damaged" in done.err
    assert "another copy" in done.err
    with serve(new, brand=BRAND) as again:
        consents = []
        for user in users:
            told = {"identifier": f"user_id:{user}"}
            customer = again.ok(again.admin("POST", "/customers/find", told))
            consents.append(customer["consents"]["p|shop|marketing|"])
            # Whoever stood in the lost line is safe as well until an operator resumes.
            assert again.ask("till", user)["silence"]
    assert consents == [False, True, False]


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_backup_is_refused(own_server: Served, damage: str) -> None:
    """Nothing is put in the place of a store that is not whole."""
    data = own_server.data
    own_server.introduce()
    name = new_id("backup")
    ok("backup", "--name", name, "--data", data)
    stop(own_server.process)
    file = data / "backups" / f"{name}.sqlite"
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.write_bytes(b"x" * 100 + content[100:])
    before = {path.name: path.read_bytes() for path in data.glob("*.sqlite*")}

    done = run_kept("restore", file, "--data", data, "--replace")

    assert done.code == 1
    assert {path.name: path.read_bytes() for path in data.glob("*.sqlite*")} == before
