"""What changed between two brands, what of it can only worsen things, and who approved that."""

from base64 import b64encode

import msgspec
import pytest

from kept.core.brand.load import load_brand
from kept.core.brand.model import Brand
from kept.core.checkpoint import key_of
from kept.core.diff.approval import (
    DiffApproval,
    digest_folder,
    parse_approvers,
    public_line,
    read_approval,
    sign_approval,
)
from kept.core.diff.changes import find_changes
from kept.core.diff.verdict import Approved, Verdict, judge_change, to_markdown, to_text
from kept.core.diff.worsening import Finding, find_worsenings
from kept.errors import InputError
from tests.scenario.larkmead import LARKMEAD

SEED = bytes(range(32))


def changed(file: str, before: str, after: str) -> Brand:
    """Return the brand with one text of one file replaced."""
    text = LARKMEAD[file]
    assert before in text
    return load_brand({**LARKMEAD, file: text.replace(before, after, 1)})


@pytest.fixture(scope="module")
def base() -> Brand:
    """Return the brand as it is in force."""
    return load_brand(LARKMEAD)


def test_equal_brands_have_no_changes(base: Brand) -> None:
    """Of a brand and itself there is nothing to say."""
    assert find_changes(base, base) == []
    assert find_worsenings(base, base) == []


def test_a_change_is_said_in_words(base: Brand) -> None:
    """Where, of what, from what to what."""
    raised = changed("contact.yaml", "promotions_a_week: {count: 2", "promotions_a_week: {count: 5")
    assert [str(one) for one in find_changes(base, raised)] == [
        "cap promotions_a_week, count: 2 → 5"
    ]


def test_an_action_that_is_gone_and_one_that_is_new_are_said(base: Brand) -> None:
    """None stands for not there, and the condition says what it was."""
    texts = {name: text for name, text in LARKMEAD.items() if name != "actions/late_fee.yaml"}
    without = load_brand(texts)
    (gone,) = find_changes(base, without)
    assert str(gone).startswith("action late_fee is gone, when NOT about.paid")
    (new,) = find_changes(without, base)
    assert str(new).startswith("action late_fee is new, when NOT about.paid")


