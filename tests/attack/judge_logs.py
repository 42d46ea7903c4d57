"""The judges of what left, and of what was answered: the providers' and the clients' logs decide.

Each is a pure function from the evidence to the promises that were not kept. None asks Kept what
it thinks; where a log alone cannot tell, a judge lets it pass: what it names is a violation for sure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from tests.attack.book import NEVER, SECOND, Book, Limit, brake_intervals, names_of
from tests.attack.evidence import COUNTER, NEWS, NOTE, PROMOTIONS, TIP, Arrived, Asked, Violation

CAPS: Final[tuple[tuple[str, int, int, frozenset[str]], ...]] = (
    ("promotions", 2, 8 * SECOND, PROMOTIONS),
    ("services", 3, 6 * SECOND, frozenset({NOTE})),
)
"""Name, most contacts, window (µs) and actions of the caps in `brand/contact.yaml`."""
BRAKED: Final[dict[str, frozenset[str]]] = {
    "all": frozenset({NEWS, TIP, NOTE, COUNTER}),
    "purpose:marketing": PROMOTIONS,
    "channel:email": frozenset({NEWS}),
    "action:order_tip": frozenset({TIP}),
}
"""What each brake that the operator pulls in these runs stops."""


def judge_stops(book: Book) -> Iterator[Violation]:
    """G1: what a stop forbids arrives after its answer only if the answer listed it."""
    for limit in book.limits():
        for person, is_own in _concerned(book, limit):
            joined_at, parted_at = book.joined_for_sure(limit.person)
            for one in book.promotions_to(person):
                if limit.channel not in ("", one.channel) or one.at <= limit.answered_at:
                    continue
                if not is_own and not (
                    joined_at <= limit.sent_at and one.at < parted_at - book.slack.clock
                ):
                    continue
                if not _is_lifted(book, limit, one):
                    yield from _judge_stopped(book, limit, one)


def _judge_stopped(book: Book, limit: Limit, one: Arrived) -> Iterator[Violation]:
    if limit.in_flight is not None:
        listed = {name for message_id in limit.in_flight for name in names_of(message_id)}
        if one.key not in listed:
            what = f"{one.key} arrived after the answer to {limit.what}, which does not list it"
            yield Violation("G1", "stops", what, one.at)
    elif book.left_since(one) > limit.answered_at:
        yield Violation("G1", "stops", f"{one.key} left after the answer to {limit.what}", one.at)


def judge_merged_stops(book: Book) -> Iterator[Violation]:
    """G1, G10: once two people are one, what one of them stopped is stopped for both."""
    for limit in book.limits():
        partner = book.partner_of(limit.person)
        joined_at, parted_at = book.joined_for_sure(limit.person)
        since = max(limit.answered_at, joined_at)
        if partner is None or since == NEVER:
            continue
        for one in book.promotions_to(partner):
            is_within = since < book.left_since(one) and one.at < parted_at - book.slack.clock
            if (
                is_within
                and limit.channel in ("", one.channel)
                and not _is_lifted(book, limit, one)
            ):
                what = f"{one.key} left although {limit.what} holds for both who became one"
                yield Violation("G1", "merged_stops", what, one.at)


def _concerned(book: Book, limit: Limit) -> Iterator[tuple[str, bool]]:
    yield limit.person, True
    partner = book.partner_of(limit.person)
    if partner is not None:
        yield partner, False


def _is_lifted(book: Book, limit: Limit, one: Arrived) -> bool:
    """Return whether something may have allowed again what a limit forbade, before this arrived."""
    if limit.lifted_at < one.at:
        return True
    begun, ended = book.joined_perhaps(limit.person)
    for word in limit.lifted_by:
        if word.sent_at >= one.at or word.channel not in ("", one.channel):
            continue
        if word.person == limit.person:
            return True
        # Another's word speaks for both only while they are one, and only if it came after that.
        is_after = not word.answered_at or word.answered_at > begun
        if is_after and book.left_since(one) < ended:
            return True
    return False


def judge_brakes(book: Book) -> Iterator[Violation]:
    """G1: nothing leaves that an operator paused, from the answer until it is resumed."""
    for scope, since, until, _, _ in brake_intervals(book.run.brakes):
        for arrived in book.arrived.values():
            for one in arrived:
                if (
                    one.action in BRAKED[scope]
                    and book.left_since(one) > since
                    and book.left_before(one) < until
                ):
                    yield Violation(
                        "G1", "brakes", f"{one.key} left under the brake {scope}", one.at
                    )


def judge_erasures(book: Book) -> Iterator[Violation]:
    """G1, G11: who was forgotten is reached only by what the receipt says had left before."""
    for erasure in book.erased.values():
        if not erasure.answered_at:
            continue
        for one in book.arrived.get(erasure.person, ()):
            if one.at <= erasure.answered_at:
                continue
            if one.channel not in erasure.left_before or (
                book.left_since(one) > erasure.answered_at
            ):
                what = f"{one.key} arrived after {erasure.person} was forgotten"
                yield Violation("G11", "erasures", what, one.at)


def judge_consent(book: Book) -> Iterator[Violation]:
    """G2: nothing promotional reaches anybody who did not allow it before, by the shop's own word."""
    for person in book.arrived:
        partner = book.partner_of(person)
        given = [
            word
            for one in (person, *((partner,) if partner else ()))
            for word in book.words.get(one, ())
            if word.allows and word.by == "shop"
        ]
        for one in book.promotions_to(person):
            if not any(
                word.sent_at < one.at and word.channel in ("", one.channel) for word in given
            ):
                yield Violation("G2", "consent", f"{one.key} has no basis", one.at)


