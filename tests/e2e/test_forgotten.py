"""Forget me (story 26, G11): every byte of every file is searched, before and after."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from kept.core.history_columns import COLUMNS, ID_COLUMNS
from kept.errors import ForgottenError
from kept.ports import Record, Vault
from kept.runtime.backups import restore
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import MASTER_KEY_NAME
from tests.e2e.command import ok
from tests.e2e.served import SHOP_KEY, Served, bearer, serve
from tests.vaults import make_vault

NAME = "Quillon-Ashgrove"
MAIL = "quillon.ashgrove@planted.example"
PHONE = "+351919555177"
NOTE = "prefers the blue pot at the window"
USER = "planted-user-7141"
COOKIE = "planted-cookie-9223"
PLANTED = (NAME, MAIL, PHONE, NOTE, USER, COOKIE)
STATES = ("queued", "leased", "leaving", "delivered", "failed", "unknown", "withdrawn", "expired")


def found_in(folder: Path) -> dict[str, list[str]]:
    """Return which planted values stand in which files, in whatever way they may be written."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet":
                # Compressed: what it holds is searched as well, unpacked.
                content += unpacked(path)
            for value in PLANTED:
                ways = (value.encode(), value.encode("utf-16-le"), json.dumps(value)[1:-1].encode())
                if any(way in content for way in ways):
                    found.setdefault(path.relative_to(folder).as_posix(), []).append(value)
    return found


def unpacked(path: Path) -> bytes:
    """Return everything that a file of Parquet holds."""
    rows = duckdb.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    texts = [
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    ]
    return b"\n".join(texts)


def opened_history(data: Path, vault: Vault) -> Iterator[bytes]:
    """Yield what was sealed in files of history, as far as there are keys for it."""
    kinds: dict[str, Record] = {"events": "event", "decisions": "decision"}
    for path in sorted((data / "history").glob("*/date=*/hour=*/*.parquet")):
        kind = path.relative_to(data / "history").parts[0]
        if kind not in kinds:
            continue
        number = ID_COLUMNS[kind]  # type: ignore[index]
        rows = duckdb.execute(
            f"SELECT part, {number}, sealed FROM read_parquet(?)", [str(path)]
        ).fetchall()
        for part, row_id, sealed in rows:
            with suppress(ForgottenError):
                yield vault.open(part, kinds[kind], sealed, row_id)


def parts_in_history(data: Path) -> set[int]:
    """Return whose rows there are in files of history."""
    return {
        part
        for kind in COLUMNS
        for path in (data / "history").glob(f"{kind}/date=*/hour=*/*.parquet")
        for (part,) in duckdb.execute("SELECT part FROM read_parquet(?)", [str(path)]).fetchall()
    }


def found_with_keys(data: Path) -> set[str]:
    """Return which planted values can be read in a store that no server uses, with all its keys."""
    vault = make_vault(data)
    with closing(SqliteStore(data, vault=vault)) as store:
        parts = list(range(1, 500))
        readable: list[Any] = [
            store.load_events(after=0, limit=99_999),
            store.load_parts(parts),
            store.load_states(parts),
            store.load_messages_in(STATES, limit=99_999),
            store.read_decisions(parts, newest=99_999),
            store.read_quarantine(after=0, limit=999),
            store.read_audit(newest=999),
            store.load_requests(newest=999),
            list(opened_history(data, vault)),
        ]
    content = b"".join(msgspec.msgpack.encode(one) for one in readable)
    # What a store keeps in bytes is MessagePack within MessagePack; texts stand in it as they are.
    return {value for value in PLANTED if value.encode() in content}


def live(served: Served) -> None:
    """Let somebody be a customer: events, a visit, a message, a question, and one broken event."""
    traits = {"first_name": NAME, "email": MAIL, "phone": PHONE, "zone": "Europe/Lisbon"}
    body = {"userId": USER, "anonymousId": COOKIE, "traits": traits, "messageId": "p-1"}
    served.ok(served.http.post("/v1/identify", json=body, auth=(SHOP_KEY, "")))
    served.track("Order Completed", USER, total=30, note=NOTE)
    broken = {"userId": USER, "event": 7, "properties": {"note": NOTE, "email": MAIL}}
    served.http.post("/v1/batch", json={"batch": [broken]}, auth=(SHOP_KEY, ""))
    served.ask("till", USER)
    served.inbox(USER)


def wait_until_said(served: Served) -> None:
    """Wait for the word of welcome."""
    served.wait_for(lambda: MAIL in served.outbox())


