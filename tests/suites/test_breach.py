"""Story 9, a breach: revoked at once, searched exactly, told first, with its evidence, over HTTP."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import ok, run_kept
from tests.e2e.ferrowen import (
    DAYTIME,
    NIGHT,
    Ferrowen,
    environment,
    instant,
    serve_ferrowen,
    zone_where_it_is,
)
from tests.e2e.people import signed_in
from tests.e2e.served import bearer, new_id, problem, serve

DID = {"en": "We have changed the key.", "pt": "Mudámos a chave.", "de": "Neuer Schlüssel."}


@pytest.fixture
def ferrowen(tmp_path: Path) -> Iterator[Ferrowen]:
    """The example brand behind a server of the test's own: a breach hushes everybody for a while."""
    with serve_ferrowen(tmp_path) as running:
        yield running


def a_buyer(ferrowen: Ferrowen, name: str, *, hour: int) -> str:
    """Return somebody who allows the shop promotions, and to whom one is decided when they come."""
    user = new_id(name)
    zone = zone_where_it_is(hour)
    ferrowen.know(user, zone=zone, allows=("shop_marketing",), locale="en")
    bought = {"order_id": f"O-{user}", "total": 64.00, "category": "garden"}
    who = {"userId": user, "event": "Order Completed", "timestamp": instant(-75)}
    ferrowen.remember(who | {"properties": bought})
    return user


def admin(ferrowen: Ferrowen, method: str, path: str, body: Any = None) -> Any:
    """Return what the admin API answers."""
    return ferrowen.served.ok(ferrowen.served.admin(method, path, body))


def found(ferrowen: Ferrowen, number: int) -> Any:
    """Return a breach once its search is over."""
    return ferrowen.served.wait_for(
        lambda: (
            one
            if (one := admin(ferrowen, "GET", f"/breaches/{number}"))["state"] == "found"
            else None
        )
    )


def touched(ferrowen: Ferrowen, number: int) -> dict[int, dict[str, list[str]]]:
    """Return customer -> how -> fields."""
    page = admin(ferrowen, "GET", f"/breaches/{number}/affected")
    assert page["is_last"]
    return {
        one["customer"]: {touch["how"]: touch["fields"] for touch in one["touches"]}
        for one in page["customers"]
    }


def test_story_9_a_breach(ferrowen: Ferrowen) -> None:
    """A key is lost: promotions are taken back, those concerned are told first, then all goes on."""
    served = ferrowen.served
    sofia = a_buyer(ferrowen, "sofia", hour=DAYTIME)
    jonas = a_buyer(ferrowen, "jonas", hour=NIGHT)
    before = ferrowen.ask("call_centre", "desk", user_id=sofia)
    assert before["prefill"]["email"] == f"{sofia}@mail.example"
    for user in (jonas,):
        ferrowen.say("app_backend", "Signed In", user)
    assert "shop_pick" in ferrowen.waiting(jonas)
    since = instant()
    ferrowen.ask("call_centre", "desk", user_id=jonas)
    ferrowen.say("call_centre", "Call Ended", jonas, handling_cost=4.0)

    told = admin(
        ferrowen,
        "POST",
        "/breaches",
        {"source": "call_centre", "since": since, "because": "the key was found in the open"},
    )

    number = told["breach"]
    assert told["has_notice"]
    assert [one["count"] for one in told["revocations"]] == [1]
    # The key opens nothing any more, though the brand folder still names it.
    body = {"placement": "desk", "identifiers": {"user_id": jonas}}
    refused = served.http.post("/v1/decide", json=body, headers=bearer("ferrowen_call_centre_key"))
    assert refused.status_code == 401
    breach = found(ferrowen, number)
    assert (breach["customers"], breach["due"], breach["told"]) == (1, 1, 0)
    customer = ferrowen.customer(jonas)["customer_id"]
    assert touched(ferrowen, number) == {
        customer: {
            "told us of, and may have invented": ["cost_to_serve", "identifier.user_id"],
            "was told in answers": ["decision", "trait.called", "trait.email"],
        }
    }
    # What was queued is withdrawn, and nothing promotional is shown anywhere.
    assert ferrowen.waiting(jonas) == {}
    assert ferrowen.ask("app_backend", "web", user_id=jonas)["silence"]
    # Whom it did not touch hears from us as always.
    ferrowen.say("app_backend", "Signed In", sofia)
    served.wait_for(lambda: ferrowen.sent_to(f"{sofia}@mail.example"))

    told_first(ferrowen, number, jonas)


