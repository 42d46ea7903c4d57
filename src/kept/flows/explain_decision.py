"""Explain a stored decision, by the brand that made it, and prove it by making it again.

Two steps: the first looks the trace and the brand's texts up, on the writer; the second compiles
(unless that brand is still in force) and explains, which needs no store and may run anywhere.
"""

import re
from typing import Any, Final

import msgspec

from kept.core.brand.load import read_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.decision import Decision
from kept.core.explain import Explained, explain, explain_reason, explain_to_customer, replays_alike
from kept.core.facts import TRAIT_PREFIX
from kept.core.mask import mask_text, mask_value
from kept.core.reason import Held, HoldUnknown, code_of
from kept.core.template.render import Line, Situation
from kept.core.values import format_instant
from kept.errors import NotFoundError
from kept.flows.engine import Engine, decode_trace
from kept.flows.note_in_log import note_operator

_ADDRESS: Final = re.compile(r"[^\s<>\"',;:()]+@[^\s<>\"',;:()]+")


class Consideration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One action that was looked at, and the first layer's no, if any."""

    action: str
    about: str = ""
    score: int = 0
    code: str = ""
    layer: str = ""
    sentence: str = ""
    until: str = ""


class DecisionExplained(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in sentences, and whether it comes out the same when it is made again."""

    decision_id: int
    decided_at: str
    placement: str
    brand_version: str
    customer_id: int
    cohort: str
    is_silence: bool
    chosen: tuple[str, ...]
    explained: Explained
    customer: tuple[str, ...]
    """What the customer may read."""
    considered: tuple[Consideration, ...]
    replays_alike: bool


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """A stored decision with what it takes to explain it."""

    decision: Decision
    bundle: Bundle | None
    """The brand that decided, where it is still in force."""
    texts: dict[str, str]
    """Its folder, where it is not."""
    part_id: int
    """Whom it was about."""


def recall_decision(engine: Engine, decision_id: int, *, actor: str, now: int) -> Recalled:
    """Look a decision up, and the brand that made it, and record who looked.

    Raises:
        NotFoundError: there is no such decision, or its brand was not kept.
    """
    row = engine.store.read_decision(decision_id)
    if row is None:
        raise NotFoundError(f"there is no decision {decision_id}")
    detail = {"decision_id": decision_id}
    note_operator(
        engine.store,
        "staff_access",
        actor=actor,
        verb="explain",
        detail=detail,
        now=now,
        part_id=row.part_id,
    )
    decision = decode_trace(row.trace)
    if decision.brand_version == engine.bundle.policy.version:
        return Recalled(decision=decision, bundle=engine.bundle, texts={}, part_id=row.part_id)
    brand = engine.store.load_brand(decision.brand_version)
    if brand is None:
        raise NotFoundError(f"the brand {decision.brand_version}, which decided it, was not kept")
    return Recalled(decision=decision, bundle=None, texts=brand.texts, part_id=row.part_id)


def explain_decision(recalled: Recalled, *, is_unmasked: bool = False) -> DecisionExplained:
    """Explain a decision that was looked up; nothing but its trace and its brand is read.

    Values of the person are masked in what is said, unless whoever asks may see them.
    """
    told = _tell(recalled, is_unmasked=is_unmasked)
    return told if is_unmasked else _hide_keys(told, recalled.decision)


def _tell(recalled: Recalled, *, is_unmasked: bool) -> DecisionExplained:
    decision = recalled.decision
    bundle = recalled.bundle or compile_brand(read_brand(recalled.texts).brand)
    staff = sentences_of(decision, bundle, for_customer=False, is_unmasked=is_unmasked)
    customer = sentences_of(decision, bundle, for_customer=True, is_unmasked=is_unmasked)
    return DecisionExplained(
        decision_id=decision.decision_id,
        decided_at=format_instant(decision.decided_at),
        placement=decision.request.placement,
        brand_version=decision.brand_version,
        customer_id=decision.customer_id,
        cohort=decision.cohort or "",
        is_silence=decision.is_silence,
        chosen=tuple(one.action for one in decision.chosen),
        explained=explain(decision, bundle.policy, sentences=staff),
        customer=explain_to_customer(decision, sentences=customer),
        considered=tuple(
            Consideration(
                action=one.action,
                about=one.about,
                score=one.score,
                code=code_of(one.reason) if one.reason else "",
                layer=one.reason.layer if one.reason else "",
                sentence=(
                    explain_reason(one.reason, zone=decision.facts.zone) if one.reason else ""
                ),
                until=(
                    format_instant(one.reason.until)
                    if one.reason and one.reason.until > decision.decided_at
                    else ""
                ),
            )
            for one in decision.considered
        ),
        replays_alike=replays_alike(decision, bundle.policy),
    )


def _hide_keys(told: DecisionExplained, decision: Decision) -> DecisionExplained:
    """Return an explanation in which no object's key, such as a parcel number, stands in full."""
    named = [one.about for one in decision.considered] + [one.about for one in decision.chosen]
    abouts = {about for about in named if "/" in about}
    # The longest first, for one key may be the beginning of another.
    hidden = [(about, _mask_about(about)) for about in sorted(abouts, key=len, reverse=True)]

    def hide(text: str) -> str:
        for about, masked in hidden:
            text = text.replace(about, masked)
        # What a provider says of a refusal may hold the address.
        return _ADDRESS.sub(lambda found: mask_text(found[0]), text)

    explained = told.explained
    return msgspec.structs.replace(
        told,
        explained=Explained(
            outcome=hide(explained.outcome),
            reasons=tuple(map(hide, explained.reasons)),
            holds=explained.holds,
            would_change=tuple(map(hide, explained.would_change)),
        ),
        considered=tuple(
            msgspec.structs.replace(one, about=hide(one.about)) for one in told.considered
        ),
    )


def _mask_about(about: str) -> str:
    kind, _, key = about.partition("/")
    return f"{kind}/{mask_text(key)}"


def sentences_of(
    decision: Decision, bundle: Bundle, *, for_customer: bool, is_unmasked: bool
) -> dict[str, str]:
    """Return what the brand says of each hold that was on; a sentence with a gap is left out."""
    lines = bundle.customer_becauses if for_customer else bundle.becauses
    sentences = {}
    for hold in decision.holds:
        line = lines.get(hold)
        text = (
            _render(line, hold, decision, bundle=bundle, is_unmasked=is_unmasked)
            if line is not None
            else None
        )
        if isinstance(text, str):
            sentences[hold] = text
    return sentences


def _render(
    line: Line, hold: str, decision: Decision, *, bundle: Bundle, is_unmasked: bool
) -> str | None:
    about = next(
        (
            one.about
            for one in decision.considered
            if isinstance(one.reason, Held | HoldUnknown) and one.reason.hold == hold and one.about
        ),
        "",
    )
    text = line.render(_situation(decision, bundle, about, is_unmasked=is_unmasked))
    return text if isinstance(text, str) else None


def _situation(decision: Decision, bundle: Bundle, about: str, *, is_unmasked: bool) -> Situation:
    """Return what could be said when it was decided: the facts of the trace, and nothing newer."""
    file = bundle.brand.brand
    traits: dict[str, Any] = {}
    values: dict[str, Any] = {"trait": traits, "brand": {"name": file.brand}}
    for name, value in zip(bundle.policy.fact_names, decision.facts.values, strict=False):
        if name.startswith(TRAIT_PREFIX):
            traits[name.removeprefix(TRAIT_PREFIX)] = value
        else:
            values[name] = value
    values["name"] = traits.get(file.name) or traits.get("first_name")
    kind, _, key = about.partition("/")
    if kind in bundle.policy.object_kinds:
        index = bundle.policy.object_kinds.index(kind)
        fields = bundle.policy.object_fields[index]
        for row in decision.facts.objects[index]:
            if row[0] == key:
                values["about"] = dict(zip(fields, row, strict=True))
    locale = traits.get(file.locale)
    return Situation(
        values=values if is_unmasked else _mask_values(values),
        schema=bundle.template_schema("", kind),
        locale=locale if isinstance(locale, str) and locale else file.locales[0],
        zone=decision.facts.zone or file.time_zone,
        now=decision.decided_at,
    )


def _mask_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return what a text may say with every text of the person's masked.

    A trait that is no text cannot be masked, and is left out: a sentence that names it is not said.
    """
    masked: dict[str, Any] = {}
    for name, value in values.items():
        if name == "trait":
            masked[name] = {
                trait: mask_value(each)
                for trait, each in value.items()
                if each is None or isinstance(each, bool | str)
            }
        elif name == "about":
            masked[name] = {field: _mask_words(each) for field, each in value.items()}
        else:
            masked[name] = _mask_words(value) if name != "brand" else value
    return masked


def _mask_words(value: Any) -> Any:
    return mask_text(value) if isinstance(value, str) else value