def judge_caps(book: Book) -> Iterator[Violation]:
    """G3: no window of any cap holds more than it may: of a person, and of two who are one."""
    for name, count_max, window, actions in CAPS:
        for person in book.arrived:
            own = _first_taken(book, person, actions)
            shared = _taken_as_one(book, person, actions)
            for one in own:
                since = one.at - window + book.slack.clock
                count = sum(since < other.at <= one.at for other in own)
                if count > count_max:
                    what = f"{one.key} is one too many for {name}"
                    yield Violation("G3", "caps", what, one.at)
            for one, before in shared:
                since = one.at - window + book.slack.clock
                if sum(since < other.at for other in before) >= count_max:
                    what = f"{one.key} is one too many for {name} of two who are one"
                    yield Violation("G3", "caps", what, one.at)


def _first_taken(book: Book, person: str, actions: frozenset[str]) -> list[Arrived]:
    """Return what a provider took for a person, each message when it first arrived.

    A message that is tried again under its key is one message, and counts for whom it was first tried.
    """
    first: dict[str, Arrived] = {}
    for one in book.arrived.get(person, ()):
        if one.taken and one.action in actions and book.tried_for[one.key] == person:
            first.setdefault(one.key, one)
    return list(first.values())


def _taken_as_one(
    book: Book, person: str, actions: frozenset[str]
) -> Iterator[tuple[Arrived, list[Arrived]]]:
    """Return each arrival while two people were one, with what had left to either and arrived before."""
    partner = book.partner_of(person)
    since, until = book.joined_for_sure(person)
    if partner is None or since == NEVER:
        return
    both = [*_first_taken(book, person, actions), *_first_taken(book, partner, actions)]
    for one in _first_taken(book, person, actions):
        if book.left_since(one) > since and one.at < until:
            yield (
                one,
                [
                    other
                    for other in both
                    if other.key != one.key
                    and other.at <= one.at
                    and book.left_before(other) < book.left_since(one)
                ],
            )


