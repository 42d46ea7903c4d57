"""Who may do what is one table, and whatever is not in it is refused."""

import re
from ipaddress import ip_network
from typing import get_args

import pytest

from kept.core.access import (
    PERMISSIONS,
    PERSONAL,
    ROLES,
    SCOPES,
    Permission,
    Role,
    is_within,
    permissions_of,
    read_networks,
    read_roles,
    read_scopes,
)
from kept.errors import InputError
from kept.web.endpoints import Endpoint
from kept.web.routes import ENDPOINTS
from tests.tree import ROOT


def test_the_tables_hold_exactly_the_closed_lists() -> None:
    """Each permission is explained and held by somebody; each role holds something."""
    assert set(PERMISSIONS) == set(get_args(Permission))
    assert set(ROLES) == set(get_args(Role))
    assert set().union(*ROLES.values()) == set(PERMISSIONS)
    assert all(ROLES.values())


def test_what_weighs_most_is_in_few_hands() -> None:
    """Least privilege, said once more in other words."""

    def holders(permission: Permission) -> set[Role]:
        return {role for role, held in ROLES.items() if permission in held}

    assert holders("approve") == {"supervisor", "policy_owner"}
    assert holders("staff") == holders("tokens") == holders("keys") == {"admin"}
    assert holders("erase") == {"privacy_officer", "admin"}
    assert "unmask" not in ROLES["viewer"] | ROLES["policy_owner"]
    assert ROLES["viewer"] == {"status", "metrics"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_every_route_of_an_operator_needs_exactly_one_permission(endpoint: Endpoint) -> None:
    """And no other route does: whoever may call those is known by other means."""
    assert (endpoint.needs is not None) is (endpoint.who in ("operator", "watcher"))
    assert endpoint.needs in (None, *PERMISSIONS)
    if endpoint.path.startswith("/v1/admin"):
        assert endpoint.who == "operator"


def test_the_reference_shows_this_table() -> None:
    """docs/reference/access.md, role by role."""
    page = (ROOT / "docs" / "reference" / "access.md").read_text(encoding="utf-8")
    roles = get_args(Role)
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*) \|$", page, flags=re.MULTILINE)
    shown = {
        name: (text, [cell.strip() == "yes" for cell in cells.split("|")])
        for name, text, cells in rows
        if name in PERMISSIONS
    }
    assert shown == {
        name: (text, [name in ROLES[role] for role in roles] + [name in SCOPES])
        for name, text in PERMISSIONS.items()
    }


def test_roles_add_up_and_an_unknown_one_holds_nothing() -> None:
    """Also a role of a later version, after going back to this one."""
    assert permissions_of([]) == frozenset()
    assert permissions_of(["owner", "root"]) == frozenset()
    assert permissions_of(["viewer", "agent"]) == ROLES["viewer"] | ROLES["agent"]


def test_roles_are_read_in_the_order_of_the_table() -> None:
    """Each once; one that nobody knows is refused with those that there are."""
    assert read_roles(["admin", "viewer", "admin"]) == ("viewer", "admin")
    for wrong in ([], ["owner"], ["viewer", "Admin"]):
        with pytest.raises(InputError, match="policy_owner"):
            read_roles(wrong)


def test_nobody_gives_a_token_more_than_they_have() -> None:
    """Nor what only a person may do."""
    assert read_scopes(["metrics", "status"], held=ROLES["viewer"]) == ("status", "metrics")
    for wrong in ([], ["brake"], ["moon"], ["status", *PERSONAL]):
        with pytest.raises(InputError, match=r"scopes are status, metrics$"):
            read_scopes(wrong, held=ROLES["viewer"])
    for personal in PERSONAL:
        with pytest.raises(InputError, match="no token carries"):
            read_scopes([personal], held=frozenset(PERMISSIONS))


def test_networks_are_read_and_compared() -> None:
    """An address is a network of one."""
    assert read_networks(["10.1.2.3/8", " ::1 "]) == ("10.0.0.0/8", "::1/128")
    for wrong in (["x"], ["10.0.0.0/33"], ["1.1.1.1"] * 21):
        with pytest.raises(InputError):
            read_networks(wrong)
    assert is_within("10.9.9.9", [ip_network("10.0.0.0/8")])
    assert not is_within("::1", [ip_network("10.0.0.0/8")])
    assert not is_within("", [ip_network("0.0.0.0/0")])
