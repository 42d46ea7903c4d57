"""The OpenAPI document against the running server: every route, its answer, and its errors."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import UnionType
from typing import Any, TypeAlias, get_args

import httpx
import msgspec
import pytest

from kept.clock import SystemClock
from kept.core.values import SECOND
from kept.web.endpoints import Endpoint
from kept.web.openapi import statuses_of
from kept.web.problems import HttpProblem
from kept.web.routes import ENDPOINTS
from tests.e2e.analysis_calls import ANALYSES
from tests.e2e.matters import answers
from tests.e2e.people import PASSWORD, Browser, invite, signed_in
from tests.e2e.rights_calls import RIGHTS
from tests.e2e.served import (
    DESK_SECRET,
    DIALLER_KEY,
    MAIL_SECRET,
    SHOP_KEY,
    SITE_KEY,
    Served,
    bearer,
    new_id,
    serve,
    sign_plain,
    sign_standard,
)

Make: TypeAlias = Callable[[Served], httpx.Response]


def post(path: str, body: Any, *, key: str = SHOP_KEY) -> Make:
    """Return a call of a source."""
    return lambda server: server.http.post(path, json=body, headers=bearer(key))


def get(path: str) -> Make:
    """Return a call of anybody."""
    return lambda server: server.http.get(path)


def admin(method: str, path: str, body: Any = None) -> Make:
    """Return a call of an operator."""
    return lambda server: server.admin(method, path, body)


MATTERS = (
    "listApprovals", "showApproval", "approve", "refuse", "showContest", "contest",
    "declareBreach", "listBreaches", "showBreach", "listAffected", "draftNotices",
    "exportEvidence", "notifyAffected", "closeBreach",
)  # fmt: skip
"""Routes that are called on a server of their own."""


def matter(name: str) -> Make:
    """Return a call that was made on a server that serves nobody else."""
    return lambda server: answers()[name]


def event() -> dict[str, Any]:
    """Return one event of the shop."""
    return {
        "type": "track",
        "userId": new_id("user"),
        "previousId": "p",
        "event": "Account Opened",
        "messageId": new_id("m"),
    }


def send(endpoint: Endpoint) -> Make:
    """Return a call of one of the SDKs' paths."""
    if endpoint.media_type == "image/gif":
        data = base64.b64encode(json.dumps(event()).encode()).decode()
        return lambda server: server.http.get(
            endpoint.path, params={"data": data, "writeKey": SHOP_KEY}
        )
    is_batch = endpoint.summary == "Take many events."
    return post(endpoint.path, {"batch": [event()]} if is_batch else event())


def take_webhook(server: Served) -> httpx.Response:
    """Post a signed ticket."""
    told = {"event": "ticket.opened", "id": new_id("h"), "ticket": "1"}
    body = json.dumps(told | {"customer": {"email": "x@mail.example"}}).encode()
    return server.http.post(
        "/v1/hooks/help_desk", content=body, headers=sign_plain(DESK_SECRET, body)
    )


