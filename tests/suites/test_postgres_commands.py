"""A real server on PostgreSQL: a store that moved there goes on, and says everything once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Done, ok, run_kept
from tests.e2e.served import BRAND, Served, serve, stop
from tests.postgres import Server
from tests.suites.test_cli_replay import READ, live

pytestmark = pytest.mark.postgres


def find(served: Served, user: str) -> Any:
    """Return what a server knows of a customer."""
    return served.ok(served.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"}))


def _check_commands(served: Served, address: str, tmp_path: Path) -> None:
    """Commands that open a store themselves take the database, or say what to do instead."""
    whole = "Nothing was rewritten, removed, moved or planted."
    data = served.data
    assert whole in ok("audit", data, "--database", address)
    refused = run_kept("audit", data)
    assert "name that database with --database" in refused.err
    refused = run_kept("backup", "--data", data)
    assert refused.code == 1
    assert "pg_basebackup" in refused.err
    assert "postgres@" not in refused.err
    refused = run_kept(
        "restore", data / "kept.db", "--data", tmp_path / "new", "--database", address
    )
    assert refused.code == 1
    assert "restore a PostgreSQL by its own means" in refused.err
    assert not (tmp_path / "new").exists()
    assert "writes a new token" in ok("token", "renew-admin", "--data", data, "--database", address)


def test_a_store_that_moved_goes_on(postgres: Server, tmp_path: Path) -> None:
    """The same profile, the same decisions for the same reasons, and what was queued leaves once."""
    with serve(tmp_path) as before:
        user = before.introduce()
        before.track("Account Opened", user)
        before.wait_for(lambda: f"{user}@mail.example" in before.outbox())
        before.make_regular(user)
        before.track("Consent Given", user, entity="shop", purpose="marketing")
        answer = before.ask("till", user)
        decision = answer["decision_id"]
        before.track("Bill Issued", user, bill_id="7", amount=12)
        told = ok("explain", decision, "--data", before.data)
        profile = find(before, user)
        queued = [each for each in profile["messages"] if each["state"] == "queued"]
        assert queued
        assert stop(before.process) == 0
    address = postgres.make().url

    moved = ok("move", "--data", before.data, "--to", address)

    assert "records opened" in moved
    assert "the same root" in moved
    assert f"give it {before.data / 'master-key'}" in moved
    gone = run_kept("serve", "--brand", before.brand, "--data", before.data, "--port", "0")
    assert gone.code == 1
    assert "was moved to the database" in gone.err
    environment = {"MOVED_TO": address}
    with serve(tmp_path, "--database", "env:MOVED_TO", environment=environment) as after:
        assert find(after, user) == profile
        assert ok("explain", decision, "--data", after.data) == told
        assert after.token == before.token
        bills = [each for each in after.inbox(user) if each["title"] == "Your bill 7"]
        assert len(bills) == 1
        assert after.inbox(user) == after.inbox(user)
        assert after.outbox().count("Subject: ") == 1
        # PostgreSQL holds no NUL, and is not asked for one.
        assert after.admin("GET", "/erasures/%00").status_code == 404
        after.track("Consent Withdrawn", user, entity="shop", purpose="marketing")
        assert after.ask("till", user)["silence"]
        _check_commands(after, address, tmp_path)
    log = (tmp_path / "log").read_text()
    assert "postgres@" not in log


def test_a_database_that_was_restored_is_taken_up(postgres: Server, tmp_path: Path) -> None:
    """Who withdrew after the backup stays withdrawn; no id comes again; promotions wait."""
    address = postgres.make()
    environment = {"HERE": address.url}
    options = ("--database", "env:HERE")
    with serve(tmp_path, *options, environment=environment) as before:
        user = before.introduce()
        before.make_regular(user)
        before.track("Consent Given", user, entity="shop", purpose="marketing")
        decision = before.ask("till", user)["decision_id"]
        assert stop(before.process) == 0
    postgres.close_to(address.database)
    postgres.copy(address.database, "backup")
    with serve(tmp_path, *options, environment=environment) as between:
        between.track("Consent Withdrawn", user, entity="shop", purpose="marketing")
        newest = between.introduce()
        between.ask("till", newest)
        assert stop(between.process) == 0
    postgres.close_to(address.database)
    postgres.run(f"DROP DATABASE {address.database}")
    postgres.copy("backup", address.database)

    told = _restored(between, address.url)

    assert told.code == 0, told.err
    assert "1 later withdrawal(s) will be applied" in told.out
    with serve(tmp_path, *options, environment=environment) as after:
        answer = after.ask("till", user)
        assert answer["silence"]
        assert answer["decision_id"] > decision + 1_000
        consents = find(after, user)["consents"]
        assert consents["p|shop|marketing|"] is False
        other = after.introduce()
        after.make_regular(other)
        after.track("Consent Given", other, entity="shop", purpose="marketing")
        assert after.ask("till", other)["silence"], "promotions wait until they are resumed"
        assert stop(after.process) == 0


def _restored(served: Served, address: str) -> Done:
    return run_kept("restored", "--data", served.data, "--database", address)


def test_the_record_of_nodes_is_played_again_beside_them(postgres: Server, tmp_path: Path) -> None:
    """By any number of processes in one snapshot; the reading is audited, and wrong input refused."""
    address = postgres.make().url
    empty = postgres.make().url
    with serve(tmp_path, "--database", address) as served:
        live(served)
        data = served.data
        told = ("replay", BRAND, "--against", data, *READ, "--format", "json")
        report = json.loads(ok(*told, "--database", address))
        assert report["reproduced"] == report["decisions"]["recorded"] > 10
        assert report["customers"] == 4
        audit = served.ok(served.admin("GET", "/audit"))
        assert [one["verb"] for one in audit["entries"]].count("replay") == 1
        two = json.loads(ok(*told, "--database", address, "--workers", 2))
        assert two["reproduced"] == two["decisions"]["recorded"]
        assert two["contacts"] == report["contacts"]
        compared = ok("diff", BRAND, BRAND, "--against", data, *READ, "--database", address)
        assert "recorded decisions alike" in compared
        nowhere = tmp_path / "nowhere"
        for arguments, why in (
            ((*told,), "name that database with --database"),
            ((*told, "--database", empty), "is not there"),
            ((*told, "--database", "nonsense"), "postgresql://"),
            (
                ("replay", BRAND, "--against", nowhere, *READ, "--database", address),
                "the master key of",
            ),
        ):
            done = run_kept(*arguments)
            assert done.code == 1, arguments
            assert why in done.err, (arguments, done.err)
            assert "Traceback" not in done.err
            assert "postgres@" not in done.err
        assert not nowhere.exists()