def judge_repetition(book: Book) -> Iterator[Violation]:
    """G4: a promotion is taken once at most, by any name; a service message under one name only.

    A receiver of services knows a name that it took before, and does nothing more. What reached
    another's address while two were taken for one may come again to one's own.
    """
    taken: dict[str, list[Arrived]] = defaultdict(list)
    subjects: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for person, arrived in book.arrived.items():
        for one in arrived:
            if one.taken:
                subjects[person, one.action, one.about].add(one.key)
                taken[one.key].append(one)
    for key, ones in taken.items():
        if ones[0].action in PROMOTIONS and len(ones) > 1:
            at = max(one.at for one in ones)
            yield Violation("G4", "repetition", f"{key} was taken {len(ones)} times", at)
    for (person, action, about), keys in subjects.items():
        if len(keys) > 1:
            what = f"{action} about {about} came to {person} under {len(keys)} names"
            yield Violation("G4", "repetition", what)


def judge_answers(book: Book) -> Iterator[Violation]:
    """G5: at every placement the one answer that follows from what was heard: no older one, no other."""
    by_person: dict[str, list[Asked]] = defaultdict(list)
    for asked in book.run.asked:
        by_person[asked.person].append(asked)
    orders: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for said in book.run.said:
        if said.order:
            orders[said.person].append((said.order, said.sent_at, said.answered_at or NEVER))
    silencing = list(_silencing(book))
    for person, asks in by_person.items():
        if person in book.joined or person in book.erased:
            continue
        if any(word.allows and word.by == "shop" for word in book.words.get(person, ())):
            # Somebody who may be written to has other answers: what leaves changes them.
            continue
        mine = [one for one in silencing if one[0] in ("", person)]
        for asked in asks:
            yield from _judge_answer(asked, orders.get(person, []), mine)
        yield from _judge_places(asks)


def _silencing(book: Book) -> Iterator[tuple[str, int, int, int, int]]:
    """Return what silences a counter: whom (empty for all), for sure from and until, perhaps from and until."""
    for scope, since, until, since_perhaps, until_perhaps in brake_intervals(book.run.brakes):
        if COUNTER in BRAKED[scope]:
            yield "", since, until, since_perhaps, until_perhaps
    for case in book.run.cases:
        if case.opens:
            end = next((c for c in book.run.cases if not c.opens and c.case == case.case), None)
            yield (
                case.person,
                case.answered_at or NEVER,
                end.sent_at if end is not None else NEVER,
                case.sent_at,
                (end.answered_at or NEVER) if end is not None else NEVER,
            )


def _judge_answer(
    asked: Asked,
    orders: list[tuple[int, int, int]],
    silencing: list[tuple[str, int, int, int, int]],
) -> Iterator[Violation]:
    known = max((n for n, _, answered in orders if answered <= asked.sent_at), default=0)
    newest = max((n for n, sent, _ in orders if sent < asked.answered_at), default=0)
    silent_for_sure = any(
        since <= asked.sent_at and asked.answered_at < until for _, since, until, _, _ in silencing
    )
    silent_perhaps = any(
        since < asked.answered_at and asked.sent_at < until for _, _, _, since, until in silencing
    )
    shown = int(asked.about.rpartition("-")[2]) if asked.action else 0
    where = f"decision {asked.decision_id} at {asked.placement}"
    if shown and silent_for_sure:
        what = f"{where} shows what is hushed"
    elif shown and not known <= shown <= newest:
        what = f"{where} shows order {shown} of {known} to {newest}"
    elif not shown and known and not silent_perhaps:
        what = f"{where} is silent about order {known}"
    else:
        return
    yield Violation("G5", "answers", what, asked.answered_at)


def _judge_places(asks: list[Asked]) -> Iterator[Violation]:
    """Judge answers that were given together: they are one."""
    together: dict[tuple[int, int], set[tuple[str, str]]] = defaultdict(set)
    for asked in asks:
        together[asked.sent_at, asked.answered_at].add((asked.action, asked.about))
    for (_, at), answers in together.items():
        if len(answers) > 1:
            what = f"one question at two places had {len(answers)} answers"
            yield Violation("G5", "answers", what, at)


LOG_JUDGES: Final[tuple[Callable[[Book], Iterator[Violation]], ...]] = (
    judge_stops,
    judge_merged_stops,
    judge_brakes,
    judge_erasures,
    judge_consent,
    judge_caps,
    judge_repetition,
    judge_answers,
)