def take_feedback(server: Served) -> httpx.Response:
    """Post a signed callback."""
    body = b'{"events": [{"type": "opened", "message_id": "m1"}, {}]}'
    headers = sign_standard(MAIL_SECRET, body, at=SystemClock().now() // SECOND)
    return server.http.post("/v1/feedback/email", content=body, headers=headers)


def offered(server: Served) -> tuple[str, Any]:
    """Return a customer whose inbox holds an offer, and the offer."""
    user = server.introduce()
    server.make_regular(user)
    server.track("Consent Given", user, entity="shop", purpose="marketing")
    return user, server.inbox(user)[0]


def link(server: Served) -> str:
    """Return a link that unsubscribes."""
    words: list[str] = offered(server)[1]["text"].split()
    return next(word for word in words if "/u/" in word)


def show_inbox(server: Served) -> httpx.Response:
    """Look into an inbox that holds something."""
    user, _ = offered(server)
    who = {"identifier": f"user_id:{user}"}
    return server.http.get("/v1/inbox", params=who, headers=bearer(SHOP_KEY))


def grant_pass(server: Served) -> httpx.Response:
    """Get a pass."""
    body = {"identifier": f"user_id:{server.introduce()}"}
    return server.http.post("/v1/inbox/passes", json=body, headers=bearer(SHOP_KEY))


def mark_message(server: Served) -> httpx.Response:
    """Mark a message."""
    user, item = offered(server)
    body = {"mark": "read", "identifier": f"user_id:{user}"}
    path = f"/v1/inbox/{item['message_id']}"
    return server.http.post(path, json=body, headers=bearer(SHOP_KEY))


def next_call(server: Served) -> httpx.Response:
    """Take a call that somebody wants."""
    user = server.introduce(phone=f"+3519{abs(hash(new_id('p'))) % 10**8:08}")
    server.track("Call Wanted", user)
    return server.http.post("/v1/calls/next", headers=bearer(SHOP_KEY))


def end_call(server: Served) -> httpx.Response:
    """Take a call and end it."""
    card = server.ok(next_call(server))["card"]
    path = f"/v1/calls/{card['message_id']}/outcome"
    return server.http.post(path, json={"outcome": "reached"}, headers=bearer(SHOP_KEY))


def pause(server: Served) -> httpx.Response:
    """Pause something that no other test speaks of, and lift it again."""
    put = server.admin("POST", "/brakes", {"scope": "channel:calls", "because": "a test"})
    server.ok(server.admin("DELETE", "/brakes/channel:calls"))
    return put


def resume(server: Served) -> httpx.Response:
    """Pause something and lift it."""
    server.ok(server.admin("POST", "/brakes", {"scope": "channel:calls"}))
    return server.admin("DELETE", "/brakes/channel:calls")


def quarantined(server: Served) -> int:
    """Return the id of an event that was put aside."""
    bad = {"type": "track", "event": "Unheard Of", "userId": new_id("user")}
    server.ok(server.http.post("/v1/batch", json={"batch": [bad]}, headers=bearer(SHOP_KEY)))
    items = server.ok(server.admin("GET", "/quarantine?limit=200"))["items"]
    return int(items[-1]["quarantine_id"])


def replay(server: Served) -> httpx.Response:
    """Mend an event and take it."""
    mended = json.dumps(event())
    return server.admin("POST", f"/quarantine/{quarantined(server)}/replay", {"payload": mended})


def known(server: Served, **rest: Any) -> dict[str, Any]:
    """Return a body that names a customer who is known."""
    return {"identifier": f"user_id:{server.introduce()}", **rest}


def data_use_page(server: Served) -> httpx.Response:
    """Open the page that shows a customer how their data is used."""
    made = server.admin("POST", "/customers/data-use-link", known(server, because="they asked"))
    return server.http.get(server.ok(made)["url"])


def find_customer(server: Served) -> httpx.Response:
    """Show a customer with everything that one can have."""
    user, _ = offered(server)
    server.track("Bill Issued", user, bill_id="1", amount=3)
    return server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})


def give_receipts(server: Served) -> httpx.Response:
    """Give the receipts of somebody who opted in."""
    user, _ = offered(server)
    return server.admin("POST", "/customers/receipts", {"identifier": f"user_id:{user}"})


def merge(server: Served) -> httpx.Response:
    """Join two people."""
    pair = [f"user_id:{server.introduce()}" for _ in range(2)]
    return server.admin("POST", "/customers/merge", {"one": pair[0], "other": pair[1]})


def unmerge(server: Served) -> httpx.Response:
    """Tell two identifiers of one person apart."""
    user = server.introduce()
    pair = {"one": f"user_id:{user}", "other": f"email:{user}@mail.example"}
    return server.admin("POST", "/customers/unmerge", pair)


def show_decision(server: Served) -> httpx.Response:
    """Explain a decision in which something was said and something not."""
    user, _ = offered(server)
    told = server.ask("till", user, actions=["tea_club", "welcome"])
    return server.admin("GET", f"/decisions/{told['decision_id']}")


REASON = {"reason": "to see whether the answer is as documented"}


def unmask(server: Served) -> httpx.Response:
    """Unmask a value of a customer."""
    wanted = {"identifier": f"user_id:{server.introduce()}", "fields": ["first_name"], **REASON}
    return server.admin("POST", "/customers/unmask", wanted)


