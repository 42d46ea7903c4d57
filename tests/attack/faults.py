"""What goes wrong and when: a schedule made of the seed, counted in operations and not in seconds."""

import random  # noqa: TID251  a failure is repeated by its seed
from typing import Final, Literal, TypeAlias

import msgspec

from tests.attack.providers import MOODS, Mood

FaultKind: TypeAlias = Literal["kill", "freeze", "mood", "calm", "brand"]
KINDS: Final[tuple[FaultKind, ...]] = ("kill", "freeze", "mood", "calm", "brand")
WEIGHTS: Final = (34, 10, 44, 8, 6)
FREEZE_SECONDS: Final = (0.3, 1.0, 3.0, 6.0)
"""The longest is longer than any call to a provider may take in these runs."""


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
    faults: list[Fault] = []
    after = 0
    while True:
        after += draw.randint(operations // 40 + 1, operations // 10 + 2)
        if after >= operations:
            return faults
        (kind,) = draw.choices(KINDS, WEIGHTS)
        faults.append(
            Fault(
                after=after,
                kind=kind,
                node=draw.randrange(nodes),
                seconds=draw.choice(FREEZE_SECONDS),
                channel=draw.choice(("email", "hook")),
                mood=draw.choice(MOODS),
            )
        )
