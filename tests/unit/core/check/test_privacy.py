"""Recipients, retention, special categories and uses without a basis: planted mistakes, each found."""

from collections.abc import Mapping

import pytest

from kept.core.check import check_folder, errors_of
from tests.scenario.apothecary import APOTHECARY
from tests.unit.core.brand.sample import SAMPLE
from tests.unit.core.check.planted import assert_found, at_place, notes_in, with_text

C, B, F = "consent.yaml", "brand.yaml", "facts.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "says"),
    [
        (C, "recipient: relay", "recipient: rely", f"{C} recipient:", "no recipient `rely`"),
        (C, "country: AT", "country: Austria", f"{C} country:", "`Austria` is no country"),
        (
            C,
            "erasure: manual",
            "erasure: {url: 'http://relay.example/x', secret: 'env:S'}",
            f"{C} url:",
            "does not begin with https://",
        ),
        (
            C,
            "erasure: manual",
            "erasure: {url: 'env:U', secret: hunter2}",
            f"{C} secret:",
            "a value where a reference belongs",
        ),
        (C, "erasure: manual", "erasure: somehow", f"{C} somehow", "not one of 1 words"),
        (C, "erasure: manual", "erasure: {url: 'env:U'}", f"{C} ", "`secret` is missing"),
        (
            B,
            "name: first_name",
            "name: first_name\nretention: {Oder Completed: 3 days}",
            f"{B} Oder",
            "no source may send `Oder Completed`",
        ),
        (
            B,
            "name: first_name",
            "name: first_name\nretention: {Order Completed: 5000 days}",
            f"{B} Order",
            "longer than the history",
        ),
        (
            B,
            "name: first_name",
            "name: first_name\nretention: {Order Completed: 0 days}",
            f"{B} Order",
            "kept for no time",
        ),
        (
            C,
            "description: News and offers}",
            "description: News and offers, keep: 5000 days}",
            f"{C} keep:",
            "longer than the history",
        ),
        (
            C,
            "description: News and offers}",
            "description: News and offers, covers: [service]}",
            f"{C} covers:",
            "only an explicit consent covers",
        ),
        (
            C,
            "description: What a contract asks for}",
            "description: What a contract asks for, explicit: true}",
            f"{C} explicit:",
            "a contract is no consent",
        ),
    ],
)
def test_what_is_declared_of_recipients_and_keeping_must_hold(
    file: str, old: str, new: str, at: str, says: str
) -> None:
    """Each mistake at its place; two of one purpose are told together."""
    texts = with_text(file, old, new)
    found = [p for p in errors_of(check_folder(texts)) if says in p.message]
    assert len(found) == 1, check_folder(texts)
    where, _, piece = at.partition(" ")
    assert found[0].file == where
    assert at_place(texts, found[0]).startswith(piece)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("law: a law", 'law: " "', "no law is named"),
        ("events: [Order Completed]", "events: []", "nothing is kept"),
        ("events: [Order Completed]", "events: [Zzz]", "no source may send `Zzz`"),
        ("fields: [bill.amount]", "fields: [bill.amont]", "no field `bill.amont`"),
        ("keep: 4000 days", "keep: 0 days", "kept for no time"),
        (", de: b", "", "there is no text in `de`"),
    ],
)
def test_a_legal_hold_says_which_law_what_and_how_long(old: str, new: str, says: str) -> None:
    """And tells the customer in every language of the brand."""
    hold = (
        "legal_holds:\n  books:\n    law: a law\n    events: [Order Completed]\n"
        "    fields: [bill.amount]\n    keep: 4000 days\n    told: {en: a, de: b}\n"
    )
    whole = {**SAMPLE, B: SAMPLE[B].rstrip() + "\n" + hold}
    assert errors_of(check_folder(whole)) == []
    broken = {**SAMPLE, B: SAMPLE[B].rstrip() + "\n" + hold.replace(old, new)}
    assert [p.message for p in errors_of(check_folder(broken)) if says in p.message]