def list_accesses(server: Served) -> httpx.Response:
    """List who saw values of a customer whom somebody looked at."""
    wanted = {"identifier": f"user_id:{server.introduce()}"}
    server.ok(server.admin("POST", "/customers/unmask", wanted | {"fields": ["zone"]} | REASON))
    return server.admin("POST", "/customers/accesses", wanted)


def unmask_decision(server: Served) -> httpx.Response:
    """Explain a decision in full."""
    told = server.ask("till", server.introduce())
    return server.admin("POST", f"/decisions/{told['decision_id']}/unmask", REASON)


def key_of(server: Served) -> str:
    """Return the id of a key that was just made."""
    return str(server.ok(server.admin("POST", "/keys", {"source": "counter"}))["key_id"])


def token_of(server: Served) -> dict[str, Any]:
    """Return an API token that was just made."""
    wanted = {"name": new_id("token"), "scopes": ["status"]}
    return dict(server.ok(server.admin("POST", "/tokens", wanted)))


def on_staff(verb: str, body: Any = None) -> Make:
    """Return a call about somebody who was just invited."""

    def make(server: Served) -> httpx.Response:
        wanted = {"name": new_id("staff"), "roles": ["viewer"]}
        staff = server.ok(server.admin("POST", "/staff", wanted))["staff"]
        return server.admin("POST", f"/staff/{staff['staff_id']}/{verb}", body)

    return make


def revoke_admin_token(server: Served) -> httpx.Response:
    """Revoke the admin token of a server of its own, which others do not need."""
    with TemporaryDirectory() as folder, serve(Path(folder)) as own:
        signed_in(own, "admin")
        return own.admin("POST", "/admin-token/revoke")


def accept_invitation(server: Served) -> httpx.Response:
    """Choose a first password."""
    _, path = invite(server, "viewer")
    return Browser(server).post(path, {"new": PASSWORD, "again": PASSWORD})


def as_person(path: str, fields: dict[str, str] | None = None) -> Make:
    """Return a call of somebody who signed in: to see a page, or to post the account's form."""

    def make(server: Served) -> httpx.Response:
        person = signed_in(server, "viewer")
        return person.show(path) if fields is None else person.post(path, fields, page="/account")

    return make


WHO = {"user_id": "u"}
CONTACT = {"identifiers": WHO, "entity": "shop", "purpose": "marketing", "channel": "email"}


def erased(server: Served) -> str:
    """Forget somebody and return the id of the request."""
    wanted = known(server, confirmed_by="they came in person")
    return str(server.ok(server.admin("POST", "/erasures", wanted))["receipt"]["request_id"])


def confirm_erasure(_: Served) -> httpx.Response:
    """Confirm for a recipient that was given something: for that, something must really leave."""
    options = ("--deliver", "providers", "--allow-private-webhooks")
    with TemporaryDirectory() as folder, serve(Path(folder), *options) as server:
        user = server.introduce()
        server.track("Account Opened", user)
        server.wait_for(lambda: user in server.outbox())
        wanted = {"identifier": f"user_id:{user}", "confirmed_by": "they came in person"}
        receipt = server.ok(server.admin("POST", "/erasures", wanted))["receipt"]
        assert [one["state"] for one in receipt["recipients"]] == ["waiting"]
        path = f"/erasures/{receipt['request_id']}/confirm"
        return server.admin("POST", path, {"recipient": "printer"})


def regulate(server: Served) -> httpx.Response:
    """Begin a regulation."""
    body = {"regulationType": "DELETE_ONLY", "subjectType": "USER_ID", "subjectIds": ["nobody"]}
    return server.http.post("/v1/regulations", json=body, headers=bearer(server.token))


def show_regulation(server: Served) -> httpx.Response:
    """Ask how far a regulation has come."""
    regulation = server.ok(regulate(server))["data"]["regulateId"]
    return server.http.get(f"/v1/regulations/{regulation}", headers=bearer(server.token))


