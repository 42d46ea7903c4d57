"""Story 8, how is my data used: over HTTP, on the customer's own page, and on the command line."""

import csv
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from kept.core.brand.load import load_brand
from kept.runtime.folder import read_folder
from tests.e2e.command import ok, run_kept
from tests.e2e.ferrowen import EXAMPLE, Ferrowen, serve_ferrowen
from tests.e2e.served import Served, new_id

BRAND = load_brand(read_folder(EXAMPLE))
CONSIDERATE: dict[str, Any] = {
    "entity": "connections",
    "purpose": "considerate",
    "wording": "considerate_2018",
}


@pytest.fixture(scope="module")
def ferrowen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ferrowen]:
    """The example brand behind one server; each test speaks of customers of its own."""
    with serve_ferrowen(tmp_path_factory.mktemp("ferrowen")) as running:
        yield running


def customer(ferrowen: Ferrowen, **traits: str) -> str:
    """Return a customer who has told much, and allowed the shop to send offers."""
    user = new_id("vera")
    ferrowen.know(user, zone="Etc/GMT", allows=("shop_marketing",), **traits)
    bill: dict[str, Any] = {
        "bill_id": f"B-{user}",
        "amount": 42.9,
        "due_at": "2027-01-01T09:00:00Z",
    }
    ferrowen.say("billing", "Bill Issued", user, **bill)
    return user


def data_use(served: Served, user: str, **rest: Any) -> Any:
    """Return how a customer's data is used, as an operator asks for it."""
    wanted = {"identifier": f"user_id:{user}", **rest}
    return served.ok(served.admin("POST", "/customers/data-use", wanted))


def link_for(served: Served, user: str, **rest: Any) -> str:
    """Return a link for a customer."""
    wanted = {"identifier": f"user_id:{user}", "because": "they asked", **rest}
    return str(served.ok(served.admin("POST", "/customers/data-use-link", wanted))["url"])


def test_how_is_my_data_used(ferrowen: Ferrowen) -> None:
    """Every field held, whence, for what, shared with whom, until when; no use without a basis."""
    user = customer(ferrowen, birthday="1950-04-01")
    ferrowen.identify("call_centre", user, vulnerable="true")
    use = data_use(ferrowen.served, user)
    fields = {field["field"]: field for field in use["fields"]}
    assert {
        "trait.email",
        "bill.amount",
        "customer_since",
        "identifier.user_id",
        "consents",
    } <= set(fields)
    text = json.dumps(use)
    assert f"{user}@mail.example" not in text
    assert f"B-{user}" not in text
    amount = fields["bill.amount"]
    assert amount["values"][0]["source"] == "billing"
    assert {use["basis"] for use in amount["uses"]} == {"contract"}
    assert any("ten years" in keep["because"] for keep in amount["kept"])
    post = [s for s in fields["trait.email"]["shared"] if s["what"] == "address"]
    assert [(s["recipient"], s["country"]) for s in post] == [("Correio Claro, Lda.", "PT")]
    for field in fields.values():
        for one in field["uses"]:
            declared = BRAND.consent.purposes.get(one["purpose"])
            assert one["basis"] == (declared.basis if declared else "legal_obligation")
            # What somebody never consented to is not in force, and what they did is.
            if one["basis"] == "consent":
                assert one["holds"] is ((one["entity"], one["purpose"]) == ("shop", "marketing"))


def test_a_special_category_waits_for_the_explicit_consent(ferrowen: Ferrowen) -> None:
    """Held and read by nothing; then read; then read by nothing again."""
    user = customer(ferrowen)
    body = {"userId": user, "traits": {"vulnerable": True}, "messageId": new_id("m")}
    ferrowen.served.ok(
        ferrowen.served.http.post("/v1/identify", json=body, auth=("ferrowen_call_centre_key", ""))
    )

    def is_read() -> tuple[bool, str]:
        fields = data_use(ferrowen.served, user)["fields"]
        (found,) = [field for field in fields if field["field"] == "trait.vulnerable"]
        assert bool(found["uses"]) is found["is_read"]
        return found["is_read"], ferrowen.customer(user)["cohort"]

    assert is_read() == (False, "ordinary")
    ferrowen.say("call_centre", "Consent Given", user, **CONSIDERATE)
    assert is_read() == (True, "vulnerable")
    ferrowen.say(
        "call_centre", "Consent Withdrawn", user, entity="connections", purpose="considerate"
    )
    assert is_read() == (False, "ordinary")


def test_only_the_operator_may_ask(ferrowen: Ferrowen) -> None:
    """A source's key opens neither the view, nor a link, nor history."""
    for path, body in (
        ("customers/data-use", {"identifier": "user_id:x"}),
        ("customers/data-use-link", {"identifier": "user_id:x", "because": "x"}),
        ("history/read", {"purpose": "marketing", "entity": "shop"}),
    ):
        answer = ferrowen.served.http.post(
            f"/v1/admin/{path}", json=body, headers={"authorization": "Bearer ferrowen_till_key"}
        )
        assert answer.status_code == 401, path


