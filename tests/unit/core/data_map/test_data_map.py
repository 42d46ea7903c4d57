"""The data map, on a brand small enough to know by heart."""

import pytest

from kept.core.brand.load import load_brand
from kept.core.data_map import DataField, DataMap, map_data
from kept.core.data_map.write import rows_of, shorter_rows_of, to_csv
from tests.scenario.apothecary import APOTHECARY
from tests.unit.core.brand.sample import SAMPLE


@pytest.fixture(scope="module")
def sample() -> DataMap:
    """Return the map of the sample brand."""
    return map_data(load_brand(SAMPLE))


def field(data: DataMap, name: str) -> DataField:
    """Return a field that must be there."""
    found = data.find(name)
    assert found is not None
    return found


def readers(data: DataMap, name: str, purpose: str) -> set[str]:
    """Return who reads a field for one purpose."""
    return {
        reader
        for use in field(data, name).uses
        if f"{use.entity}/{use.purpose}" == purpose
        for reader in use.readers
    }


def test_what_a_condition_reads_is_a_use_of_its_action(sample: DataMap) -> None:
    """Directly, by the field of the object in play and by whether there is one."""
    assert "action missed_bill: when" in readers(sample, "bill.due_at", "shop/service")
    assert "action missed_bill: when" in readers(sample, "bill.key", "shop/service")
    assert "action phone_plan: value" in readers(sample, "spent_90d", "shop/marketing")
    assert "action small_loan: customer_benefit" in readers(sample, "spent_90d", "bank/marketing")


def test_a_cohort_carries_what_it_is_made_of(sample: DataMap) -> None:
    """Who asks for the cohort reads what every cohort asks for, for their order decides."""
    through = readers(sample, "customer_since", "bank/marketing")
    assert "action small_loan: when, through cohort" in through
    assert "action small_loan: when, through segment.browsing" in readers(
        sample, "views_7d", "bank/marketing"
    )


def test_a_hold_reads_for_what_it_hushes(sample: DataMap) -> None:
    """Its condition and what it says of why, for each action that it may hush and for no other."""
    assert "hold unhappy: while" in readers(sample, "case.status", "bank/marketing")
    assert "hold unhappy: because" in readers(sample, "orders_90d", "shop/marketing")
    assert not readers(sample, "case.status", "shop/service")


def test_a_feature_says_what_it_is_computed_from(sample: DataMap) -> None:
    """The event and its property, and the sources that may send it."""
    spent = field(sample, "spent_90d")
    assert spent.derived_from == ("Order Completed.total",)
    assert [origin.source for origin in spent.origins] == ["billing"]
    order = field(sample, "event.Order Completed")
    assert {"as orders_90d", "as spent_90d"} <= {r for use in order.uses for r in use.readers}


def test_what_an_action_sets_comes_from_ourselves(sample: DataMap) -> None:
    """A grace date is known from no source."""
    assert [(o.source, o.place) for o in field(sample, "bill.grace_until").origins] == [
        ("kept", "set by action missed_bill")
    ]


def test_a_provider_is_given_the_address_and_what_the_text_says(sample: DataMap) -> None:
    """And the key of the object, which goes with the message; nothing of what it does not say."""
    given = {(s.recipient, s.through, s.what) for s in field(sample, "trait.email").shared}
    assert ("relay", "channel email", "address") in given
    given = {(s.recipient, s.through, s.what) for s in field(sample, "bill.key").shared}
    assert ("relay", "channel email", "object") in given
    assert not field(sample, "bill.paid").shared
    assert ("relay", "channel email", "text") in {
        (s.recipient, s.through, s.what) for s in field(sample, "bill.due_at").shared
    }


def test_a_tool_is_told_identifiers_and_wishes() -> None:
    """Whoever is told of suppressions is given what names the customer, and what they allowed."""
    tool = (
        "  mailer:\n    kind: server\n    identifiers: [email]\n    recipient: relay\n"
        "    suppressions: {url: 'env:A', secret: 'env:B', purposes: [marketing]}\n"
    )
    texts = {**SAMPLE, "sources.yaml": SAMPLE["sources.yaml"].rstrip() + "\n" + tool}
    data = map_data(load_brand(texts))
    for name in ("identifier.email", "consents"):
        (share,) = [s for s in field(data, name).shared if s.what == "suppressions"]
        assert (share.recipient, share.through) == ("relay", "source mailer")
        assert "*/marketing" in share.purposes
        assert "shop/service" not in share.purposes
    assert not [s for s in field(data, "identifier.user_id").shared if s.what == "suppressions"]


def test_what_nobody_declared_is_personal(sample: DataMap) -> None:
    """Events whole, features and fields of objects; only what says otherwise is not."""
    assert field(sample, "event.Bill Paid").personal
    assert field(sample, "event.Bill *").personal
    assert field(sample, "bill.paid").personal
    assert field(sample, "orders_90d").personal
    assert not field(sample, "trait.language").personal


def test_until_when_is_the_shortest_of_what_binds() -> None:
    """History, then the event's own limit, then that of its purposes; a law outlives them all."""
    brand = SAMPLE["brand.yaml"].rstrip() + (
        "\nretention: {Order Completed: 400 days}\n"
        "legal_holds:\n  books:\n    law: a law\n    events: [Order Completed]\n    keep: 4000 days\n"
        "    told: {en: We must., de: Wir müssen.}\n"
    )
    consent = SAMPLE["consent.yaml"].replace(
        "description: News and offers}", "description: News and offers, keep: 100 days}"
    )
    data = map_data(load_brand({**SAMPLE, "brand.yaml": brand, "consent.yaml": consent}))
    kept = [(k.duration, k.because.partition(":")[0]) for k in field(data, "spent_90d").kept]
    assert kept == [("100 days", "purpose marketing"), ("4000 days", "legal hold books")]
    # Another purpose, without an end of its own, needs it as long as there is any.
    assert field(data, "bill.due_at").kept[0].duration == "1095 days"
    assert field(data, "event.Order Completed").kept[0].duration == "100 days"


def test_a_special_category_names_its_consent() -> None:
    """In the map and in the table."""
    data = map_data(load_brand(APOTHECARY))
    assert field(data, "trait.ill").explicit == ("shop", "care")
    (row,) = [row for row in rows_of(data) if row[0] == "case.diagnosis"]
    assert row[1] == "special category, only with explicit consent for shop/care"


def test_the_map_is_in_one_order_whatever_the_actions_are(sample: DataMap) -> None:
    """The folder's files may be read in any order."""
    turned = dict(reversed(list(SAMPLE.items())))
    assert to_csv(map_data(load_brand(turned))) == to_csv(sample)


def test_a_screen_shows_less_of_much(sample: DataMap) -> None:
    """What there is a lot of is counted, and nothing is left out."""
    assert len(shorter_rows_of(sample)) == len(rows_of(sample))
    assert all(cell.count("; ") <= 4 for row in shorter_rows_of(sample) for cell in row[2:5])