@pytest.mark.parametrize(
    ("file", "before", "after", "kind", "what"),
    [
        ("contact.yaml", "promotions_a_week: {count: 2", "promotions_a_week: {count: 3",
         "pressure", "cap promotions_a_week"),
        ("contact.yaml", "texts_a_day: {count: 1, window: 1 day", "texts_a_day: {count: 1, window: 12 hours",
         "pressure", "cap texts_a_day"),
        ("contact.yaml", 'start: "22:00"', 'start: "23:00"', "pressure", "quiet hours night"),
        ("contact.yaml", 'start: "22:00", end: "07:30"', 'start: "07:30", end: "20:00"',
         "pressure", "quiet hours night"),
        ("contact.yaml", 'end: "07:30", covers: {}', 'end: "07:30", covers: {channels: [sms]}',
         "pressure", "quiet hours night"),
        ("contact.yaml", "decline_rest: 20 days", "decline_rest: 5 days",
         "pressure", "rest after a no"),
        ("actions/bill_due.yaml", "add_days(about.due_at, 6)", "add_days(about.due_at, 2)",
         "hardship", "grace that bill_due gives (grace_until)"),
        ("contact.yaml", "owes_us:\n", "owes_us:\n    about: bill\n", "pressure", "hold owes_us"),
        ("actions/late_fee.yaml", ">= 10", ">= 5", "hardship", "hard step late_fee"),
        ("actions/bill_due.yaml", "days_since(about.due_at) >= 1", "days_since(about.due_at) >= 3",
         "hardship", "when bill_due gives grace"),
        ("actions/bill_due.yaml", "channels: [email, sms]", "channels: [sms]",
         "hardship", "channels by which bill_due gives grace"),
        ("facts.yaml", "last: [Case Opened, Case Resolved]", "last: Case Opened",
         "pressure", "last_case_at, which hold unhappy: while reads"),
        ("facts.yaml", "orders: {count: Order Completed", "orders: {count: Page Viewed",
         "bias", "orders, which cohort buyer reads"),
        ("consent.yaml", "marketing: {basis: consent", "marketing: {basis: legitimate_interest",
         "pressure", "basis of purpose marketing"),
        ("consent.yaml", "promotional: true", "promotional: false",
         "pressure", "purpose marketing is promotional"),
        ("actions/lamp_offer.yaml", "purpose: marketing", "purpose: service",
         "pressure", "purpose of lamp_offer"),
        ("actions/chair_offer.yaml", "topic: chairs", "topic: lamps", "pressure", "topic of chair_offer"),
        ("actions/bill_reminder.yaml", "kind: service", "kind: greeting",
         "pressure", "kind of bill_reminder"),
        ("actions/late_fee.yaml", "purpose: service", "purpose: marketing",
         "hardship", "purpose of late_fee"),
        ("contact.yaml", "money '0.05 EUR'", "money '0.009 EUR'",
         "pressure", "what one more contact costs the customer's patience"),
        ("contact.yaml", "money '0.05 EUR'", "CASE WHEN orders >= 9 THEN money '0.00 EUR' ELSE money '9.00 EUR' END",
         "pressure", "what one more contact costs the customer's patience"),
    ],
)  # fmt: skip
def test_what_can_only_worsen_is_found(
    base: Brand, file: str, before: str, after: str, kind: str, what: str
) -> None:
    """Each by its kind; the same change the other way round worsens nothing, or only its own kind."""
    found = find_worsenings(base, changed(file, before, after))
    assert [(one.kind, one.what) for one in found] == [(kind, what)]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("contact.yaml", "promotions_a_week: {count: 2", "promotions_a_week: {count: 1"),
        ("contact.yaml", 'start: "22:00"', 'start: "21:00"'),
        ("contact.yaml", "decline_rest: 20 days", "decline_rest: 90 days"),
        ("contact.yaml", "money '0.05 EUR'", "money '0.50 EUR'"),
        ("actions/bill_due.yaml", "channels: [email, sms]", "channels: [sms, email]"),
        ("facts.yaml", "views: {count: Page Viewed", "views: {personal: false, count: Page Viewed"),
        ("facts.yaml", "spent: {sum: Order Completed", "spent: {max: Order Completed"),
        ("consent.yaml", "service: {basis: contract", "service: {basis: consent"),
    ],
)
def test_what_is_gentler_needs_no_approval(base: Brand, file: str, before: str, after: str) -> None:
    """A stricter cap, a longer night and a longer rest pass by themselves."""
    assert find_worsenings(base, changed(file, before, after)) == []


def test_a_fact_that_a_protection_or_a_hard_step_rests_on_is_part_of_it(base: Brand) -> None:
    """A field of objects, and a segment with what is beneath it; each by what may worsen."""
    unpaid = changed("facts.yaml", "Bill Paid: {set: {paid: true}}", "Bill Paid: {set: {}}")
    assert {(one.kind, one.what) for one in find_worsenings(base, unpaid)} == {
        ("pressure", "bill.paid, which hold grace: while reads"),
        ("pressure", "bill.paid, which hold owes_us: while reads"),
        ("hardship", "bill.paid, which action bill_due: when reads"),
        ("hardship", "bill.paid, which action late_fee: when reads"),
    }
    hold = (
        "contact.yaml",
        "NOT paid AND days_since(due_at) >= 1)",
        "NOT paid) OR segment.browsing",
    )
    before = changed(*hold)
    (found,) = find_worsenings(
        before,
        load_brand(
            {
                **LARKMEAD,
                hold[0]: LARKMEAD[hold[0]].replace(hold[1], hold[2]),
                "cohorts.yaml": LARKMEAD["cohorts.yaml"].replace("views >= 2", "views >= 9"),
            }
        ),
    )
    assert found == Finding(
        kind="pressure",
        what="segment.browsing, which hold owes_us: while reads",
        before="views >= 2",
        after="views >= 9",
    )


