"""A customer's receipt over HTTP, verified by a program that knows nothing of Kept; and the audit."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kept.core.checkpoint import parse_key, read_checkpoint
from kept.core.merkle import root_of
from tests.e2e.command import ok, run_kept
from tests.e2e.served import SHOP_KEY, SITE_KEY, Served, new_id, problem, serve, stop


def verify(folder: Path, receipt: Path, key: str) -> "subprocess.CompletedProcess[str]":
    """Run the verifier alone: no environment, no packages, not even the folder it lies in."""
    return subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify_receipt.py", receipt, "--key", key],
        capture_output=True,
        text=True,
        env={},
        cwd=folder,
        timeout=60,
        check=False,
    )


def consent(server: Served, user: str) -> None:
    """Let the shop tell that somebody agreed to marketing."""
    server.track(
        "Consent Given", user, entity="shop", purpose="marketing", wording="marketing_2026"
    )


def test_from_a_consent_to_its_receipt_its_withdrawal_and_the_audit(tmp_path: Path) -> None:
    """Given, proven offline, withdrawn, audited; then rewritten on the disk, and found."""
    with serve(tmp_path) as server:
        user = server.introduce()
        consent(server, user)
        given = tmp_path / "given"
        ok("receipt", f"user_id:{user}", "--data", server.data, "--into", given)
        (receipt,) = given.glob("receipt-*.json")
        key = (given / "log.key").read_text().strip()
        assert (given / "verify_receipt.py").read_text() == server.http.get("/v1/log/verifier").text

        done = verify(given, receipt, key)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("The receipt holds.\n")
        assert f"pii_principal_id: user_id:{user}" in done.stdout
        assert "events 1.event_type: consent_given" in done.stdout
        assert "privacy_notices 1.version: marketing_2026" in done.stdout
        ok("verify-receipt", receipt, "--key", given / "log.key")
        ok("verify-receipt", receipt, "--key", key)

        forged = given / "forged.json"
        forged.write_text(receipt.read_text().replace("marketing", "everything"))
        refused = verify(given, forged, key)
        assert refused.returncode == 1
        assert refused.stderr.startswith("REFUSED: ")
        assert run_kept("verify-receipt", forged, "--key", key).code == 1

        server.track("Unsubscribed", user, entity="shop", purpose="marketing")
        again = tmp_path / "again"
        ok("receipt", f"user_id:{user}", "--data", server.data, "--into", again)
        kinds = sorted(json.loads(f.read_text())["record"]["kind"] for f in again.glob("rec*.json"))
        assert kinds == ["consent_given", "consent_withdrawn"]

        for where in (server.data, server.url):
            told = ok("audit", where, "--against", receipt)
            assert "Nothing was rewritten" in told
        assert "events" in ok("audit", server.data)
        stop(server.process)

        assert "Nothing was rewritten" in ok("audit", server.data, "--against", receipt)
        index = int(json.loads(receipt.read_text())["record"]["record_id"])
        with closing(sqlite3.connect(server.data / "kept.db", isolation_level=None)) as connection:
            connection.execute("DELETE FROM consent_log WHERE leaf_index = ?", (index,))
        found = run_kept("audit", server.data, "--against", receipt)
        assert found.code == 1
        assert f"leaf {index}: missing" in found.out


def test_the_tree_is_public_and_holds_no_word(kept_server: Served) -> None:
    """Whoever fetches the tiles computes the root that is signed; nothing else is served."""
    consent(kept_server, kept_server.introduce())
    kept_server.ok(kept_server.admin("POST", "/log/key"))
    told = kept_server.ok(kept_server.http.get("/v1/log/key"))["keys"]
    keys = [parse_key(one["key"]) for one in told]
    assert [bool(one.get("until")) for one in told[-2:]] == [True, False]
    answer = kept_server.http.get("/v1/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint = read_checkpoint(answer.text, keys)
    hashes: list[bytes] = []
    while len(hashes) < checkpoint.size:
        place, width = len(hashes) // 256, min(256, checkpoint.size - len(hashes))
        suffix = f".p/{width}" if width < 256 else ""
        tile = kept_server.http.get(f"/v1/log/tile/0/{place:03}{suffix}")
        assert "immutable" in tile.headers["cache-control"]
        assert len(tile.content) == width * 32
        hashes += [tile.content[at : at + 32] for at in range(0, width * 32, 32)]
    assert root_of(hashes) == checkpoint.root


@pytest.mark.parametrize(
    "path",
    [
        "0/999", "0/x001/000", "0/000.p/0", "0/000.p/256", "0/000.p/999", "00/000", "64/000",
        "9/000.p/1", "0/0", "entries/000", "0/000/../000", "x/y",
    ],
)  # fmt: skip
def test_a_tile_that_is_not_signed_is_not_there(kept_server: Served, path: str) -> None:
    """Neither beyond the checkpoint nor in another form; entries are nobody's."""
    problem(kept_server.http.get(f"/v1/log/tile/{path}"), 404, "not_found")


def test_a_signal_on_every_page_makes_one_leaf(own_server: Served) -> None:
    """What is recorded of a visitor changes once."""

    def size() -> Any:
        return own_server.ok(own_server.admin("POST", "/log/audit", {}))["size"]

    before = size()
    visitor = new_id("visitor")
    for _ in range(5):
        body = {"anonymousId": visitor, "name": "Home", "messageId": new_id("m")}
        headers = {"sec-gpc": "1", "origin": "https://www.harbour.example"}
        own_server.ok(
            own_server.http.post("/v1/page", json=body, auth=(SITE_KEY, ""), headers=headers)
        )
    # The second audit is itself one record of staff access.
    assert size() == before + 2


def test_receipts_are_for_operators(kept_server: Served) -> None:
    """Not for a source, and not of nobody."""
    answer = kept_server.http.post(
        "/v1/admin/customers/receipts",
        json={"identifier": "user_id:x"},
        headers={"authorization": f"Bearer {SHOP_KEY}"},
    )
    problem(answer, 401, "unknown_caller")
    body = {"identifier": "user_id:nobody"}
    problem(kept_server.admin("POST", "/customers/receipts", body), 404, "not_found")
    problem(kept_server.admin("POST", "/customers/receipts", {"identifier": "x"}), 400, "input")


def test_an_audit_says_what_it_cannot_do(tmp_path: Path) -> None:
    """No folder, no server, no file: a sentence each, and no pass."""
    for arguments in (
        (tmp_path,),
        ("http://127.0.0.1:9",),
        (tmp_path, "--against", tmp_path / "x"),
    ):
        done = run_kept("audit", *arguments)
        assert done.code == 1
        assert "Nothing was rewritten" not in done.out
        assert "Traceback" not in done.err
