"""Shows what was noted of one person, in order: `python -m tests.attack.show FOLDER/l0 l0c2p18`.

Whoever was merged with them is shown as well. Instants are seconds from the first that was noted.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.attack.book import SECOND, Book, names_of
from tests.attack.evidence import Run, Stored

EVIDENCE: Final = "evidence.msgpack"
_HIDDEN: Final = frozenset({"sent_at", "answered_at", "begun_at", "at"})


class Evidence(msgspec.Struct):
    """What was noted, and what was left."""

    run: Run
    stored: Stored


def save_evidence(folder: Path, run: Run, stored: Stored) -> None:
    """Keep the evidence of a life beside its store."""
    (folder / EVIDENCE).write_bytes(msgspec.msgpack.encode(Evidence(run, stored)))


def load_evidence(folder: Path) -> Evidence:
    """Return the evidence of a life."""
    return msgspec.msgpack.decode((folder / EVIDENCE).read_bytes(), type=Evidence)


def tell(evidence: Evidence, person: str) -> Iterator[str]:
    """Yield a line for everything that was noted of a person, in order."""
    book = Book(evidence.run, evidence.stored)
    partner = book.partner_of(person)
    people = {person} | ({partner} if partner else set())
    run = evidence.run
    told: list[Any] = [*run.words, *run.cases, *run.erasures, *run.asked]
    noted: list[tuple[int, int, Any]] = [
        (one.sent_at, one.answered_at, one) for one in told if one.person in people
    ]
    noted += [(one.sent_at, one.answered_at, one) for one in run.ties if people & {*one.people}]
    noted += [(one.sent_at, one.answered_at, one) for one in run.brakes]
    noted += [
        (one.sent_at, one.answered_at, one)
        for one in run.said
        if one.person in people and (one.order or one.bill)
    ]
    noted += [(one.begun_at, one.at, one) for who in people for one in book.arrived.get(who, ())]
    noted += [(one.began_at, one.ended_at, one) for one in run.changes]
    keys = {one.key for who in people for one in book.arrived.get(who, ())}
    noted += [
        (row.left_at, row.left_at, row)
        for row in evidence.stored.messages
        if keys & {*names_of(row.message_id)}
        or row.about.startswith(tuple(f"o-{p}-" for p in people))
    ]
    first = min((since for since, _, _ in noted if since), default=0)
    for since, until, one in sorted(noted, key=lambda each: each[0]):
        shown = {
            name: value
            for name, value in msgspec.structs.asdict(one).items()
            if name not in _HIDDEN
        }
        times = " to ".join(
            f"{(each - first) / SECOND:.3f}" if each else "never" for each in (since, until)
        )
        yield f"{times}  {type(one).__name__}  {shown}"


def main() -> None:
    """Print what was noted of somebody."""
    folder, person = sys.argv[1:]
    print("\n".join(tell(load_evidence(Path(folder)), person)))


if __name__ == "__main__":
    main()
