"""The judges of what is left: a recount of the store decides, against the clients' and providers' word."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from tests.attack.book import SECOND, Book, names_of
from tests.attack.evidence import NOTE, PROMOTIONS, STOP, Arrived, Change, Row, Violation
from tests.attack.judge_logs import LOG_JUDGES

ENDED: Final = frozenset({"delivered", "failed", "unknown", "withdrawn", "expired"})
BADLY: Final = ENDED - {"delivered", "unknown"}


def judge_events(book: Book) -> Iterator[Violation]:
    """G9: every acknowledged event is in the stream, once, and nothing is there that nobody sent."""
    counts = Counter(message_id for message_id, _ in book.stored.events)
    sent = {said.message_id for said in book.run.said}
    for said in book.run.said:
        if said.answered_at and said.person not in book.erased and not counts[said.message_id]:
            what = f"{said.message_id} was acknowledged and is not there"
            yield Violation("G9", "events", what, said.answered_at)
    for message_id, count in counts.items():
        if count > 1:
            yield Violation("G9", "events", f"{message_id} is there {count} times")
        if message_id not in sent:
            yield Violation("G9", "events", f"{message_id} is there and was never sent")


def judge_decisions(book: Book) -> Iterator[Violation]:
    """G9, G7: every decision that was answered is on record."""
    for asked in book.run.asked:
        is_kept = asked.person not in book.erased
        if is_kept and asked.decision_id and asked.decision_id not in book.stored.decisions:
            what = f"decision {asked.decision_id} was answered and is not there"
            yield Violation("G9", "decisions", what, asked.answered_at)


def judge_states(book: Book) -> Iterator[Violation]:
    """G9: what is stored of each part is what its events fold to."""
    for part_id, what in book.stored.torn_parts.items():
        yield Violation("G9", "states", f"the state of part {part_id} is torn: {what}")


def judge_replays(book: Book) -> Iterator[Violation]:
    """G7: every decision of the sample comes out the same when it is made again."""
    for decision_id in book.stored.replayed_otherwise:
        yield Violation("G7", "replays", f"decision {decision_id} comes out otherwise")


def judge_groups(book: Book) -> Iterator[Violation]:
    """G10: whoever is together is what all evidence, looked at afresh, puts together."""
    odd = book.stored.groups - book.stored.groups_afresh
    for group in sorted(map(sorted, odd)):
        what = f"parts {group} are not together by the evidence"
        yield Violation("G10", "groups", what)


def judge_log(book: Book) -> Iterator[Violation]:
    """G7: the consent log is whole, and an audit takes no honest work for tampering."""
    for found in book.stored.audit:
        yield Violation("G7", "log", found)


def judge_forgotten(book: Book) -> Iterator[Violation]:
    """G11: of whoever was forgotten nothing is left, and nothing late brings them back."""
    gone = {one.person for one in book.run.erasures if one.answered_at}
    for person in sorted(gone & book.stored.people):
        yield Violation("G11", "forgotten", f"{person} is known again")
    for message_id, person in book.stored.events:
        if person in gone:
            yield Violation("G11", "forgotten", f"{message_id} is there and names {person}")
    for person in sorted(book.stored.readable):
        yield Violation("G11", "forgotten", f"{person} stands in a file")


def judge_messages(book: Book) -> Iterator[Violation]:
    """G4: each message ended in one recorded state, and that is what its provider's log says."""
    kills = [one for one in book.run.changes if one.what == "kill"]
    arrived: dict[str, list[Arrived]] = defaultdict(list)
    for one in book.run.arrived:
        arrived[one.key].append(one)
    for row in book.stored.messages:
        if _waits_at_the_end(row, book):
            continue
        ones = next((arrived[name] for name in names_of(row.message_id) if name in arrived), [])
        for what in _judge_row(row, ones, kills):
            yield Violation("G4", "messages", what)


def _waits_at_the_end(row: Row, book: Book) -> bool:
    """Return whether a message came to be queued just when everything ended: the next start begins it."""
    stopped = [one.began_at for one in book.run.changes if one.what == STOP]
    is_new = row.state == "queued" and not row.attempt_count
    return is_new and any(row.queued_at > at - SECOND for at in stopped)


def _is_unheard(one: Arrived, kills: list[Change]) -> bool:
    """Return whether whoever asked may have been killed before the answer came."""
    return any(kill.began_at <= one.at and one.begun_at <= kill.ended_at for kill in kills)


def _judge_row(row: Row, arrived: list[Arrived], kills: list[Change]) -> Iterator[str]:
    taken = [one for one in arrived if one.taken]
    if row.action == NOTE and row.state not in ENDED:
        yield f"{row.message_id} never ended and is {row.state}"
    if row.action in PROMOTIONS and row.state not in ENDED and row.state != "leaving":
        # Whether it arrived nobody knows: it stays listed, and is never handed over again.
        yield f"{row.message_id} never ended and is {row.state}"
    if row.state in BADLY and not row.has_reason:
        yield f"{row.message_id} is {row.state}, and nobody knows why"
    if row.state == "delivered" and not taken:
        yield f"{row.message_id} is called delivered and no provider took it"
    if row.state == "failed" and any(one.answered and not _is_unheard(one, kills) for one in taken):
        yield f"{row.message_id} is called failed and a provider took it"
    if not row.attempt_count and arrived:
        yield f"{row.message_id} never left by the store, and arrived"


def judge_bills(book: Book) -> Iterator[Violation]:
    """G4: of each bill that was acknowledged a note reached its provider in the end, whatever came between."""
    tried = {
        row.about
        for row in book.stored.messages
        if row.action == NOTE
        and (row.state in ("delivered", "failed", "unknown") or _waits_at_the_end(row, book))
    }
    tried |= {one.about for one in book.run.arrived if one.action == NOTE and one.taken}
    for said in book.run.said:
        if not said.bill or not said.answered_at or said.person in book.erased:
            continue
        if said.bill not in tried:
            what = f"nobody was told of the bill {said.bill}"
            yield Violation("G4", "bills", what, said.answered_at)


STORE_JUDGES: Final[tuple[Callable[[Book], Iterator[Violation]], ...]] = (
    judge_events,
    judge_decisions,
    judge_states,
    judge_replays,
    judge_groups,
    judge_log,
    judge_forgotten,
    judge_messages,
    judge_bills,
)
# Goodwill budgets (G13) are no feature of Kept yet; their judge belongs here with them.


def judge(book: Book) -> list[Violation]:
    """Return everything that was promised and not kept in a run."""
    return [violation for judge in (*LOG_JUDGES, *STORE_JUDGES) for violation in judge(book)]