def test_a_step_that_becomes_hard_is_new(base: Brand) -> None:
    """Whatever it was before."""
    harder = changed("actions/bill_reminder.yaml", "kind: service", "kind: measure")
    assert {(one.kind, one.what, one.before) for one in find_worsenings(base, harder)} == {
        ("hardship", "hard step bill_reminder", "none"),
        ("pressure", "kind of bill_reminder", "service"),
    }


@pytest.mark.parametrize(
    ("hushes", "about", "kind"),
    [
        ("{kinds: [measure]}", "", "hardship"),
        ("{purposes: [service]}", "", "hardship"),
        ("{promotional: false}", "about: bill\n    ", "hardship"),
        ("{}", "about: case\n    ", "pressure"),
        ("{topics: [chairs]}", "", "pressure"),
    ],
)
def test_a_hold_protects_however_it_names_the_hard_step(
    base: Brand, hushes: str, about: str, kind: str
) -> None:
    """By its kind, its purpose or as anything that is not promotional; and not where it is of others."""
    text = LARKMEAD["contact.yaml"].replace("{topics: [chairs]}", hushes)
    with_hold = load_brand(
        {**LARKMEAD, "contact.yaml": text.replace("owes_us:\n    ", f"owes_us:\n    {about}")}
    )
    gone = {name: hold for name, hold in with_hold.contact.holds.items() if name != "owes_us"}
    without = msgspec.structs.replace(
        with_hold, contact=msgspec.structs.replace(with_hold.contact, holds=gone)
    )
    assert [(one.kind, one.what) for one in find_worsenings(with_hold, without)] == [
        (kind, "hold owes_us")
    ]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("contact.yaml", 'start: "22:00"', 'start: "23:00"'),
        ("contact.yaml", "hushes: {topics: [chairs]}", "hushes: {topics: [lamps]}"),
        ("contact.yaml", "< 2", "< 1"),
        ("actions/lamp_offer.yaml", "kind: greeting", "kind: greeting\nurgent: true"),
        ("consent.yaml", "marketing: {basis: consent", "marketing: {basis: legitimate_interest"),
    ],
)
def test_what_no_figure_shows_waits_on_a_record_too(
    base: Brand, file: str, before: str, after: str
) -> None:
    """That nobody was awake, in need or unasked last month says little of the next."""
    worsenings = find_worsenings(base, changed(file, before, after))
    verdict = judge_change([], worsenings, versions=("a", "b"), measured=[], approved=Approved())
    assert verdict.unapproved == tuple(worsenings) != ()


def test_moving_the_limits_is_a_worsening_of_its_own(base: Brand) -> None:
    """A commit cannot make room for itself."""
    loosened = load_brand(
        {
            **LARKMEAD,
            "contact.yaml": LARKMEAD["contact.yaml"] + "limits: {pressure_rise_percent: 50}\n",
        }
    )
    assert [(one.kind, one.before, one.after) for one in find_worsenings(base, loosened)] == [
        ("limits", "10", "50")
    ]


# -- approvals


def approval(**changes: object) -> DiffApproval:
    """Return an approval of a change of the brand."""
    told = {"base": "a" * 64, "tried": "b" * 64, "allows": ("pressure",), "because": "agreed"}
    return DiffApproval(**{**told, **changes})  # type: ignore[arg-type]


def test_a_signed_approval_says_who_and_what() -> None:
    """It reads back as it was, with the name of the key that signed it."""
    note = sign_approval(approval(), name="ana", seed=SEED)
    assert read_approval(note, [key_of("ana", SEED)]) == (approval(), ("ana",))


def test_an_approval_by_nobody_on_the_list_counts_for_nothing() -> None:
    """A key of the same name that is another key is passed over."""
    note = sign_approval(approval(), name="ana", seed=SEED)
    assert read_approval(note, [key_of("ana", bytes(32))])[1] == ()