def told_first(ferrowen: Ferrowen, number: int, jonas: str) -> None:
    """The notice is looked at and let go; it comes before the promotion, and then all goes on."""
    served = ferrowen.served
    wrong = served.admin("POST", f"/breaches/{number}/notify", {"digest": "0" * 16})
    problem(wrong, 409, "conflict")
    drafts = admin(ferrowen, "POST", f"/breaches/{number}/drafts", {"what_we_did": DID})
    assert drafts["ways"] == {"email": 1}
    (draft,) = drafts["drafts"]
    assert "your e-mail address" in draft["text"]
    assert "We have changed the key." in draft["text"]
    assert "Jonas" not in draft["text"]
    assert ferrowen.waiting(jonas) == {}
    admin(ferrowen, "POST", f"/breaches/{number}/notify", {"digest": drafts["digest"]})
    served.wait_for(lambda: "breach_notice" in ferrowen.waiting(jonas))
    assert set(ferrowen.waiting(jonas)) == {"breach_notice"}
    # It becomes day where he is: the notice first, and then the promotion.
    ferrowen.identify("app_backend", jonas, zone=zone_where_it_is(DAYTIME))
    sent = served.wait_for(
        lambda: all_sent if len(all_sent := ferrowen.sent_to(f"{jonas}@mail.example")) == 2 else []
    )
    assert [one["action"] for one in sent] == ["breach_notice", "shop_pick"]
    assert "Jonas, something went wrong" in ferrowen.text_of(sent[0])
    assert admin(ferrowen, "GET", f"/breaches/{number}")["told"] == 1

    closed = admin(ferrowen, "POST", f"/breaches/{number}/close", {"because": "all were told"})
    assert closed["state"] in ("closing", "closed")
    verbs = [one["verb"] for one in admin(ferrowen, "GET", "/audit")["entries"]]
    assert {"declare_breach", "revoke_keys", "notify_breach", "close_breach"} <= set(verbs)


def test_an_account_that_is_compromised_is_shut_out(ferrowen: Ferrowen) -> None:
    """At once, with its session; and whom it looked at since then is found in the audit."""
    jonas = a_buyer(ferrowen, "jonas", hour=NIGHT)
    eva = signed_in(ferrowen.served, "agent")
    since = instant()
    wanted = {"identifier": f"user_id:{jonas}"}
    ferrowen.served.ok(eva.call("POST", "/v1/admin/customers/find", wanted))
    body = {"staff": eva.name, "since": since, "because": "her laptop was stolen"}
    told = admin(ferrowen, "POST", "/breaches", body)
    assert [one["what"] for one in told["revocations"]] == [f"account and sessions of {eva.name}"]
    assert eva.call("POST", "/v1/admin/customers/find", wanted).status_code == 401
    found(ferrowen, told["breach"])
    customer = ferrowen.customer(jonas)["customer_id"]
    assert touched(ferrowen, told["breach"]) == {
        customer: {"looked at": ["everything that was held, masked"]}
    }