def test_who_is_given_data_without_a_name_is_noted() -> None:
    """A mail relay and a tool that is told of suppressions; nothing is refused."""
    texts = with_text(C, "    recipient: relay\n", "")
    texts["sources.yaml"] = texts["sources.yaml"].rstrip() + (
        "\n  mailer:\n    kind: server\n    identifiers: [email]\n"
        "    suppressions: {url: 'env:A', secret: 'env:B'}\n"
    )
    assert errors_of(check_folder(texts)) == []
    said = {note.message for note in notes_in(texts)}
    assert "`email` is given personal data, and nobody says who that is" in said
    assert "`mailer` is given personal data, and nobody says who that is" in said
    assert "nothing is given to the recipient `relay`" in said


def test_a_recipient_that_cannot_be_told_to_erase_is_noted() -> None:
    """A call, or a person: one of the two."""
    texts = with_text(C, "    erasure: manual\n", "")
    assert [note.message for note in notes_in(texts)] == [
        "nothing says how `relay` is told to erase somebody"
    ]


def test_a_segment_that_nothing_uses_is_a_use_without_a_basis() -> None:
    """It reads personal data for no purpose at all."""
    texts = with_text("cohorts.yaml", "segments:\n", "segments:\n  idle: {when: orders_90d > 1}\n")
    assert_found(
        texts,
        at="cohorts.yaml idle:",
        says="segment idle reads `orders_90d` and serves no action: a use without a basis",
        hint="let an action",
    )


def test_a_segment_of_nothing_personal_is_only_noted() -> None:
    """Nobody's data is read by it."""
    texts = with_text(
        F, "views_7d: {", "idle_f: {count: Product Viewed, personal: false}\n  views_7d: {"
    )
    texts["cohorts.yaml"] = texts["cohorts.yaml"].replace(
        "segments:\n", "segments:\n  idle: {when: idle_f > 1}\n"
    )
    assert errors_of(check_folder(texts)) == []
    assert "segment idle serves no action" in {note.message for note in notes_in(texts)}


def test_cohorts_and_holds_that_serve_nothing_are_refused() -> None:
    """A cohort that no policy asks for, a hold that can hush nothing."""
    texts = with_text(
        "actions/small_loan.yaml", "cohort = 'loyal' AND segment.browsing", "segment.browsing"
    )
    says = [p.message for p in errors_of(check_folder(texts))]
    assert says == [
        "cohort newcomer reads `customer_since` and serves no action: a use without a basis",
        "cohort loyal reads `customer_since` and serves no action: a use without a basis",
    ]
    hold = "  idle:\n    while: days_since(last_case_at) < 2\n    hushes: {kinds: [survey]}\n    because: x\n"
    texts = with_text("contact.yaml", "holds:\n", f"holds:\n{hold}")
    assert_found(texts, at="contact.yaml idle:", says="a use without a basis")


def test_what_is_asked_for_and_not_used_is_noted() -> None:
    """GDPR, article 5(1)(c): no more than is needed."""
    texts = with_text(B, "asks: [first_name]", "asks: [first_name, birthday]")
    texts[F] = texts[F].replace(
        "traits:\n", "traits:\n  birthday: {type: date, ask: {en: When?, de: Wann?}}\n"
    )
    assert errors_of(check_folder(texts)) == []
    assert "`birthday` is asked for, and nothing uses it" in {n.message for n in notes_in(texts)}


# -- special categories


def sensitive_with(file: str, old: str, new: str) -> Mapping[str, str]:
    """Return the brand of three sensitive facts with one text exchanged."""
    assert old in APOTHECARY[file]
    return {**APOTHECARY, file: APOTHECARY[file].replace(old, new, 1)}


