"""Access, correction, restriction and retention, over HTTP and on the command line, on a real server."""

import io
import json
import zipfile
from pathlib import Path

from tests.e2e.command import ok, run_kept
from tests.e2e.served import SHOP_KEY, Served, bearer, problem, serve, stop

BRAND = Path(__file__).parent / "brand"


def test_a_customer_is_handed_everything_that_is_held_of_them(
    kept_server: Served, tmp_path: Path
) -> None:
    """As a folder, as an archive and over HTTP; nobody else is in it, and it is audited."""
    user = kept_server.introduce()
    other = kept_server.introduce(first_name="Zacharias")
    kept_server.make_regular(user)
    kept_server.track("Order Completed", other, total=99, note="of-somebody-else")
    kept_server.ask("till", user)
    how = ("--data", kept_server.data, "--confirmed-by", "passport shown at the desk")

    told = ok("export", f"user_id:{user}", *how, "--out", tmp_path / "ana")
    assert "Begin with README.txt" in told
    ok("export", f"user_id:{user}", *how, "--out", tmp_path / "ana.zip")

    folder = {path.name: path.read_text("utf-8") for path in (tmp_path / "ana").iterdir()}
    with zipfile.ZipFile(tmp_path / "ana.zip") as packed:
        assert set(packed.namelist()) == set(folder)
    assert (tmp_path / "ana.zip").stat().st_mode & 0o077 == 0
    document = json.loads(folder["customer.json"])
    assert document["confirmed_by"] == "passport shown at the desk"
    assert user in folder["identifiers.csv"]
    assert "Order Completed" in folder["events.csv"]
    assert document["decisions"]
    assert "Ana" in folder["README.txt"]
    for text in folder.values():
        assert other not in text
        assert "Zacharias" not in text
        assert "of-somebody-else" not in text
    again = run_kept("export", f"user_id:{user}", *how, "--out", tmp_path / "ana")
    assert again.code == 1
    assert "is there already" in again.err

    body = {"identifier": f"user_id:{user}", "confirmed_by": "a letter", "locale": "de"}
    answer = kept_server.admin("POST", "/customers/export", body)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert "Ihre Daten bei Harbour Tea" in packed.read("README.txt").decode()


def test_an_export_needs_to_say_who_asks(kept_server: Served, tmp_path: Path) -> None:
    """Without it, and for nobody, nothing is handed over."""
    user = kept_server.introduce()
    body = {"identifier": f"user_id:{user}", "confirmed_by": " "}
    refused = problem(kept_server.admin("POST", "/customers/export", body), 400, "input")
    assert "confirmed_by" in refused["detail"]
    body = {"identifier": "user_id:nobody-at-all", "confirmed_by": "x"}
    problem(kept_server.admin("POST", "/customers/export", body), 404, "not_found")
    done = run_kept(
        "export", "user_id:nobody-at-all", "--data", kept_server.data, "--confirmed-by", "x",
        "--out", tmp_path / "none.zip",
    )  # fmt: skip
    assert done.code == 1
    assert not (tmp_path / "none.zip").exists()


def test_what_is_put_right_is_seen_at_once_and_stays_right(kept_server: Served) -> None:
    """A source that says the wrong name again does not bring it back."""
    user = kept_server.introduce(first_name="Anna")
    told = ok(
        "correct", f"user_id:{user}", "--data", kept_server.data, "--confirmed-by", "passport",
        "--because", "she wrote", "--trait", "first_name", "--value", "Ana",
    )  # fmt: skip
    assert told.startswith("trait.first_name is put right.")
    assert kept_server.ask("till", user)["name"] == "Ana"
    identify = {"userId": user, "traits": {"first_name": "Anna"}}
    kept_server.ok(kept_server.http.post("/v1/identify", json=identify, headers=bearer(SHOP_KEY)))
    assert kept_server.ask("till", user)["name"] == "Ana"
    body = {
        "identifier": f"user_id:{user}", "confirmed_by": "x", "because": "y", "trait": "shoe_size",
    }  # fmt: skip
    problem(kept_server.admin("POST", "/customers/correct", body), 404, "not_found")


def test_a_restriction_outlives_a_restore(own_server: Served) -> None:
    """Nothing is shown while it is on, also by a server that starts from a backup of before."""
    data = own_server.data
    user = own_server.introduce()
    own_server.make_regular(user)
    own_server.track("Consent Given", user, entity="shop", purpose="marketing")
    ok("backup", "--name", "before", "--data", data)
    assert own_server.ask("till", user)["name"] == "Ana"
    told = ok(
        "restrict", f"user_id:{user}", "--data", data, "--because", "she disputes her bill",
        "--confirmed-by", "passport",
    )  # fmt: skip
    assert "is kept and not used since" in told
    answer = own_server.ask("till", user)
    assert (answer["silence"], answer.get("name", "")) == (True, "")
    stop(own_server.process)
    ok("restore", data / "backups" / "before.sqlite", "--data", data, "--replace")
    with serve(own_server.brand.parent, brand=BRAND) as again:
        assert again.ask("till", user)["silence"]
        found = again.ok(again.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"}))
        assert found["consents"]["restricted"] is True
        refused = run_kept("restrict", f"user_id:{user}", "--data", data, "--lift")
        assert refused.code == 1
        assert "informed_by" in refused.err
        ok("restrict", f"user_id:{user}", "--data", data, "--lift", "--informed-by", "a letter")
        assert again.ask("till", user)["name"] == "Ana"


def test_what_is_past_its_time_is_shown_before_it_goes(kept_server: Served) -> None:
    """Counted by kind; an operator can approve, and here nothing waits."""
    told = ok("retention", "--dry-run", "--data", kept_server.data)
    assert "Nothing is past its time." in told
    view = kept_server.ok(kept_server.admin("GET", "/retention"))
    assert view["overdue"] == []
    told = ok("retention", "--approve", "--because", "looked at it", "--data", kept_server.data)
    assert told.strip() in ("No limit waits.", "The shorter limits are applied now.")
