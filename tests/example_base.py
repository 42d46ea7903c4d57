"""Customers of the example brand as a base would hold them: those of its stories, mixed by chance."""

from collections.abc import Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - a seed is given and shown
from typing import Any, Final

import msgspec

from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.decision import Facts, OpenMessage
from kept.core.facts import View, read_facts
from kept.core.values import DAY
from kept.flows.engine import open_messages_of
from kept.flows.play import play
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import read_stories
from kept.stores.memory import MemoryStore

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "ferrowen"
NOW: Final = 1_772_452_800_000_000
_INSTANTS: Final = range(NOW - 3_650 * DAY, NOW + 3_650 * DAY)
"""Numbers that are instants: nothing else of a customer is as large."""
Person = tuple[Facts, tuple[OpenMessage, ...]]


def compile_example() -> Bundle:
    """Return the example brand."""
    return compile_brand(load_checked(read_folder(EXAMPLE)))


def read_people(bundle: Bundle) -> list[Person]:
    """Return everybody of every story as they are at its end, moved so that all stories end at `NOW`."""
    people: list[Person] = []
    for story in read_stories(EXAMPLE).values():
        store = MemoryStore()
        _, stage = play(story, bundle, store)
        with store.snapshot() as snapshot:
            ids = snapshot.list_customers(after=0, limit=100)
        for customer_id in ids:
            customer = stage.engine.customers.get(customer_id)
            facts = read_facts(
                bundle.fact_plan,
                customer.total(stage.engine.plan),
                customer.restricting(stage.engine.plan),
                view=View(),
                identifiers=customer.identifiers,
                customer_id=customer_id,
                now=stage.now,
            )
            moved = _moved(msgspec.to_builtins(facts), NOW - stage.now)
            people.append((msgspec.convert(moved, Facts), open_messages_of(customer)))
    return people


def _moved(value: Any, by: int) -> Any:
    """Return a value with every instant in it moved."""
    if isinstance(value, int):
        return value + by if value in _INSTANTS else value
    if isinstance(value, list | tuple):
        return [_moved(one, by) for one in value]
    if isinstance(value, dict):
        return {key: _moved(one, by) for key, one in value.items()}
    return value


def mix(people: Sequence[Person], chance: Random, *, count: int) -> list[Person]:
    """Return so many customers of whom each fact is that of some customer, drawn for each anew."""
    mixed: list[Person] = []
    for _ in range(count):
        # Whatever is not mixed stays with what belongs to it: claims, open messages, what is unknown.
        one, messages = chance.choice(people)
        told: dict[str, Any] = {"draw": chance.randint(0, 9_999)}
        for name in ("values", "objects"):
            told[name] = [
                getattr(chance.choice(people)[0], name)[place] if chance.random() < 0.5 else own
                for place, own in enumerate(getattr(one, name))
            ]
        for name in ("zone", "consents", "contacts", "declines", "addresses", "approvals"):
            if chance.random() < 0.5:
                told[name] = getattr(chance.choice(people)[0], name)
        mixed.append((msgspec.structs.replace(one, **told), messages))
    return mixed
