"""Write one message: the newest values into its template, or the gap that keeps it from going."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kept.core.contest import add_contest
from kept.core.explicit_consent import hidden_facts
from kept.core.facts import TRAIT_PREFIX, find_address
from kept.core.fold.told import told_objects_of, told_text, told_traits
from kept.core.message import Message, Outgoing
from kept.core.notices import breach_of
from kept.core.state import Stamped, State
from kept.core.template.render import Missing, Rendered, Situation
from kept.core.unsubscribe import (
    Unsubscribe,
    add_footer,
    list_unsubscribe_headers,
    make_link,
    make_token,
)
from kept.flows.approval_requests import contest_link
from kept.flows.breach_records import breach_values
from kept.flows.customers import Customer
from kept.flows.engine import Engine

_LETTERS: Final = frozenset({"smtp", "files"})
"""Adapters whose texts have room for a footer."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Why a message cannot be written: values that are not known, or the template's own fault."""

    names: tuple[str, ...]


def compose(engine: Engine, customer: Customer, message: Message, now: int) -> Outgoing | Gap:
    """Return the message as it goes to the provider, or why it does not go."""
    bundle = engine.bundle
    state = customer.total(engine.plan)
    channel = bundle.brand.consent.channels[message.channel]
    address: str | None = ""
    if channel.address:
        address = find_address(bundle.fact_plan, message.channel, state, customer.identifiers)
    if address is None:
        return Gap(names=(f"address for {message.channel}",))
    token = make_token(
        Unsubscribe(
            part_id=message.part_id,
            entity=message.entity,
            purpose=message.purpose,
            channel=message.channel,
            message_id=message.message_id,
        ),
        secret=engine.secret,
    )
    link = make_link(engine.public_url, token)
    situation = situation_of(engine, customer, now, action=message.action, about=message.about)
    values = dict(situation.values) | {"unsubscribe_url": link}
    contest = ""
    if bundle.policy.by_name[message.action].needs_approval:
        contest = contest_link(engine, customer, message.action, message.about)
        values["contest_url"] = contest
    # What the message itself makes true (a grace date) is what it speaks of.
    if message.sets:
        values["about"] = values["about"] | message.sets
    rendered = bundle.templates.render(
        bundle.brand.actions[message.action].template or message.action,
        message.channel,
        msgspec.structs.replace(situation, values=values),
    )
    if isinstance(rendered, Missing):
        return Gap(names=rendered.names)
    if not isinstance(rendered, Rendered):
        return Gap(names=(rendered.detail,))
    if contest:
        rendered = add_contest(rendered, link=contest, locale=situation.locale)
    if message.promotional and channel.adapter in _LETTERS:
        entity = bundle.brand.brand.legal_entities[message.entity]
        imprint = f"{entity.name}, {entity.address}"
        rendered = add_footer(rendered, link=link, imprint=imprint, locale=situation.locale)
    return Outgoing(
        message_id=message.message_id,
        idempotency_key=message.message_id,
        channel=message.channel,
        action=message.action,
        to=address,
        sender=channel.sender.get(message.entity, ""),
        subject=rendered.subject or rendered.title,
        text=rendered.text,
        html=rendered.html,
        headers=list_unsubscribe_headers(link) if message.promotional else {},
        data={"about": message.about, "kind": message.kind, "purpose": message.purpose},
        expires_at=message.expires_at,
    )


def situation_of(
    engine: Engine, customer: Customer, now: int, *, action: str = "", about: str = ""
) -> Situation:
    """Return what texts about a customer (and an action, and an object) may say."""
    bundle = engine.bundle
    file = bundle.brand.brand
    state = customer.total(engine.plan)
    hidden = hidden_facts(bundle.fact_plan.guards, state.consents)
    values: dict[str, Any] = {
        "name": name_of(engine, state),
        "trait": dict.fromkeys(bundle.brand.facts.traits)
        | {
            name: said.value
            for name, said in told_traits(engine.plan, state).items()
            if f"{TRAIT_PREFIX}{name}" not in hidden
        },
        "brand": {"name": file.brand},
    }
    view = customer.view
    read, _ = view.read(bundle.fact_plan, state, now)
    for index, feature in enumerate(bundle.fact_plan.features):
        value = read[index]
        if index not in view.unknown and (value is None or isinstance(value, bool | int | str)):
            values[feature.name] = value
    breach = breach_of(about)
    if about and not breach:
        kind, _, key = about.partition("/")
        fields = {
            field: said
            for field, said in told_objects_of(engine.plan, state, kind).get(key, {}).items()
            if f"{kind}.{field}" not in hidden
        }
        values["about"] = _object_values(bundle.brand.facts.objects[kind].fields, key, fields)
    if action:
        values |= bundle.action_values.get(action, {})
    locale = told_text(engine.plan, state, file.locale) or file.locales[0]
    if breach and action:
        contact = file.legal_entities[bundle.brand.actions[action].entity].contact
        values["breach"] = breach_values(engine, customer, breach, contact=contact, locale=locale)
    return Situation(
        values=values,
        schema=bundle.template_schema(action, "" if breach else about.partition("/")[0]),
        locale=locale,
        zone=told_text(engine.plan, state, file.zone) or file.time_zone,
        now=now,
    )


def _object_values(
    declared: Mapping[str, str], key: str, fields: Mapping[str, Stamped]
) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(declared)
    values |= {name: said.value for name, said in fields.items() if name}
    return values | {"key": key}


def name_of(engine: Engine, state: State) -> str | None:
    """Return how a customer wishes to be called, else their first name, else None."""
    for trait in (engine.bundle.brand.brand.name, "first_name"):
        name = told_text(engine.plan, state, trait)
        if name:
            return name
    return None
