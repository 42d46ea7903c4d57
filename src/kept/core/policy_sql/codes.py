"""An action, the reason against it and the way that it takes, as one number."""

from typing import Final

ACTION: Final = 2**40
REASON: Final = 2**20


def read_code(code: int) -> tuple[int, int, int]:
    """Return (action, reason, way) of a code, each counted from 1 and 0 for none."""
    return code // ACTION, code % ACTION // REASON, code % REASON
