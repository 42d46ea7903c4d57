"""What a person's word permits: one action about one object, once, as it was written, for a while."""

from typing import Any

import msgspec
import pytest

from kept.core.approval import (
    GATE_ANSWER_STANDS,
    Approval,
    ApprovalOutcome,
    approval_key,
    check_approved,
)
from kept.core.contest import Contest, make_token, read_token
from kept.core.reason import ApprovalRefused, Contested, NeedsApproval
from kept.core.state import Stamped
from kept.errors import SettingsError

SECRET = b"a secret of at least thirty-two bytes"
AT = 1_000


def said(outcome: ApprovalOutcome, **more: Any) -> dict[str, Stamped]:
    """Return what a state keeps of one word about stopping bill 1."""
    told: dict[str, Any] = {"until": AT + 100, "fingerprint": "f1"} | more
    approval = Approval(outcome=outcome, number=1, action="stop", about="bill/1", **told)
    stamped = Stamped(msgspec.to_builtins(approval), AT, 1)
    return {approval_key("stop", "bill/1"): stamped}


def check(approvals: dict[str, Stamped], **more: Any) -> object:
    """Return why stopping bill 1 may not go ahead."""
    asked: dict[str, Any] = {"fingerprint": "f1", "message_id": "", "now": AT + 1} | more
    return check_approved(approvals, "stop", asked.pop("about", "bill/1"), **asked)


def test_nothing_is_approved_by_itself() -> None:
    """No word is no approval."""
    assert check({}) == NeedsApproval()


def test_an_approval_permits_that_and_nothing_else() -> None:
    """Not another object, not another wording, not later than it lasts."""
    assert check(said("approved")) is None
    assert check(said("approved"), about="bill/2") == NeedsApproval()
    assert check(said("approved"), fingerprint="f2") == NeedsApproval()
    assert check(said("approved"), now=AT + 99) is None
    assert check(said("approved"), now=AT + 100) == NeedsApproval()


def test_what_was_used_is_used() -> None:
    """The same message may be tried again; a gate is told the same for a while; nothing else."""
    used = said("used", message_id="m1")
    assert check(used, message_id="m1", now=AT + 10**9) is None
    assert check(used, message_id="m2") == NeedsApproval()
    assert check(used) == NeedsApproval()
    at_gate = said("used")
    assert check(at_gate, now=AT + GATE_ANSWER_STANDS - 1) is None
    assert check(at_gate, now=AT + GATE_ANSWER_STANDS) == NeedsApproval()
    assert check(at_gate, message_id="m1") == NeedsApproval()


def test_a_refusal_rests_and_a_contest_stands() -> None:
    """Asked again after the rest; contested until a person decides."""
    assert check(said("refused")) == ApprovalRefused(at=AT, until=AT + 100)
    assert check(said("refused"), now=AT + 100) == NeedsApproval()
    assert check(said("contested"), now=AT + 10**12) == Contested(at=AT)
    assert check(said("withdrawn")) == NeedsApproval()


def test_a_link_that_contests_says_what_was_signed_and_nothing_else() -> None:
    """One letter changed, another secret, another kind of link: nothing."""
    contest = Contest(approval=7, part_id=42)
    token = make_token(contest, secret=SECRET)
    assert read_token(token, [SECRET]) == contest
    assert read_token(token, [SECRET[::-1]]) is None
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert read_token(changed, [SECRET]) is None
    with pytest.raises(SettingsError):
        make_token(contest, secret=b"short")