def test_forget_me(tmp_path: Path) -> None:
    """Nothing of the person's values is in any file; the control shows that the search finds them."""
    with serve(tmp_path) as served:
        user = served.introduce(first_name="Bystander")
        served.track("Account Opened", user)
        traits = {"first_name": NAME, "email": MAIL, "zone": "Europe/Lisbon"}
        body = {"userId": USER, "traits": traits, "messageId": "p-0"}
        served.ok(served.http.post("/v1/identify", json=body, auth=(SHOP_KEY, "")))
        served.track("Account Opened", USER)
        wait_until_said(served)
        live(served)
        assert "event.bad_field" in served.admin("GET", "/quarantine").text
        served.ok(served.admin("POST", "/history/export"))
        made = served.ok(served.admin("POST", "/backups", {"name": "before"}))
        shutil.copytree(served.data / "history", tmp_path.parent / "history-before")
        before = found_in(tmp_path)
        # Messages are files here, and the only place that shows anything.
        assert before
        assert all(name.startswith("data/outbox/") for name in before), before
        parts = parts_in_history(served.data)

        proof = tmp_path / "proof.json"
        told = ("--data", served.data, "--confirmed-by", "came in person", "--proof", proof)
        receipt = json.loads(ok("forget", f"email:{MAIL}", *told))
        key = served.admin("GET", f"/erasures/{receipt['request_id']}").json()["key"]
        assert "erasure" in ok("verify-receipt", proof, "--key", key)
        assert receipt["erased"]["events"] >= 3
        assert receipt["identity_confirmed_by"] == "came in person"
        served.wait_for(lambda: _is_complete(served, receipt["request_id"]))

        assert found_in(tmp_path) == {}
        left = parts_in_history(served.data)
        assert left < parts, "rows are removed and not merely closed"
        shown = served.admin("POST", "/customers/find", {"identifier": f"user_id:{USER}"})
        assert shown.status_code == 404
        assert not [one for one in served.outbox().splitlines() if NAME in one]
        assert user in served.outbox()

        # Late events, and a retry of what was taken before, do not bring anything back.
        late = {
            "userId": USER,
            "event": "Order Completed",
            "properties": {"note": NOTE},
            "timestamp": receipt["erased_at"],
            "messageId": "p-9",
        }
        answer = served.http.post("/v1/track", json=late, auth=(SHOP_KEY, ""))
        assert answer.status_code == 200
        asked = {"placement": "till", "identifiers": {"user_id": USER}}
        answered = served.http.post("/v1/decide", json=asked, headers=bearer(SHOP_KEY)).json()
        assert answered.get("name", "") == ""
        assert found_in(tmp_path) == {}
        data, backup = served.data, served.data / made["file"]

    assert found_in(tmp_path) == {}
    assert parts_in_history(data) <= left
    _search_backup(tmp_path, data, backup)
    assert found_with_keys(data) == set()


def _is_complete(served: Served, request_id: str) -> bool:
    receipt = served.ok(served.admin("GET", f"/erasures/{request_id}"))["receipt"]
    return bool(receipt["complete"])


def _search_backup(folder: Path, data: Path, backup: Path) -> None:
    """A backup from before can be read until its epoch ends; restored, it forgets before all else."""
    plain = folder / "elsewhere"
    plain.mkdir()
    shutil.copy(data / MASTER_KEY_NAME, plain)
    restore(backup, plain)
    shutil.copytree(folder.parent / "history-before", plain / "history")
    assert found_with_keys(plain) == set(PLANTED), "the control: these can be found with the keys"
    again = folder / "again" / "data"
    again.mkdir(parents=True)
    shutil.copy(data / MASTER_KEY_NAME, again)
    done = restore(backup, again, guard=data / "optouts.log")
    shutil.copytree(folder.parent / "history-before", again / "history")
    assert done.waiting > 0
    with serve(folder / "again") as served:
        shown = served.admin("POST", "/customers/find", {"identifier": f"user_id:{USER}"})
        assert shown.status_code == 404
        late = {"userId": USER, "event": "Page Viewed", "timestamp": "2026-01-01T00:00:00Z"}
        served.ok(served.http.post("/v1/track", json=late, auth=(SHOP_KEY, "")))
        # Whose erasure is under way is named in it, sealed, until every file was written anew.
        erasures = served.ok(served.admin("GET", "/erasures"))["erasures"]
        assert erasures
        for one in erasures:
            served.wait_for(partial(_is_complete, served, one["request_id"]))
        served.ok(served.admin("POST", "/history/export"))
        assert parts_in_history(again) == parts_in_history(data)
    assert found_with_keys(again) == set()


def test_many_are_forgotten_by_a_regulation(kept_server: Served) -> None:
    """In the form that tools know from Segment; what is wrong with one is said."""
    users = [kept_server.introduce() for _ in range(12)]
    body = {"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": users}
    headers = bearer(kept_server.token)
    begun = kept_server.ok(kept_server.http.post("/v1/regulations", json=body, headers=headers))
    regulation = begun["data"]["regulateId"]

    def status() -> Any:
        answer = kept_server.http.get(f"/v1/regulations/{regulation}", headers=headers)
        return kept_server.ok(answer)["data"]["regulation"]

    kept_server.wait_for(lambda: status()["overallStatus"] == "FINISHED")
    assert status()["doneCount"] == len(users)
    for user in users:
        found = kept_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
        assert found.status_code == 404
    wrong = {**body, "subjectType": "OBJECT_ID"}
    answer = kept_server.http.post("/v1/regulations", json=wrong, headers=headers)
    assert answer.status_code == 400
    assert "USER_ID or ANONYMOUS_ID" in answer.json()["detail"]
    assert kept_server.http.post("/v1/regulations", json=body).status_code == 401
