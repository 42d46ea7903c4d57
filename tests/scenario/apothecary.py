"""The small brand of scenarios with three facts of a special category, read under one explicit consent."""

from functools import cache
from typing import Any, Final

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.check import check_folder, errors_of
from kept.core.compile import compile_brand
from kept.core.touchpoint_item import WireItem
from kept.core.values import SECOND
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD

NOON: Final = 1_772_452_800_000_000
"""2026-03-02T12:00:00Z."""
_CASE: Final = """fields: {status: text}
    events:
      Case Opened: {set: {status: open}}"""
_CASE_WITH_DIAGNOSIS: Final = """fields: {status: text, diagnosis: text}
    sensitive: [diagnosis]
    processed_for: [shop, care]
    events:
      Case Opened: {set: {status: open, diagnosis: properties.diagnosis}}"""

APOTHECARY: Final = {
    **LARKMEAD,
    "facts.yaml": LARKMEAD["facts.yaml"]
    .replace(
        "  email: {type: text}\n",
        "  email: {type: text}\n"
        "  ill: {type: bool, sensitive: true, processed_for: [shop, care]}\n",
    )
    .replace(_CASE, _CASE_WITH_DIAGNOSIS)
    .rstrip()
    + "\n  last_diagnosis:\n"
    "    {last: Case Opened, of: diagnosis, type: text, sensitive: true, processed_for: [shop, care]}\n",
    "sources.yaml": LARKMEAD["sources.yaml"].replace(
        "phone, email, birthday]", "phone, email, birthday, ill]"
    ),
    "consent.yaml": LARKMEAD["consent.yaml"].replace(
        "topics:\n",
        "  analysis: {basis: legitimate_interest, promotional: false, description: Learning}\n"
        "  care:\n"
        "    basis: consent\n"
        "    explicit: true\n"
        "    promotional: false\n"
        "    description: Being gentle\n"
        "    covers: [service]\n"
        "wordings:\n"
        "  care_1: {purpose: care, since: 2026-01-01, text: {en: You may use that I am ill.}}\n"
        "  care_2: {purpose: care, since: 2026-02-01, text: {en: You may know that I am ill.}}\n"
        "  news_1: {purpose: marketing, since: 2026-01-01, text: {en: I would like news.}}\n"
        "topics:\n",
        1,
    ),
    "actions/get_well.yaml": (
        "action: get_well\nkind: service\nentity: shop\npurpose: service\n"
        "when: trait.ill OR last_diagnosis = 'flu' OR exists(case, diagnosis = 'flu')\n"
        "channels: [email]\n"
    ),
    "templates/get_well.en.liquid": "Subject: get_well\n\nGet well{% if trait.ill %}, dear{% endif %}.\n",
}


@cache
def compile_apothecary() -> Bundle:
    """Return the brand, checked and compiled."""
    assert errors_of(check_folder(APOTHECARY)) == []
    return compile_brand(load_brand(APOTHECARY))


def stage_of_apothecary() -> Stage:
    """Return an empty stage at noon."""
    return Stage(compile_apothecary(), MemoryStore(), now=NOON, shadow=False)


def tell(stage: Stage, event: str, user_id: str = "ana", **details: Any) -> Any:
    """Let the shop say one thing about a customer, a second after the last."""
    stage.now += SECOND
    kind = "identify" if event == "Identified" else "track"
    item = WireItem(
        type=kind,
        event=event if kind == "track" else None,
        user_id=user_id,
        timestamp=stage.now / SECOND,
        **details,
    )
    return stage.signal(item, source="shop", body={})


def agree(stage: Stage, user_id: str = "ana", **properties: str) -> None:
    """Let a customer give the explicit consent, or another word of the same kind."""
    words = {"entity": "shop", "purpose": "care", "wording": "care_1"} | properties
    tell(stage, "Consent Given", user_id, properties=words)
