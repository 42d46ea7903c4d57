"""A call for each route of access, correction, restriction and retention."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e.served import Served


def known(server: Served, **rest: Any) -> dict[str, Any]:
    """Return a body that names a customer who is known."""
    return {"identifier": f"user_id:{server.introduce()}", **rest}


def lift_restriction(server: Served) -> httpx.Response:
    """Restrict somebody and lift it again."""
    wanted = known(server, because="a", confirmed_by="b")
    server.ok(server.admin("POST", "/customers/restrict", wanted))
    told = {"identifier": wanted["identifier"], "informed_by": "x"}
    return server.admin("POST", "/customers/lift-restriction", told)


RIGHTS: dict[str, Callable[[Served], httpx.Response]] = {
    "showRetention": lambda server: server.admin("GET", "/retention"),
    "approveRetention": lambda server: server.admin(
        "POST", "/retention/approve", {"because": "looked at it"}
    ),
    "exportCustomer": lambda server: server.admin(
        "POST", "/customers/export", known(server, confirmed_by="a passport")
    ),
    "correctCustomer": lambda server: server.admin(
        "POST", "/customers/correct", known(server, confirmed_by="x", because="y", trait="phone")
    ),
    "restrictCustomer": lambda server: server.admin(
        "POST", "/customers/restrict", known(server, because="a dispute", confirmed_by="x")
    ),
    "liftRestriction": lift_restriction,
}
