"""The honest control: each mechanism switched off, in the process under test, by the tests' launcher."""

from collections.abc import Callable
from typing import Final

import msgspec


class Sabotage(msgspec.Struct, frozen=True, kw_only=True):
    """A mechanism that can be switched off, and which guarantee must then be seen to break."""

    mechanism: str
    apply: Callable[[], None]
    guarantees: frozenset[str]


SABOTAGES: Final[dict[str, Sabotage]] = {}
