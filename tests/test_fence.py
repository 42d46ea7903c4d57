"""The tests' own fence holds: no test reaches the network unless it says so."""

import socket

import pytest


def test_an_unmarked_test_cannot_open_a_connection() -> None:
    """Even the loopback interface is closed."""
    with socket.socket() as plug, pytest.raises(RuntimeError, match="mark it with `network`"):
        plug.connect(("127.0.0.1", 9))


@pytest.mark.network
def test_a_marked_test_may_use_the_loopback_interface() -> None:
    """A server and a client of the same test find each other."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())


@pytest.mark.network
def test_no_test_reaches_another_machine() -> None:
    """An address outside of this machine is refused even to a marked test."""
    with socket.socket() as plug, pytest.raises(RuntimeError, match=r"192\.0\.2\.1"):
        plug.connect(("192.0.2.1", 80))  # of the range kept free for examples