@pytest.mark.parametrize(
    ("before", "after"), [("pressure", "hardship"), ("b" * 64, "c" * 64), ("agreed", "signed")]
)
def test_an_approval_that_was_changed_is_refused(before: str, after: str) -> None:
    """Whoever edits a note breaks its signature."""
    note = sign_approval(approval(), name="ana", seed=SEED).replace(before, after, 1)
    with pytest.raises(InputError, match="the note was changed"):
        read_approval(note, [key_of("ana", SEED)])


@pytest.mark.parametrize("note", ["", "hello\n", "x\n\n— ana AAAA\n"])
def test_what_is_no_approval_is_refused(note: str) -> None:
    """Clearly, and before any signature is looked for."""
    with pytest.raises(InputError):
        read_approval(note, [key_of("ana", SEED)])


def test_an_approval_must_allow_something_and_say_why() -> None:
    """Neither an empty reason nor an unknown kind is signed."""
    with pytest.raises(InputError, match="say why"):
        sign_approval(approval(because=" "), name="ana", seed=SEED)
    with pytest.raises(InputError, match="allows one or more of"):
        sign_approval(approval(allows=("anything",)), name="ana", seed=SEED)


def test_the_list_of_approvers_is_read_line_by_line() -> None:
    """Comments are passed over; a line that is no key is named."""
    line = public_line("ana", SEED)
    assert parse_approvers(f"# who may\n{line}  # the board\n\n") == [key_of("ana", SEED)]
    with pytest.raises(InputError, match="line 2"):
        parse_approvers(f"{line}\nnonsense\n")
    with pytest.raises(InputError, match="names nobody"):
        parse_approvers("# nobody\n")


def test_a_key_id_that_is_not_its_keys_is_refused() -> None:
    """A line whose key was exchanged and whose id was not is none."""
    other = b64encode(b"\x01" + key_of("ana", bytes(32)).public).decode()
    exchanged = f"ana+{key_of('ana', SEED).key_id.hex()}+{other}"
    with pytest.raises(InputError):
        parse_approvers(exchanged)


def test_a_digest_tells_names_from_contents() -> None:
    """Moving a letter from a name to its content is another folder."""
    assert digest_folder({"ab": "c"}) != digest_folder({"a": "bc"})
    assert digest_folder({"a": "1", "b": "2"}) == digest_folder({"b": "2", "a": "1"})


# -- the verdict


WORSE = Finding(
    kind="pressure", what="cap week", before="2 in 7 days", after="3 in 7 days", is_counted=True
)
HARDER = Finding(kind="hardship", what="grace", before="10", after="5")


def verdict_of(measured: list[Finding] | None = None, **approved: tuple[str, ...]) -> Verdict:
    """Return the verdict on two worsenings."""
    return judge_change(
        [], [WORSE, HARDER], versions=("a", "b"), measured=measured, approved=Approved(**approved)
    )


def test_without_a_record_every_worsening_waits_for_an_approval() -> None:
    """All of it fails, what was approved does not, and an approval of one kind covers no other."""
    assert verdict_of().unapproved == (WORSE, HARDER)
    assert verdict_of(allows=("pressure",), by=("ana",)).unapproved == (HARDER,)
    assert not verdict_of(allows=("pressure", "hardship"), by=("ana",)).failed


def test_with_a_record_pressure_is_what_was_counted() -> None:
    """A cap that made no difference passes; grace that is shortened waits whatever was counted."""
    assert verdict_of(measured=[]).unapproved == (HARDER,)
    counted = Finding(kind="pressure", what="contacts", before="1", after="2", limit="10 %")
    assert verdict_of(measured=[counted]).unapproved == (counted, HARDER)


def test_a_verdict_is_short_in_a_pull_request() -> None:
    """The heading says whether it passes, and each worsening stands under it."""
    failed = to_markdown(verdict_of())
    assert failed.startswith("### ❌ 2 worsening(s) without approval: hardship, pressure")
    assert "* **hardship**: grace: 10 → 5" in failed
    passed = verdict_of(allows=("pressure", "hardship"), by=("ana",))
    assert to_text(passed).rstrip().endswith("approved by ana")
