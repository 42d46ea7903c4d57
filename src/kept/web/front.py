"""What every handler works with: the runtime, and what the web keeps beside it."""

from typing import Final

from kept import settings
from kept.clock import random_token
from kept.core.data_map import DataMap
from kept.errors import OverloadedError
from kept.runtime import Runtime
from kept.web.address import read_proxies
from kept.web.cookies import Cookies, is_loopback
from kept.web.guard import Guard
from kept.web.lockout import LockOut
from kept.web.metrics import Meters
from kept.web.pages import Pages
from kept.web.passwords import Passwords
from kept.web.provider import Provider
from kept.web.signed import Signers

_REQUEST_ID_CHARACTERS: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"
)
_REQUEST_ID_LENGTH_MAX: Final = 128


class Front:
    """One server's web side."""

    def __init__(self, runtime: Runtime) -> None:
        """Take a runtime; raises `SettingsError` where a webhook's secret is missing."""
        self.runtime = runtime
        self.meters = Meters(runtime)
        self.signers = Signers(runtime)
        self.pages = Pages()
        self.cookies = Cookies(runtime.settings)
        self.proxies = read_proxies(runtime.settings.staff.trusted_proxies)
        self.provider = Provider(runtime.settings.staff, clock=runtime.clock)
        self.passwords = Passwords()
        self.lock_out = LockOut(
            runtime.writer.engine.store.load_failures(), secret=runtime.link_secret
        )
        runtime.also_takes_up.append(lambda store: self.lock_out.take(store.load_failures()))
        self.guard = Guard(runtime, proxies=self.proxies)
        self.is_private = is_loopback(runtime.settings)
        """Whether only people on this machine reach the server: then all of them may watch."""
        self.data_map: DataMap | None = None
        """The map of the brand that was last asked for."""
        self.document = b""
        """The OpenAPI document of the running routes."""
        self.is_draining = False
        """True once the server was told to stop."""
        self._waiting = 0
        self._request_prefix = random_token()[:8]
        self._request_count = 0

    def name_request(self, offered: bytes) -> bytes:
        """Return the request's id: the caller's own where it is harmless, else a new one."""
        is_short = 0 < len(offered) <= _REQUEST_ID_LENGTH_MAX
        if is_short and _REQUEST_ID_CHARACTERS.issuperset(offered):
            return offered
        self._request_count += 1
        return b"%s-%x" % (self._request_prefix.encode(), self._request_count)

    def begin(self, weight: int) -> None:
        """Set memory aside for a body whose events go to the writer, or refuse it.

        Raises:
            OverloadedError: as much waits already as memory is set aside for.
        """
        # One that comes alone is always let in, so that a limit never shuts anybody out for good.
        if self._waiting and self._waiting + weight > settings.BODY_BYTES_WAITING_MAX:
            raise OverloadedError(
                "more arrives than can be made durable just now; send the same again soon"
            )
        self._waiting += weight

    def end(self, weight: int) -> None:
        """Give the memory back."""
        self._waiting -= weight
