"""What goes wrong and when: a schedule made of the seed, counted in operations and not in seconds."""

import random  # noqa: TID251  a failure is repeated by its seed
from typing import Final, Literal, TypeAlias

import msgspec

from tests.attack.providers import MOODS, Mood

FaultKind: TypeAlias = Literal[
    "kill", "freeze", "mood", "calm", "brand", "cut", "stalled", "nowhere", "fail_over"
]
ALONE: Final[dict[FaultKind, int]] = {"kill": 34, "freeze": 10, "mood": 44, "calm": 8, "brand": 6}
"""What happens to one node on a store of its own, and how often."""
TOGETHER: Final[dict[FaultKind, int]] = {
    "kill": 24, "freeze": 16, "mood": 34, "calm": 8, "brand": 5, "cut": 10, "stalled": 10, "nowhere": 6,
}  # fmt: skip
"""What happens to nodes that share a database: the ways to it are cut, stall, or lead nowhere."""
FREEZE_SECONDS: Final = (0.3, 1.0, 3.0, 6.0)
"""The longest is longer than any call to a provider may take in these runs."""
FREEZE_SECONDS_TOGETHER: Final = (0.5, 2.0, 6.0, 12.0)
"""The longest is longer than a node is waited for before another takes up its hand-overs."""
CLOCKS_OFF_SECONDS: Final = (0, 3, -5, 47)
"""By how much the clock of each node is wrong."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong, after so many operations."""

    after: int
    kind: FaultKind
    node: int = 0
    seconds: float = 0.0
    channel: Literal["email", "hook"] = "email"
    mood: Mood = "well"


def make_schedule(seed: int, *, life: str, operations: int, nodes: int) -> list[Fault]:
    """Return the faults of one life, in order."""
    draw = random.Random(f"faults/{seed}/{life}")
    weights = TOGETHER if nodes > 1 else ALONE
    freezes = FREEZE_SECONDS_TOGETHER if nodes > 1 else FREEZE_SECONDS
    # Once in a life the database itself is lost.
    fails_over_after = int(operations * (0.3 + 0.4 * draw.random())) if nodes > 1 else 0
    faults: list[Fault] = []
    after = 0
    while True:
        after += draw.randint(operations // 40 + 1, operations // 10 + 2)
        if after >= operations:
            return faults
        if fails_over_after and after > fails_over_after:
            fails_over_after = 0
            faults.append(Fault(after=after, kind="fail_over"))
        (kind,) = draw.choices([*weights], [*weights.values()])
        faults.append(
            Fault(
                after=after,
                kind=kind,
                node=draw.randrange(nodes),
                seconds=draw.choice(freezes),
                channel=draw.choice(("email", "hook")),
                mood=draw.choice(MOODS),
            )
        )
