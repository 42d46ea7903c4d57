"""What of a special category an analysis does not see, wherever in an event it stands."""

from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.consent import purpose_key
from kept.core.event import CORRECTED, MESSAGE_LEAVING, SOURCE_SELF, Event
from kept.core.history_rows import HistoryRow, Lens
from kept.core.state import Stamped
from tests.scenario.apothecary import APOTHECARY, NOON

NESTED = {
    **APOTHECARY,
    "facts.yaml": APOTHECARY["facts.yaml"].replace(
        "diagnosis: properties.diagnosis", "diagnosis: properties.health.kind"
    ),
}
EXPLICIT = {
    purpose_key("shop", "care"): Stamped(value=True, at=NOON, event_key=1, source="shop#care_1")
}
"""The explicit consent, which covers the purpose `service` too."""
HEALTH = {"case_id": "c-1", "health": {"kind": "flu", "visits": 3}}


def read(
    name: str,
    *,
    consents: dict[str, Stamped] | None = None,
    fields: tuple[str, ...] = (),
    in_the_clear: bool = True,
    **told: Any,
) -> HistoryRow | None:
    """Return what is read of an event, in the clear, for the service of the shop."""
    lens = Lens(
        load_brand(NESTED),
        entity="shop",
        purpose="service",
        fields=fields,
        in_the_clear=in_the_clear,
    )
    source = SOURCE_SELF if name in (CORRECTED, MESSAGE_LEAVING) else "shop"
    event = Event(
        event_key=1,
        message_id="m-1",
        source=source,
        name=name,
        type="track",
        occurred_at=NOON,
        received_at=NOON,
        **told,
    )
    return lens.read(1, 2, event, consents or {})


def properties(row: HistoryRow | None) -> dict[str, Any]:
    """Return the properties of a row that is there."""
    assert row is not None
    return row.properties


CORRECTION = {
    "kind": "case",
    "key": "c-1",
    "set": {"diagnosis": "flu", "status": "open"},
    "rejected": {"case/c-1/diagnosis": ["digest"]},
}
LEFT = {"action": "get_well", "about": "case/c-1", "sets": {"diagnosis": "flu", "status": "open"}}


@pytest.mark.parametrize(
    ("name", "told", "seen"),
    [
        ("Case Opened", HEALTH, {"case_id": "c-1"}),
        (CORRECTED, CORRECTION, {"kind": "case", "key": "c-1", "set": {"status": "open"}}),
        (CORRECTED, CORRECTION | {"set": {"diagnosis": "flu"}}, {"kind": "case", "key": "c-1"}),
        (MESSAGE_LEAVING, LEFT, LEFT | {"sets": {"status": "open"}}),
    ],
)
def test_without_its_consent_it_is_nowhere(
    name: str, told: dict[str, Any], seen: dict[str, Any]
) -> None:
    """Nested in what a source told, put right by staff, and set by an action."""
    assert properties(read(name, properties=told)) == seen
    assert properties(read(name, properties=told, consents=EXPLICIT)) == told


def test_what_was_wrong_of_a_trait_is_no_clue_either() -> None:
    """The digests of what a trait was said to be go with the trait."""
    told = {"rejected": {"trait.ill": ["digest"]}}
    row = read(CORRECTED, properties=told, traits={"ill": True})
    assert row is not None
    assert (row.properties, row.traits) == ({}, {})
    other = read(CORRECTED, properties=told, traits={"first_name": "Ana"})
    assert properties(other) == told


def test_a_field_that_is_set_from_a_nested_path_can_be_asked_for() -> None:
    """That leaf alone is shown, and not what stands beside it; without its consent, nothing is."""
    asked = ("case.diagnosis",)
    assert read("Case Opened", properties=HEALTH, fields=asked) is None
    row = read("Case Opened", properties=HEALTH, fields=asked, consents=EXPLICIT)
    assert properties(row) == {"health": {"kind": "flu"}}
    masked = read(
        "Case Opened", properties=HEALTH, fields=asked, consents=EXPLICIT, in_the_clear=False
    )
    assert "flu" not in str(properties(masked))
    for other in ({"case_id": "c-1"}, {"health": "flu"}, {"health": {"visits": 3}}):
        assert read("Case Opened", properties=other, fields=asked, consents=EXPLICIT) is None
