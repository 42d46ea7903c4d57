"""Laws of pressure: caps in every sliding window, and quiet hours in every zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from kept.core.contact import CapRule, QuietRule, ScopeRule, check_cap, quiet_until
from kept.core.policy.zones import Zone, find_zone
from kept.core.state import Contact
from kept.core.values import DAY, HOUR, MINUTE

NOON = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
CAP = CapRule(name="three_a_day", count_max=3, window=DAY, scope=ScopeRule())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What changes its clocks by an hour, by half of one, over midnight, never, and once for good.
ZONES = (
    "Europe/Lisbon",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Tokyo",
    "Pacific/Apia",
    "America/Nuuk",
)


def contact_of(number: int, *, at: int, settled_at: int = 0, outcome: str = "") -> Contact:
    """Return one contact by e-mail."""
    return Contact(
        message_id=f"m{number}",
        attempt_at=at,
        settled_at=settled_at,
        outcome=outcome,
        action="lamp_offer",
        kind="offer",
        purpose="marketing",
        topic="",
        channel="email",
    )


outcomes = st.sampled_from(["delivered", "unknown", "failed"])
attempts = st.lists(
    st.tuples(
        st.integers(0, 3 * DAY), st.one_of(st.none(), st.tuples(st.integers(0, DAY), outcomes))
    ),
    max_size=60,
)


@given(attempts)
def test_a_cap_holds_in_every_window(tries: list[tuple[int, tuple[int, str] | None]]) -> None:
    """G3: whatever is tried and however it ends, no window holds more than the cap."""
    reached: list[tuple[int, str]] = []
    made: list[tuple[int, int, str]] = []
    for after, ending in sorted(tries, key=lambda one: one[0]):
        now = NOON + after
        known = [
            contact_of(number, at=at, settled_at=settled_at, outcome=outcome)
            if settled_at and settled_at <= now
            else contact_of(number, at=at)
            for number, (at, settled_at, outcome) in enumerate(made)
        ]
        if check_cap(CAP, known, now=now) is not None:
            continue
        wait, outcome = ending if ending is not None else (0, "")
        made.append((now, now + wait + 1 if ending is not None else 0, outcome))
        reached.append((now, outcome))
    arrived = sorted(at for at, outcome in reached if outcome != "failed")
    for end in arrived:
        assert sum(end - CAP.window < at <= end for at in arrived) <= CAP.count_max


@given(st.lists(st.tuples(st.integers(0, DAY), st.integers(1, HOUR)), max_size=8))
def test_a_cap_says_when_it_is_free_again(ends: list[tuple[int, int]]) -> None:
    """G3: at the instant that the cap names it lets go, and one microsecond before it does not."""
    contacts = [
        contact_of(number, at=NOON - back, settled_at=NOON - back + wait, outcome="delivered")
        for number, (back, wait) in enumerate(ends)
        if back >= wait
    ]
    found = check_cap(CAP, contacts, now=NOON)
    if found is not None:
        assert check_cap(CAP, contacts, now=found.until) is None
        assert check_cap(CAP, contacts, now=found.until - 1) is not None


def test_what_is_in_flight_keeps_its_slot_for_as_long_as_it_takes() -> None:
    """G3: an attempt that nobody settled counts, however long ago it was made."""
    contacts = [contact_of(number, at=NOON - 100 * DAY) for number in range(3)]
    assert check_cap(CAP, contacts, now=NOON) is not None


def minute_on_the_wall(zone: str, instant: int) -> int:
    """Return the minute of the day that a clock in the zone shows, by the standard library."""
    local = (EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))
    return local.hour * 60 + local.minute


def is_quiet(rule: QuietRule, zone: str, instant: int) -> bool:
    """Return whether it is quiet, by the standard library."""
    minute = minute_on_the_wall(zone, instant)
    if rule.start_minute <= rule.end_minute:
        return rule.start_minute <= minute < rule.end_minute
    return minute >= rule.start_minute or minute < rule.end_minute


def known_zone(name: str) -> Zone:
    """Return a zone that exists."""
    zone = find_zone(name)
    assert zone is not None
    return zone


@st.composite
def instants_near_changes(draw: st.DrawFn) -> tuple[str, int]:
    """Draw a zone, and an instant within a day of one of its changes since 2011, or any other."""
    name = draw(st.sampled_from(ZONES))
    changes = [at for at in known_zone(name).starts if NOON - 5500 * DAY < at < NOON + 700 * DAY]
    around = draw(st.sampled_from(changes)) if changes else NOON
    return name, around + draw(st.integers(-26 * 60, 26 * 60)) * MINUTE + draw(st.integers(0, 59))


minutes = st.integers(0, 24 * 60 - 1)


# A night that ends within hours of now falls on the change itself much more often.
ends = st.one_of(minutes, st.integers(1, 240).map(lambda soon: -soon))


@given(instants_near_changes(), minutes, ends)
# On this night Lisbon's clocks skip the minute at which it would have ended.
@example(("Europe/Lisbon", 1_774_740_600_000_000), 22 * 60, 90)
def test_quiet_hours_end_when_the_customers_clock_says_so(
    where: tuple[str, int], start: int, end: int
) -> None:
    """G3: the end that is named is not quiet any more, and every minute before it is."""
    name, now = where
    if end < 0:
        end = (minute_on_the_wall(name, now) - end) % (24 * 60)
    rule = QuietRule(name="night", start_minute=start, end_minute=end, scope=ScopeRule())
    ends_at = quiet_until(rule, zone=known_zone(name), now=now)
    if ends_at is None:
        assert not is_quiet(rule, name, now)
        return
    assert is_quiet(rule, name, now)
    assert ends_at > now
    assert not is_quiet(rule, name, ends_at)
    assert is_quiet(rule, name, ends_at - 1)
    step = max(MINUTE, (ends_at - now) // 50)
    assert all(is_quiet(rule, name, at) for at in range(now, ends_at, step))