CALLS: dict[str, Make] = {
    **RIGHTS,
    "eraseCustomer": lambda server: server.admin(
        "POST", "/erasures", known(server, confirmed_by="they came in person")
    ),
    "listErasures": admin("GET", "/erasures"),
    "showReceipt": lambda server: server.admin("GET", f"/erasures/{erased(server)}"),
    "confirmErasure": confirm_erasure,
    "showHeld": lambda server: server.admin(
        "POST", f"/erasures/{erased(server)}/held", {"because": "the tax office asks"}
    ),
    "regulate": regulate,
    "showRegulation": show_regulation,
    "showEpochs": admin("GET", "/vault"),
    "listNodes": admin("GET", "/nodes"),
    "rotateMasterKey": admin("POST", "/vault/rotate"),
    "readSettings": get(f"/v1/projects/{SITE_KEY}/settings"),
    "readSourceConfig": get(f"/sourceConfig?writeKey={SITE_KEY}"),
    "decide": post("/v1/decide", {"questions": [{"placement": "till", "identifiers": WHO}] * 2}),
    "mayI": post("/v1/may-i", CONTACT),
    "fetchSuppressions": lambda server: server.http.get(
        "/v1/suppressions", headers=bearer(DIALLER_KEY)
    ),
    "takeWebhook": take_webhook,
    "takeFeedback": take_feedback,
    "showInbox": show_inbox,
    "grantInboxPass": grant_pass,
    "markMessage": mark_message,
    "takeNextCall": next_call,
    "endCall": end_call,
    **{name: matter(name) for name in MATTERS},
    "showUnsubscribe": lambda server: server.http.get(link(server)),
    "unsubscribe": lambda server: server.http.post(
        link(server), data={"List-Unsubscribe": "One-Click"}
    ),
    "showPrivacyControl": get("/.well-known/gpc.json"),
    "listBrakes": admin("GET", "/brakes"),
    "pause": pause,
    "resume": resume,
    "unmaskCustomer": unmask,
    "listAccesses": list_accesses,
    "unmaskDecision": unmask_decision,
    "unmaskQuarantined": lambda server: server.admin(
        "POST", f"/quarantine/{quarantined(server)}/unmask", REASON
    ),
    "rotateKey": lambda server: server.admin("POST", f"/keys/{key_of(server)}/rotate", {}),
    "revokeKey": lambda server: server.admin("POST", f"/keys/{key_of(server)}/revoke"),
    "listTokens": lambda server: (token_of(server), server.admin("GET", "/tokens"))[1],
    "makeToken": lambda server: server.admin(
        "POST", "/tokens", {"name": new_id("token"), "scopes": ["status"]}
    ),
    "revokeToken": lambda server: server.admin("DELETE", f"/tokens/{token_of(server)['name']}"),
    "revokeAdminToken": revoke_admin_token,
    "listStaff": lambda server: (invite(server, "agent"), server.admin("GET", "/staff"))[1],
    "inviteStaff": lambda server: server.admin(
        "POST", "/staff", {"name": new_id("staff"), "roles": ["viewer"]}
    ),
    "changeRoles": on_staff("roles", {"roles": ["agent"]}),
    "disableStaff": on_staff("disable"),
    "enableStaff": on_staff("enable"),
    "resetStaff": on_staff("reset"),
    "showMe": as_person("/v1/me"),
    "showSignIn": get("/sign-in"),
    "signIn": lambda server: Browser(server).sign_in(signed_in(server, "viewer").name),
    "showInvitation": lambda server: server.http.get(invite(server, "viewer")[1]),
    "acceptInvitation": accept_invitation,
    "signOut": as_person("/sign-out", {}),
    "showAccount": as_person("/account"),
    "endSession": as_person("/account/sessions/end", {"session": "others"}),
    "changePassword": as_person(
        "/account/password", {"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}
    ),
    "listKeys": admin("GET", "/keys"),
    "makeKey": admin("POST", "/keys", {"source": "counter"}),
    "revokeKeys": admin("DELETE", "/keys/counter"),
    "listQuarantine": admin("GET", "/quarantine"),
    "showQuarantined": lambda server: server.admin("GET", f"/quarantine/{quarantined(server)}"),
    "replayQuarantined": replay,
    "dropQuarantined": lambda server: server.admin(
        "POST", f"/quarantine/{quarantined(server)}/drop"
    ),
    "showDecision": show_decision,
    "findCustomer": find_customer,
    "showDataUse": lambda server: server.admin("POST", "/customers/data-use", known(server)),
    "makeDataUseLink": lambda server: server.admin(
        "POST", "/customers/data-use-link", known(server, because="they asked")
    ),
    "showDataUsePage": data_use_page,
    **ANALYSES,
    "giveReceipts": give_receipts,
    "auditLog": admin("POST", "/log/audit", {}),
    "renewLogKey": admin("POST", "/log/key"),
    "showCheckpoint": get("/v1/log/checkpoint"),
    "showTile": get("/v1/log/tile/0/000.p/1"),
    "showLogKeys": get("/v1/log/key"),
    "showVerifier": get("/v1/log/verifier"),
    "mergeCustomers": merge,
    "unmergeCustomers": unmerge,
    "reloadBrand": admin("POST", "/reload"),
    "makeBackup": admin("POST", "/backups", {}),
    "showAudit": admin("GET", "/audit"),
    "importBatch": lambda server: server.admin("POST", "/import/old_shop", {"batch": [event(), 1]}),
    "showStatusPage": get("/"),
    "showStatus": get("/status.json"),
    "showStatic": get("/static/kept.css"),
    "showHealth": get("/health"),
    "showReady": get("/ready"),
    "showMetrics": get("/metrics"),
    "showOpenapi": get("/openapi.json"),
} | {each.name: send(each) for each in ENDPOINTS if each.name.startswith("send")}


WITH_A_PROVIDER = {"goToProvider", "comeBackFromProvider"}
"""Tried in tests/suites/test_sign_in_provider.py, with a real identity provider."""
TRIED = [each for each in ENDPOINTS if each.name not in WITH_A_PROVIDER]


def test_there_is_a_call_for_every_route() -> None:
    """A route that is added is tried here, or this fails."""
    assert set(CALLS) == {each.name for each in TRIED}


def test_the_document_is_that_of_the_running_routes(kept_server: Served) -> None:
    """Every route of the table, and no other."""
    document = kept_server.ok(kept_server.http.get("/openapi.json"))
    assert document["openapi"] == "3.1.0"
    found = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found == {(each.method, re.sub(r":\w+", "", each.path)) for each in ENDPOINTS}


def fits(annotation: Any, told: Any) -> bool:
    """Return whether a value is exactly what a struct describes: nothing missing, nothing more."""
    try:
        read = msgspec.convert(told, annotation)
    except msgspec.ValidationError:
        return False
    return bool(msgspec.json.decode(msgspec.json.encode(read)) == told)


@pytest.mark.parametrize("endpoint", TRIED, ids=lambda each: each.name)
def test_every_documented_route_answers_as_documented(
    kept_server: Served, endpoint: Endpoint
) -> None:
    """Status, media type, and the very shape of the answer."""
    answer = CALLS[endpoint.name](kept_server)
    assert answer.status_code == endpoint.success, answer.text
    if endpoint.success != 200:
        assert answer.headers["location"].startswith("/")
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert endpoint.media_type in ("*/*", media_type)
    if endpoint.answer is not None and endpoint.name not in ("readSettings", "readSourceConfig"):
        kinds = get_args(endpoint.answer) if isinstance(endpoint.answer, UnionType) else ()
        assert any(fits(kind, answer.json()) for kind in kinds or (endpoint.answer,))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_every_route_refuses_as_documented(kept_server: Served, endpoint: Endpoint) -> None:
    """Whoever comes with nothing gets a documented status, and a problem in the documented shape."""
    path = re.sub(r"\{\w+\}", "x", endpoint.path)
    answer = kept_server.http.request(endpoint.method, path, content=b"{")
    if answer.status_code == 200:
        assert endpoint.who in ("anyone", "watcher")
        return
    assert answer.status_code in statuses_of(endpoint)
    assert answer.headers["content-type"] == "application/problem+json"
    assert fits(HttpProblem, answer.json())