def test_the_page_is_behind_a_signed_link(ferrowen: Ferrowen) -> None:
    """Masked unless it was made otherwise; strict headers; nothing for whoever changes a letter."""
    user = customer(ferrowen, locale="de")
    page = httpx.get(link_for(ferrowen.served, user))
    assert page.status_code == 200
    assert "Wie werden meine Daten genutzt?" in page.text
    assert f"{user}@mail.example" not in page.text
    assert "Correio Claro, Lda." in page.text
    assert "zehn Jahre für das Finanzamt" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    plain = httpx.get(link_for(ferrowen.served, user, personal=True))
    assert f"{user}@mail.example" in plain.text
    url = link_for(ferrowen.served, user)
    assert httpx.get(url[:-2] + ("AA" if url[-2:] != "AA" else "BB")).status_code == 404
    refused = {"identifier": f"user_id:{user}", "because": " "}
    answer = ferrowen.served.admin("POST", "/customers/data-use-link", refused)
    assert answer.status_code == 400


def test_what_a_customer_told_is_only_text_on_the_page(ferrowen: Ferrowen) -> None:
    """A name made of markup is shown as it was told."""
    user = customer(ferrowen, first_name="<script>alert(1)</script>")
    page = httpx.get(link_for(ferrowen.served, user, personal=True)).text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_history_is_read_for_a_purpose(ferrowen: Ferrowen, tmp_path: Path) -> None:
    """Into three kinds of files that only their owner may read; those without a basis are absent."""
    allowing, silent = customer(ferrowen), new_id("noa")
    ferrowen.know(silent, zone="Etc/GMT")
    data = ferrowen.served.data
    for name in ("rows.jsonl", "rows.csv", "rows.parquet"):
        file = tmp_path / name
        told = ok(
            "history", file, "--data", data, "--purpose", "marketing", "--entity", "shop",
            "--personal", "--because", "a study of bills",
        )  # fmt: skip
        assert "read for marketing" in told
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    text = json.dumps(lines)
    assert f"{allowing}@mail.example" in text
    assert silent not in text
    with (tmp_path / "rows.csv").open() as file_of_rows:
        assert len(list(csv.DictReader(file_of_rows))) == len(lines)
    with duckdb.connect() as connection:
        path = str(tmp_path / "rows.parquet")
        query = "SELECT count(*), count(DISTINCT occurred_at) > 1 FROM read_parquet(?)"
        counted = connection.execute(query, [path]).fetchone()
    assert counted == (len(lines), True)
    masked = tmp_path / "masked.jsonl"
    ok("history", masked, "--data", data, "--purpose", "marketing", "--entity", "shop")
    assert f"{allowing}@mail.example" not in masked.read_text()


def test_a_reading_that_is_refused_leaves_no_file(ferrowen: Ferrowen, tmp_path: Path) -> None:
    """Without a reason, without a purpose that exists, over a file that is there."""
    data = ferrowen.served.data
    file = tmp_path / "rows.csv"
    asked = ("history", file, "--data", data, "--entity", "shop")
    for more, says in (
        (("--purpose", "marketing", "--personal"), "because"),
        (("--purpose", "fun"), "no purpose"),
        (("--purpose", "marketing", "--fields", "trait.nmae"), "no field"),
    ):
        done = run_kept(*asked, *more)
        assert done.code == 1
        assert says in done.err
        assert not file.exists()
    file.write_text("mine")
    assert run_kept(*asked, "--purpose", "marketing").code == 1
    assert file.read_text() == "mine"


def test_the_map_is_printed_in_four_ways() -> None:
    """For people, for programs, for a sheet, and as the record that a law asks for."""
    table = ok("data-map", EXAMPLE)
    assert "Ferrowen: " in table
    data = json.loads(ok("data-map", EXAMPLE, "--json"))
    rows = list(csv.reader(ok("data-map", EXAMPLE, "--csv").splitlines()))
    assert len(rows) == len(data["fields"]) + 1
    assert "# Record of processing activities of Ferrowen" in ok("data-map", EXAMPLE, "--markdown")
    one = json.loads(ok("data-map", EXAMPLE, "--field", "trait.vulnerable"))["fields"][0]
    assert one["explicit"] == ["connections", "considerate"]
    assert run_kept("data-map", EXAMPLE, "--csv", "--json").code == 1
    assert "no field" in run_kept("data-map", EXAMPLE, "--field", "trait.x").err


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_a_customer_reads_the_page(chromium: str, ferrowen: Ferrowen, width: int) -> None:
    """In a real browser: it fits, opens without a script, and asks nobody else."""
    sync_api = pytest.importorskip("playwright.sync_api")
    user = customer(ferrowen)
    url = link_for(ferrowen.served, user, personal=True)
    complaints: list[str] = []
    hosts: set[str] = set()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            java_script_enabled=False, viewport={"width": width, "height": 800}
        )
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("request", lambda asked: hosts.add(asked.url.split("/")[2]))
        page.goto(url)
        entry = page.locator("details", has_text="email").first
        assert not entry.locator("dl").is_visible()
        entry.locator("summary").click()
        assert entry.locator("dl").is_visible()
        assert "Correio Claro, Lda. (PT)" in entry.inner_text()
        box = page.locator("main").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        browser.close()
    assert complaints == []
    assert hosts == {ferrowen.served.url.removeprefix("http://")}