def test_the_evidence_is_whole_and_masked_unless_a_reason_is_given(
    ferrowen: Ferrowen, tmp_path: Path
) -> None:
    """A zip whose checksums hold; a report of what article 33 asks for; names only with a reason."""
    served = ferrowen.served
    jonas = a_buyer(ferrowen, "jonas", hour=NIGHT)
    since = instant()
    ferrowen.ask("call_centre", "desk", user_id=jonas)
    data = served.data
    said = ok(
        "breach", "declare", "--source", "call_centre", "--since", since,
        "--because", "found in the open", "--data", data,
    )  # fmt: skip
    assert "revoked: keys and secrets that are named for call_centre (1)" in said
    found(ferrowen, 1)
    assert "trait.email: was told in answers, exactly, of 1" in ok(
        "breach", "show", 1, "--data", data
    )
    into = tmp_path / "evidence.zip"
    ok("breach", "evidence", 1, "--into", into, "--data", data)
    files = read_zip(into.read_bytes())
    assert set(files) == {
        "SHA256SUMS", "affected.csv", "audit.jsonl", "breach.json", "fields.csv", "report.md",
        "revocations.csv", "timeline.csv",
    }  # fmt: skip
    for line in files["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == digest
    assert jonas.encode() not in into.read_bytes()
    assert not any(jonas.encode() in content for content in files.values())
    report = files["report.md"].decode()
    assert "1 customers: 1 for certain" in report
    assert "| `trait.email` | 1 |" in report
    verbs = [json.loads(line)["verb"] for line in files["audit.jsonl"].splitlines()]
    assert "declare_breach" in verbs
    refused = run_kept("breach", "evidence", 1, "--into", into, "--personal", "--because", "",
                       "--data", data)  # fmt: skip
    assert refused.code == 1
    ok("breach", "evidence", 1, "--into", into, "--personal", "--because", "the authority asked",
       "--data", data)  # fmt: skip
    assert f"user_id:{jonas}".encode() in read_zip(into.read_bytes())["affected.csv"]
    shown = ok("breach", "notify", 1, "--did", "en=We have changed the key.", "--data", data)
    assert "1 customer(s): email" in shown
    assert ferrowen.waiting(jonas) == {}
    digest = shown.rpartition("--looked ")[2].strip()
    ok("breach", "notify", 1, "--did", "en=We have changed the key.", "--looked", digest,
       "--data", data)  # fmt: skip
    served.wait_for(lambda: "breach_notice" in ferrowen.waiting(jonas))
    assert "1 touched" in ok("breach", "list", "--data", data)
    assert "clos" in ok("breach", "close", 1, "--because", "all told", "--data", data)


def test_a_recipient_is_stopped_and_whom_it_was_given_is_found(ferrowen: Ferrowen) -> None:
    """Its channels are braked; messages that went through it since then count, with what they said."""
    since = instant()
    sofia = a_buyer(ferrowen, "sofia", hour=DAYTIME)
    jonas = a_buyer(ferrowen, "jonas", hour=NIGHT)
    ferrowen.say("app_backend", "Signed In", sofia)
    ferrowen.say("app_backend", "Signed In", jonas)
    address = f"{sofia}@mail.example"
    ferrowen.served.wait_for(lambda: ferrowen.sent_to(address))
    told = admin(
        ferrowen,
        "POST",
        "/breaches",
        {"recipient": "post_relay", "since": since, "because": "their queue was public"},
    )
    assert [one["what"] for one in told["revocations"]] == ["channel:email"]
    found(ferrowen, told["breach"])
    customer = ferrowen.customer(sofia)["customer_id"]
    (fields,) = touched(ferrowen, told["breach"])[customer].values()
    assert {"trait.called", "trait.email", "identifier.email"} <= set(fields)
    # Whose message had not left was given nothing.
    assert set(touched(ferrowen, told["breach"])) == {customer}


def test_a_webhook_that_is_compromised_is_not_believed_any_more(ferrowen: Ferrowen) -> None:
    """Nor what its secret signs, though the signature is right."""
    user = a_buyer(ferrowen, "jonas", hour=NIGHT)
    mail = {
        "id": new_id("mail"), "from": f"{user}@mail.example", "subject": "?", "text": "Why?",
        "received_at": instant(),
    }  # fmt: skip
    since = instant()
    ferrowen.hook("mail_replies", mail)
    body = {"source": "mail_replies", "since": since, "because": "its secret leaked"}
    number = admin(ferrowen, "POST", "/breaches", body)["breach"]
    with pytest.raises(AssertionError, match="401"):
        ferrowen.hook("mail_replies", mail | {"id": new_id("mail")})
    found(ferrowen, number)
    (ways,) = touched(ferrowen, number).values()
    (fields,) = ways.values()
    assert {"case.status", "case.subject", "identifier.email"} <= set(fields)


def test_a_breach_outlives_a_restart(tmp_path: Path) -> None:
    """The key stays revoked, and what is due stays due."""
    with serve_ferrowen(tmp_path) as ferrowen:
        jonas = a_buyer(ferrowen, "jonas", hour=NIGHT)
        since = instant()
        ferrowen.ask("call_centre", "desk", user_id=jonas)
        body = {"source": "call_centre", "since": since, "because": "found in the open"}
        number = admin(ferrowen, "POST", "/breaches", body)["breach"]
        found(ferrowen, number)
    with serve(tmp_path, environment=environment()) as served:
        again = Ferrowen(served)
        with pytest.raises(AssertionError, match="401"):
            again.ask("call_centre", "desk", user_id=jonas)
        assert again.ask("app_backend", "web", user_id=jonas)["silence"]
        assert admin(again, "GET", f"/breaches/{number}")["due"] == 1


def test_what_is_declared_wrongly_is_refused_clearly(ferrowen: Ferrowen) -> None:
    """One thing, that exists, from an instant in the past, with a reason."""
    served, right = ferrowen.served, {"since": instant(), "because": "x"}
    problem(served.admin("POST", "/breaches", right), 400, "input")
    problem(served.admin("POST", "/breaches", right | {"source": "nobody"}), 404, "not_found")
    problem(served.admin("POST", "/breaches", right | {"staff": "nobody"}), 404, "not_found")
    late = right | {"source": "till", "since": instant(1)}
    problem(served.admin("POST", "/breaches", late), 400, "input")
    late = right | {"source": "till", "since": "yesterday"}
    problem(served.admin("POST", "/breaches", late), 400, "input")
    problem(served.admin("GET", "/breaches/7"), 404, "not_found")
    assert admin(ferrowen, "GET", "/breaches")["breaches"] == []


def read_zip(content: bytes) -> dict[str, bytes]:
    """Return the files in a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}
