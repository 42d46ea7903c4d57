"""Every exception that Kept raises on purpose.

```
KeptError
  + InputError             the caller can mend it            -> 4xx
  |   + InvalidEventError
  |   + TooLargeError        more than is taken at once
  |   + InvalidBrandError  carries every problem, not only the first
  |   + NotFoundError
  |   |   + ForgottenError       there was something, and it was forgotten
  |   + ConflictError
  |   + NotAllowedError
  |   |   + UnknownCallerError   nobody knows who asks
  |   + OverloadedError    says when to come back
  |   |   + TooOftenError    asked more often than anybody may
  + OutsideError           the world failed, may be retried  -> 503
  |   + StoreError
  |   |   + DiskFullError
  |   |   + DamagedError       of a record; asking again is of no use
  |   + ContendedError       another node was first; the same work may be done again
  |   + OutdatedError        another brand is in force than this node works by
  |   + ChannelError
  + SettingsError          the operator must mend it         -> refuses to start
```

"No" is not an error: not eligible, held, capped and unmatched are values that are returned, stored
and counted. A bug is an `AssertionError` or a `TypeError`, and is caught only at the outer edge.

Each class has a stable `code`, listed in docs/reference/errors.md; programs compare codes, people
read messages. A message says what happened, where, and what to do.
"""

from collections.abc import Collection, Sequence
from typing import ClassVar, Literal, TypeAlias

import msgspec

Severity: TypeAlias = Literal["error", "note"]
"""An error refuses a brand folder; a note is worth knowing and refuses nothing."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong in one place of a file, with what to do about it.

    Lines and columns count from 1; 0 means that the place within the file is not known.
    """

    file: str
    message: str
    line: int = 0
    column: int = 0
    suggestion: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """Return `file:line:column: message; suggestion`, the form that editors make clickable."""
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        note = "note: " if self.severity == "note" else ""
        text = f"{place}: {note}{self.message}"
        return f"{text}; {self.suggestion}" if self.suggestion else text


class KeptError(Exception):
    """Anything that Kept raises on purpose."""

    code: ClassVar[str] = "kept"


class InputError(KeptError):
    """What the caller gave cannot be used, and the caller can mend it."""

    code: ClassVar[str] = "input"


class InvalidEventError(InputError):
    """An event cannot be understood."""

    code: ClassVar[str] = "event.invalid"


class TooLargeError(InputError):
    """A request holds more than is taken at once; split it."""

    code: ClassVar[str] = "too_large"


class InvalidBrandError(InputError):
    """A brand folder cannot be used; `problems` holds everything that is wrong with it."""

    code: ClassVar[str] = "brand.invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Take all problems at once, so that all can be mended at once."""
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return one line for each problem."""
        return "\n".join(str(problem) for problem in self.problems)


class NotFoundError(InputError):
    """What was asked for does not exist."""

    code: ClassVar[str] = "not_found"


class ForgottenError(NotFoundError):
    """What was asked for was forgotten: its key is destroyed, and nobody can read it any more."""

    code: ClassVar[str] = "forgotten"


class ConflictError(InputError):
    """What was asked for contradicts what is already there."""

    code: ClassVar[str] = "conflict"


class NotAllowedError(InputError):
    """The caller may not do this."""

    code: ClassVar[str] = "not_allowed"


class UnknownCallerError(NotAllowedError):
    """Nobody knows who asks: a key, a token or a signature is missing or wrong."""

    code: ClassVar[str] = "unknown_caller"


class OverloadedError(InputError):
    """More arrives than can be made durable just now; the same request is welcome later."""

    code: ClassVar[str] = "overloaded"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        """Say when it is worth trying again."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class TooOftenError(OverloadedError):
    """The caller asks more often than anybody may; the same request is welcome later."""

    code: ClassVar[str] = "too_often"


class OutsideError(KeptError):
    """Something outside Kept failed; the same call may succeed later."""

    code: ClassVar[str] = "outside"


class StoreError(OutsideError):
    """The store cannot be read or written."""

    code: ClassVar[str] = "store"


class DiskFullError(StoreError):
    """There is no room to make anything durable, so nothing is accepted."""

    code: ClassVar[str] = "store.disk_full"


class DamagedError(StoreError):
    """A record was altered, moved or torn, though its key is there: whoever asks again is told the same."""

    code: ClassVar[str] = "store.damaged"


class ContendedError(OutsideError):
    """Another node came in the way: nothing has happened, and the same work may be done again.

    `customers` and `alone` say what the transaction should take first the next time.
    """

    code: ClassVar[str] = "contended"

    def __init__(
        self, message: str, *, customers: Collection[int] = (), alone: bool = False
    ) -> None:
        """Say what was wanted."""
        self.customers = frozenset(customers)
        self.alone = alone
        super().__init__(message)


class OutdatedError(OutsideError):
    """Another brand is in force than the one that this node works by, so that it decides nothing."""

    code: ClassVar[str] = "outdated"


class ChannelError(OutsideError):
    """A provider did not take a message, or did not say whether it did."""

    code: ClassVar[str] = "channel"


class SettingsError(KeptError):
    """The server cannot start as it is set up; the operator must mend it."""

    code: ClassVar[str] = "settings"
