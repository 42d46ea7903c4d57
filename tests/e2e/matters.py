"""One answer of each route of breaches and approvals, from a server that serves nobody else."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.e2e.ferrowen import DAYTIME, Ferrowen, instant, serve_ferrowen, zone_where_it_is
from tests.e2e.people import signed_in
from tests.e2e.served import new_id

WHY = {"because": "Three reminders without an answer."}


@cache
def answers() -> dict[str, httpx.Response]:
    """Return route -> its answer; a breach hushes everybody, so that this server is its own."""
    with TemporaryDirectory() as folder, serve_ferrowen(Path(folder)) as ferrowen:
        return approvals(ferrowen) | breaches(ferrowen)


def approvals(ferrowen: Ferrowen) -> dict[str, httpx.Response]:
    """Let two lines be asked about, one be stopped and contested."""
    served, ines = ferrowen.served, signed_in(ferrowen.served, "supervisor")
    users = [new_id("tom"), new_id("tom")]
    for user in users:
        ferrowen.know(user, zone=zone_where_it_is(DAYTIME))
        bill: dict[str, Any] = {"bill_id": f"B-{user}", "amount": 35.0, "due_at": instant(-3)}
        ferrowen.say("billing", "Bill Issued", user, **bill)
        ferrowen.ask("billing", "billing", actions=("suspend_service",), bill=f"B-{user}")
    listed = served.admin("GET", "/approvals")
    numbers = [
        one["approval"]
        for one in served.ok(listed)["approvals"]
        if one["action"] == "suspend_service"
    ]
    found = {
        "listApprovals": listed,
        "showApproval": served.admin("GET", f"/approvals/{numbers[0]}"),
        "approve": ines.call("POST", f"/v1/admin/approvals/{numbers[0]}/approve", WHY),
        "refuse": ines.call("POST", f"/v1/admin/approvals/{numbers[1]}/refuse", WHY),
    }
    asked = ferrowen.ask("billing", "billing", actions=("suspend_service",), bill=f"B-{users[0]}")
    path = "/c/" + asked["contest"]["suspend_service"].rpartition("/c/")[2]
    found["showContest"] = served.http.get(path)
    found["contest"] = served.http.post(path, data={"Contest": "One-Click"})
    return found


def breaches(ferrowen: Ferrowen) -> dict[str, httpx.Response]:
    """Let a source be lost, and everybody concerned be told."""
    served = ferrowen.served
    lost = {"source": "till", "since": instant(), "because": "lost"}
    found = {"declareBreach": served.admin("POST", "/breaches", lost)}
    served.wait_for(lambda: served.ok(served.admin("GET", "/breaches/1"))["state"] == "found")
    did = {"what_we_did": {"en": "We have changed the key."}}
    found |= {
        "listBreaches": served.admin("GET", "/breaches"),
        "showBreach": served.admin("GET", "/breaches/1"),
        "listAffected": served.admin("GET", "/breaches/1/affected"),
        "draftNotices": served.admin("POST", "/breaches/1/drafts", did),
        "exportEvidence": served.admin("POST", "/breaches/1/evidence", {}),
    }
    looked = {"digest": served.ok(found["draftNotices"])["digest"]}
    found["notifyAffected"] = served.admin("POST", "/breaches/1/notify", looked)
    found["closeBreach"] = served.admin("POST", "/breaches/1/close", {"because": "all told"})
    return found
