"""Where a request comes from: the other end of the connection, or what a trusted proxy says."""

from collections.abc import Sequence
from ipaddress import ip_network

from starlette.types import Scope

from kept.core.access import Network, is_within
from kept.errors import SettingsError

_ADDRESS_LENGTH_MAX = 60


def read_proxies(text: str) -> tuple[Network, ...]:
    """Return the networks of proxies, from a text with commas between them.

    Raises:
        SettingsError: one is no network.
    """
    try:
        return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise SettingsError(f"KEPT_TRUSTED_PROXIES cannot be used: {error}") from None


def address_of(scope: Scope, proxies: Sequence[Network]) -> str:
    """Return the caller's address.

    Of `X-Forwarded-For` the last address that no trusted proxy has is believed: whoever asks may
    write anything before it.
    """
    client = scope.get("client")
    address = str(client[0]) if client else ""
    if not proxies or not is_within(address, proxies):
        return address
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    for each in reversed(forwarded.decode("latin-1").split(",")):
        text = each.strip()[:_ADDRESS_LENGTH_MAX]
        if not text:
            break
        address = text
        if not is_within(address, proxies):
            break
    return address
