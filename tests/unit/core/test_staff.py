"""How failed sign-ins are slowed, and when a session is over."""

from kept.core.staff import (
    FAILURES_KEPT,
    WAIT_FIRST,
    WAIT_MAX,
    Failures,
    Session,
    Staff,
    note_failure,
)
from kept.core.values import HOUR, MINUTE

NOW = 1_767_225_600_000_000


def test_each_failure_past_the_free_ones_doubles_the_wait_up_to_a_limit() -> None:
    """So that nobody guesses, and nobody is shut out for long by somebody else."""
    failures, waits = Failures(), []
    for _ in range(12):
        failures = note_failure(failures, NOW, free=3)
        waits.append(max(0, failures.until - NOW))
    assert waits[:5] == [0, 0, WAIT_FIRST, 2 * WAIT_FIRST, 4 * WAIT_FIRST]
    assert waits[-1] == WAIT_MAX
    assert note_failure(Failures(count=10**6, last_at=NOW), NOW, free=3).until == NOW + WAIT_MAX


def test_a_day_without_failures_forgives_all() -> None:
    """And one moment less does not."""
    before = Failures(count=9, last_at=NOW)
    assert note_failure(before, NOW + FAILURES_KEPT - 1, free=3).count == 10
    assert note_failure(before, NOW + FAILURES_KEPT, free=3).count == 1


def test_a_session_ends_unused_or_old() -> None:
    """Whichever comes first."""
    session = Session(digest="d", staff_id=1, begun_at=NOW, seen_at=NOW + HOUR, way="password")
    assert not session.is_over(NOW + HOUR + 29 * MINUTE, idle=30 * MINUTE, whole=12 * HOUR)
    assert session.is_over(NOW + HOUR + 30 * MINUTE, idle=30 * MINUTE, whole=12 * HOUR)
    assert session.is_over(NOW + 2 * HOUR, idle=9 * HOUR, whole=2 * HOUR)


def test_who_has_no_way_to_prove_themselves_cannot_sign_in() -> None:
    """Invited only, disabled, or neither."""
    staff = Staff(staff_id=7, name="ana", roles=("viewer",))
    assert not staff.can_sign_in
    assert staff.actor == "staff:7"
    assert Staff(staff_id=1, name="a", roles=(), password="x").can_sign_in
    assert Staff(staff_id=1, name="a", roles=(), issuer="i", subject="s").can_sign_in
    assert not Staff(staff_id=1, name="a", roles=(), password="x", is_enabled=False).can_sign_in
