"""Where a webhook may go, and with which secret."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from kept.channels.address import Forbidden, is_public, parse_target, resolve
from kept.channels.post import (
    Line,
    connect,
    write_request,
)
from kept.channels.webhook import WebhookChannel
from kept.clock import read_monotonic
from kept.core.message import Postponed, Refused
from kept.errors import SettingsError
from tests.contract.hooks import CLOCK, SECRET, channel_to
from tests.contract.servers import (
    CERTIFICATE,
    Desk,
    http_server,
    outgoing,
)

pytestmark = pytest.mark.network


@pytest.fixture
def desk() -> Desk:
    """Return the mind of an HTTP provider."""
    return Desk()


PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "10.1.2.3",
    "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8", "198.18.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[fe80::1]",
    "[fc00::1]", "[fd12::1]", "[fec0::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]", "[2001::1]", "[2001:db8::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_a_webhook_to_a_private_address_is_refused_at_the_start(host: str) -> None:
    """However it is written, and whatever it is wrapped in."""
    with pytest.raises(SettingsError, match="public address"):
        WebhookChannel(url=f"https://{host}/hook", secret=SECRET, clock=CLOCK)
    WebhookChannel(url=f"https://{host}/hook", secret=SECRET, clock=CLOCK, allow_private=True)


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"]
)
def test_a_public_address_is_public(host: str) -> None:
    """The fence leaves the open internet open."""
    assert is_public(ip_address(host))


def test_a_name_that_leads_to_a_private_address_is_refused(desk: Desk) -> None:
    """`localhost` is a name like any other; its address is judged, and nothing is sent to it."""
    with http_server(desk, tls=True) as port:
        url = f"https://localhost:{port}/hook"
        result = channel_to(port, url=url, ca_file=str(CERTIFICATE), allow_private=False).send(
            outgoing()
        )
    assert isinstance(result, Refused)
    assert "localhost leads to" in result.detail
    assert (desk.connections, result.closes_address) == (0, False)


Resolver = Callable[..., list[tuple[Any, ...]]]


def resolver_of(*addresses: str, seen: list[str]) -> Resolver:
    """Return a DNS in which every name has these addresses."""

    def resolver(host: str, port: int, *rest: Any, **more: Any) -> list[tuple[Any, ...]]:
        seen.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    return resolver


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.5"], ["93.184.216.34", "127.0.0.1"], ["93.184.216.34", "::ffff:169.254.169.254"]],
)
def test_one_private_address_among_public_ones_is_enough(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    """A name with two faces is a trap."""
    seen: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolver_of(*addresses, seen=seen))
    channel = WebhookChannel(url="https://hooks.shop.example/", secret=SECRET, clock=CLOCK)
    assert isinstance(channel.send(outgoing()), Refused)
    assert seen == ["hooks.shop.example"]


def test_the_connection_goes_to_the_address_that_was_judged(desk: Desk) -> None:
    """The name is not looked up a second time: one that changes its mind changes nothing."""
    with http_server(desk) as port:
        target = parse_target(f"http://nowhere.invalid:{port}/hook", allow_private=True)
        line = connect(
            target,
            "127.0.0.1",
            context=ssl.create_default_context(),
            deadline=read_monotonic() + 5_000_000,
        )
        assert isinstance(line, Line)
        line.post(write_request(target, {}, b"{}"), deadline=read_monotonic() + 5_000_000)
        line.close()
    assert desk.requests[0].headers["host"] == f"nowhere.invalid:{port}"


def test_resolving_gives_each_address_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which the system prefers them."""
    seen: list[str] = []
    found = resolver_of("93.184.216.34", "93.184.216.34", "8.8.8.8", seen=seen)
    monkeypatch.setattr(socket, "getaddrinfo", found)
    target = parse_target("https://hooks.shop.example/", allow_private=False)
    assert resolve(target, allow_private=False) == ("93.184.216.34", "8.8.8.8")
    monkeypatch.setattr(socket, "getaddrinfo", resolver_of("127.0.0.1", seen=seen))
    assert isinstance(resolve(target, allow_private=False), Forbidden)


def test_a_name_that_nobody_knows_postpones(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS may be back in a minute."""

    def unknown(*arguments: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    channel = WebhookChannel(url="https://hooks.shop.example/", secret=SECRET, clock=CLOCK)
    result = channel.send(outgoing())
    assert isinstance(result, Postponed)
    assert "hooks.shop.example cannot be resolved" in result.detail


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "http://shop.example/",
        "https:///hook",
        "https://user:password@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:99999/",
        "https://[::1/",
        "https://shop.example/a b",
        "https://shop.example/hük",
        "https://" + "a" * 300 + ".example/",
    ],
)
def test_an_address_that_no_webhook_may_have_is_refused_at_the_start(url: str) -> None:
    """The operator hears of it when the server starts, not when a customer misses a message."""
    with pytest.raises(SettingsError):
        WebhookChannel(url=url, secret=SECRET, clock=CLOCK)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!!", "whsec_" + "YQ==", "a2VwdCBrZXB0IGtlcHQga2VwdCBrZXB0",
               "whsec_" + b64encode(b"x" * 65).decode()],
)  # fmt: skip
def test_a_weak_secret_is_refused_at_the_start(secret: str) -> None:
    """And the error does not repeat it."""
    with pytest.raises(SettingsError) as caught:
        WebhookChannel(url="https://shop.example/", secret=secret, clock=CLOCK)
    assert not secret or secret == "whsec_" or secret not in str(caught.value)