ILL = "ill: {type: bool, sensitive: true, processed_for: [shop, care]}"
SIGHT = "  views: {count: Page Viewed"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (F, ILL, "ill: {type: bool, sensitive: true}", "no explicit consent covers it"),
        (F, ILL, "ill: {type: bool, processed_for: [shop, care]}", "nothing here is of a special"),
        (
            F,
            ILL,
            "ill: {type: bool, personal: false, sensitive: true, processed_for: [shop, care]}",
            "what is of a special category is personal",
        ),
        (F, ILL, ILL.replace("shop, care", "shp, care"), "no legal entity `shp`"),
        (F, ILL, ILL.replace("shop, care", "shop, marketing"), "is no explicit consent"),
        (C, "  care_1:", "  unused_1:", ""),
        (
            C,
            "    covers: [service]\n",
            "",
            "`trait.ill` is read by action get_well for shop/service",
        ),
        (
            "actions/get_well.yaml",
            "entity: shop",
            "entity: bank",
            "read by action get_well for bank/service; its explicit consent is for shop/care",
        ),
        (
            F,
            SIGHT,
            "  seen: {top: Case Opened, of: diagnosis}\n" + SIGHT,
            "it tells what `case.diagnosis` tells",
        ),
        (
            F,
            "status: text, diagnosis: text}",
            "status: text, diagnosis: text, copy: text}",
            "",
        ),
        (B, "region: region", "region: ill", "here it would serve everybody"),
        (B, "asks: [first_name, birthday]", "asks: [first_name, ill]", "here it would serve"),
        (C, "    address: email\n", "    address: ill\n", "here it would serve everybody"),
    ],
)
def test_a_special_category_needs_an_explicit_consent_that_covers_its_use(
    file: str, old: str, new: str, says: str
) -> None:
    """Its declaration, each policy that reads it, and each fact that would tell it as well."""
    found = [p.message for p in errors_of(check_folder(sensitive_with(file, old, new)))]
    assert bool(found) is bool(says), found
    assert not says or any(says in message for message in found), found


def test_a_field_that_copies_a_special_category_is_refused() -> None:
    """From the same property of the same event, under a name that says nothing."""
    texts = dict(
        sensitive_with(
            F, "status: text, diagnosis: text}", "status: text, diagnosis: text, note: text}"
        )
    )
    texts[F] = texts[F].replace(
        "diagnosis: properties.diagnosis}",
        "diagnosis: properties.diagnosis, note: properties.diagnosis}",
    )
    found = [p.message for p in errors_of(check_folder(texts))]
    assert found == ["`note` tells what `case.diagnosis` tells, which is of a special category"]


def test_a_cohort_hands_on_what_it_reads() -> None:
    """Whoever asks for the cohort asks for the special category in it."""
    texts = dict(
        sensitive_with("cohorts.yaml", "cohorts:\n", "cohorts:\n  ailing: {when: trait.ill}\n")
    )
    found = [p.message for p in errors_of(check_folder(texts))]
    assert found == [
        (
            "`trait.ill` through cohort is read by action first_order_thanks for shop/marketing; "
            "its explicit consent is for shop/care"
        )
    ]


def test_a_hold_may_spare_whoever_consented() -> None:
    """It keeps something from being said, which is what the consent was given for."""
    hold = "  ailing: {while: trait.ill, hushes: {actions: [lamp_offer]}, because: They are ill.}\n"
    texts = dict(sensitive_with("contact.yaml", "holds:\n", "holds:\n" + hold))
    texts["facts.yaml"] = texts["facts.yaml"]
    assert errors_of(check_folder(texts)) == []
    of_bank = hold.replace("lamp_offer", "chair_offer")
    texts = dict(sensitive_with("contact.yaml", "holds:\n", "holds:\n" + of_bank))
    assert "for bank/marketing" in errors_of(check_folder(texts))[0].message


def test_a_special_category_is_not_written_into_a_plain_field() -> None:
    """What an action sets of an object is read by others."""
    texts = {
        **APOTHECARY,
        "actions/bill_due.yaml": APOTHECARY["actions/bill_due.yaml"].replace(
            "sets: {grace_until: 'add_days(about.due_at, 6)'}",
            "sets: {grace_until: 'CASE WHEN trait.ill THEN about.due_at ELSE NULL END'}",
        ),
    }
    assert [p.message for p in errors_of(check_folder(texts))] == [
        "`grace_until` would tell a special category, and is none itself"
    ]
