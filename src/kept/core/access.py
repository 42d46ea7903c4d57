"""Who may do what: the closed list of permissions, the roles that hold them, and what a token may carry.

Whatever is not in these tables is refused: a role that nobody knows holds nothing, and a token
carries only what is named.
"""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias, get_args

from kept.errors import InputError

Permission: TypeAlias = Literal[
    "status",
    "metrics",
    "customers",
    "decisions",
    "unmask",
    "regroup",
    "brake",
    "approve",
    "brand",
    "quarantine",
    "imports",
    "keys",
    "backups",
    "vault",
    "export",
    "erase",
    "restrict",
    "correct",
    "breach",
    "audit",
    "staff",
    "tokens",
]
"""One thing that somebody may do; each route of an operator needs exactly one."""

Role: TypeAlias = Literal[
    "viewer", "agent", "supervisor", "policy_owner", "privacy_officer", "admin"
]
"""What a member of staff is; one may be several."""

PERMISSIONS: Final[Mapping[Permission, str]] = {
    "status": "see how the server is doing",
    "metrics": "read what is measured",
    "customers": "see a customer, values masked",
    "decisions": "read why a decision came out as it did, values masked",
    "unmask": "see values of a person, with a reason and on record",
    "regroup": "say that two identifiers are one person, or two",
    "brake": "pause and resume",
    "approve": "decide what waits for a person",
    "brand": "take up the brand folder",
    "quarantine": "see, mend, replay and drop what could not be taken",
    "imports": "bring history in",
    "keys": "make, rotate and revoke write keys of sources",
    "backups": "copy the store",
    "vault": "see and rotate the master key",
    "export": "hand out what is known of a person",
    "erase": "erase a person",
    "restrict": "restrict what is done with a person's data",
    "correct": "put right what is wrong about a person",
    "breach": "declare a breach, see whom it touched, and tell them",
    "audit": "read what staff did, and who looked at whom",
    "staff": "invite, change and disable staff",
    "tokens": "make and revoke API tokens",
}

_WATCH: Final[frozenset[Permission]] = frozenset({"status", "metrics"})
_LOOK: Final[frozenset[Permission]] = frozenset({"status", "customers", "decisions"})

ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    "viewer": _WATCH,
    "agent": _LOOK | {"unmask"},
    "supervisor": _WATCH | _LOOK | {"unmask", "regroup", "brake", "approve", "quarantine"},
    "policy_owner": _WATCH | _LOOK | {"brake", "approve", "brand"},
    "privacy_officer": _LOOK
    | {"unmask", "brake", "export", "erase", "restrict", "correct", "breach", "audit"},
    # Whoever runs the system does not answer for what it says to people.
    "admin": frozenset(PERMISSIONS) - {"approve"},
}
"""Which permissions a role holds; docs/reference/access.md shows the same table."""

PERSONAL: Final[frozenset[Permission]] = frozenset({"approve", "staff", "tokens"})
"""What only a person may do: no API token carries it."""

SCOPES: Final[frozenset[Permission]] = frozenset(PERMISSIONS) - PERSONAL
"""What an API token may carry."""

NETWORKS_MAX: Final = 20
Network: TypeAlias = IPv4Network | IPv6Network


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """Return what these roles hold together; a role that nobody knows holds nothing."""
    held: frozenset[Permission] = frozenset()
    for role in roles:
        held |= ROLES.get(role, frozenset())  # type: ignore[call-overload]
    return held


def read_roles(names: Collection[str]) -> tuple[Role, ...]:
    """Return roles by their names, in the order of the table.

    Raises:
        InputError: there is none, or one that nobody knows.
    """
    wrong = sorted(set(names) - set(get_args(Role)))
    if wrong or not names:
        known = ", ".join(get_args(Role))
        raise InputError(
            f"there is no role {', '.join(map(repr, wrong))}; roles are {known}"
            if wrong
            else f"at least one role is needed; roles are {known}"
        )
    return tuple(role for role in get_args(Role) if role in names)


def read_scopes(names: Collection[str], *, held: frozenset[Permission]) -> tuple[Permission, ...]:
    """Return what a token shall carry, in the order of the list.

    Args:
        names: permissions by their names.
        held: what its maker may do; nobody gives away more.

    Raises:
        InputError: there is none, or one that no token, or not this one, may carry.
    """
    wrong = sorted(set(names) - SCOPES)
    beyond = sorted(set(names) - held - set(wrong))
    if wrong or beyond or not names:
        problems = [
            f"no token carries {', '.join(wrong)}" if wrong else "",
            f"you may not do {', '.join(beyond)} yourself" if beyond else "",
            "" if names else "at least one scope is needed",
        ]
        known = ", ".join(scope for scope in PERMISSIONS if scope in SCOPES & held)
        raise InputError(f"{'; '.join(filter(None, problems))}; scopes are {known}")
    return tuple(scope for scope in PERMISSIONS if scope in names)


def read_networks(texts: Collection[str]) -> tuple[str, ...]:
    """Return networks such as `10.0.0.0/8` in their usual form.

    Raises:
        InputError: there are too many, or one is none.
    """
    if len(texts) > NETWORKS_MAX:
        raise InputError(f"{len(texts)} networks are too many; at most {NETWORKS_MAX} are kept")
    found = []
    for text in texts:
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            raise InputError(
                f"{text[:60]!r} is no network; write an address, or one such as 10.0.0.0/8"
            ) from None
    return tuple(dict.fromkeys(found))


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Return whether an address lies in one of these networks; what is no address lies in none."""
    try:
        known = ip_address(address)
    except ValueError:
        return False
    # A socket that listens for both families shows IPv4 callers in the form of IPv6.
    mapped = getattr(known, "ipv4_mapped", None)
    return any((mapped or known) in network for network in networks)
