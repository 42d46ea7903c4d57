"""How often somebody may ask: a token bucket for each caller, in bounded memory."""

from collections import OrderedDict
from typing import Final

from kept.core.values import SECOND

_KEYS_MAX: Final = 10_000


class Buckets:
    """Lets each key through `burst` times at once, and `per_second` times for long.

    Of more keys than are remembered the one unused for longest is forgotten; it begins anew.
    """

    def __init__(self, *, per_second: float, burst: int, keys_max: int = _KEYS_MAX) -> None:
        """Begin with every bucket full."""
        self._refill = per_second / SECOND
        self._burst = burst
        self._keys_max = keys_max
        self._levels: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._levels)

    def take(self, key: str, now: int) -> int:
        """Take one from a key's bucket; return 0, or in how many µs there will be one."""
        level = self._level(key, now)
        wait = 0
        if level >= 1:
            level -= 1
        else:
            wait = max(1, int((1 - level) / self._refill))
        self._levels[key] = (level, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._keys_max:
            self._levels.popitem(last=False)
        return wait

    def _level(self, key: str, now: int) -> float:
        level, at = self._levels.get(key, (float(self._burst), now))
        return min(self._burst, level + max(0, now - at) * self._refill)
