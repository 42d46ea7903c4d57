"""Makes whole brands and their customers by chance: every layer, every limit, in every combination."""

from random import Random  # noqa: TID251 - a seed is given and shown
from typing import Any, Final

import msgspec

from kept.core.approval import Approval
from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.consent import GPC, PREFERRED_CHANNEL, RESTRICTION
from kept.core.decision import Brake, Controls, Facts, OpenBreach, OpenMessage, Request
from kept.core.policy_sql.schema import scopes_of
from kept.core.state import Contact, Stamped
from kept.core.values import DAY, HOUR, MINUTE, Value
from tests.property.brand_pieces import (
    ABOUT,
    CHANCES,
    ENTITIES,
    FIXED,
    GENERAL,
    INSTANTS,
    MONEY,
    NOTICE,
    PURPOSES,
    TOPICS,
)

NOW: Final = 1_772_452_800_000_000
ZONES: Final = ("Europe/Lisbon", "Asia/Tokyo", "Australia/Lord_Howe", "America/Sao_Paulo", None)
CHANNELS: Final = ("email", "sms", "push")
LAMP: Final[dict[str, Any]] = {
    "product": "lamp",
    "category": "light",
    "name": {"en": "A lamp"},
    "terms": {"kind": "price", "price": "9.99 EUR", "renews": False},
}
KINDS: Final = ("offer", "experience", "greeting", "survey", "service", "call_task", "measure")


class Maker:
    """Draws a brand and customers from one seed."""

    def __init__(self, seed: int) -> None:
        """Begin."""
        self.chance = Random(seed)
        self.is_mild = self.maybe(0.5)
        """Whether little is forbidden, so that what stands in the way of leaving is reached."""

    def some(self, of: tuple[Any, ...], most: int) -> list[Any]:
        """Draw a few different ones, in any order."""
        return self.chance.sample(of, self.chance.randint(0, min(most, len(of))))

    def maybe(self, share: float) -> bool:
        """Draw whether something is so."""
        return self.chance.random() < share

    def seldom(self, share: float) -> bool:
        """Draw whether something is so that would end most decisions early."""
        return self.maybe(share / 6 if self.is_mild else share)

    # -- a brand

    def brand(self) -> Bundle:
        """Draw a brand."""
        texts = {
            "brand.yaml": FIXED["brand.yaml"]
            | {"universal_control_percent": 20 if self.seldom(0.3) else 0},
            "sources.yaml": FIXED["sources.yaml"],
            "facts.yaml": FIXED["facts.yaml"],
            "cohorts.yaml": {
                "cohorts": {
                    name: {"when": self._condition("")} for name in self.some(("buyer", "rich"), 2)
                },
                "otherwise": "ordinary",
                "segments": {
                    "keen": {"when": self._cohort_condition()},
                    "late": {"when": self._cohort_condition()},
                },
            },
            "consent.yaml": self._consent(),
            "contact.yaml": self._contact(),
            "catalog/lamp.yaml": LAMP,
        }
        texts["cohorts.yaml"]["cohorts"] = {
            name: {"when": self.chance.choice(GENERAL[:5])} for name in ("buyer", "rich")
        }
        names = [f"a{number}" for number in range(self.chance.randint(1, 9))]
        self.chance.shuffle(names)
        for name in names:
            texts[f"actions/{name}.yaml"] = self._action(name)
        if self.maybe(0.3):
            texts["actions/told.yaml"] = NOTICE
        encoded = {name: msgspec.json.encode(content).decode() for name, content in texts.items()}
        return compile_brand(load_brand(encoded))

    def _condition(self, about: str) -> str:
        if self.is_mild and self.maybe(0.6):
            return "TRUE"
        return self.chance.choice(ABOUT[about] if about and self.maybe(0.8) else GENERAL)

    def _cohort_condition(self) -> str:
        return self.chance.choice([one for one in GENERAL if "segment" not in one])

    def _scope(self, *, channels: bool) -> dict[str, Any]:
        scope: dict[str, Any] = {}
        if self.maybe(0.3):
            scope["purposes"] = self.some(PURPOSES, 2)
        if self.maybe(0.2):
            scope["kinds"] = self.some(KINDS, 3)
        if self.maybe(0.2):
            scope["topics"] = self.some(TOPICS, 1)
        if self.maybe(0.15):
            scope["actions"] = [f"a{self.chance.randint(0, 5)}"]
        if self.maybe(0.2):
            scope["promotional"] = self.maybe(0.7)
        if channels and self.maybe(0.4):
            scope["channels"] = self.some(CHANNELS, 2)
        return {key: value for key, value in scope.items() if value != []}

    def _consent(self) -> dict[str, Any]:
        purposes = {}
        for name in PURPOSES:
            purpose: dict[str, Any] = {
                "basis": "consent" if name in ("marketing", "survey") else "contract",
                "promotional": name in ("marketing", "survey"),
                "sale_or_sharing": self.maybe(0.3),
                "during_restriction": name == "legal",
                "description": "What it is",
            }
            if self.maybe(0.2):
                purpose["channels"] = ["email", "sms"]
            purposes[name] = purpose
        return FIXED["consent.yaml"] | {"purposes": purposes}

    def _contact(self) -> dict[str, Any]:
        holds = {}
        for number in range(self.chance.randint(0, 4)):
            about = self.chance.choice(["", "", "bill", "case"])
            hold = {
                "about": about,
                "while": self.chance.choice(ABOUT[about] if about else GENERAL),
                "hushes": self._scope(channels=True),
                "because": "So it is.",
            }
            if self.maybe(0.4):
                own = ("about.due_at",) if about == "bill" else ()
                hold["until"] = self.chance.choice((*INSTANTS, *own))
            holds[f"h{number}"] = hold
        caps = {
            f"c{number}": {
                "count": self.chance.randint(1, 3),
                "window": self.chance.choice(["1 day", "7 days", "3 hours"]),
                "covers": self._scope(channels=True),
            }
            for number in range(self.chance.randint(0, 3))
        }
        quiet = {
            f"q{number}": {
                "start": self.chance.choice(["22:00", "09:00", "11:30"]),
                "end": self.chance.choice(["07:30", "12:15", "18:00"]),
                "covers": self._scope(channels=True),
            }
            for number in range(self.chance.randint(0, 2))
        }
        return {
            "holds": holds,
            "caps": caps,
            "quiet_hours": quiet,
            "choice_limit": self.chance.randint(1, 3),
            "pressure": self.chance.choice(
                ["money '0.00 EUR'", "money '0.05 EUR'", "orders * money '0.10 EUR'", "spent * big"]
            ),
            "decline_rest": "20 days",
            "answer_stable": "1 day",
        }

    def _action(self, name: str) -> dict[str, Any]:
        kind = self.chance.choice(KINDS)
        about = self.chance.choice(["", "", "", "bill", "case"])
        action: dict[str, Any] = {
            "action": name,
            "kind": kind,
            "entity": self.chance.choice(ENTITIES),
            "purpose": self.chance.choice(PURPOSES),
            "topic": self.chance.choice(["", *TOPICS]),
            "category": self.chance.choice(["", "", "light", "seat"]),
            "about": about,
            "when": self._condition(about),
            "value": "money '5.00 EUR'"
            if self.is_mild and self.maybe(0.5)
            else self.chance.choice(MONEY),
            "p_accept": self.chance.choice(CHANCES),
            "channels": self.some(CHANNELS, 3),
            "placements": self.some(("web", "desk", "billing"), 3),
            "valid_for": self.chance.choice(["1 day", "7 days", "1 hour"]),
            "urgent": self.maybe(0.2),
            "needs_approval": self.seldom(0.15),
            "holdout_percent": 30 if self.seldom(0.25) else 0,
            "headline": {"en": "Something"},
        }
        if self.maybe(0.4):
            action["repeat"] = self.chance.choice(["2 days", "10 days"])
        if self.maybe(0.3):
            action["rest"] = self.chance.choice(["1 day", "5 days"])
        if self.seldom(0.4):
            own = ("add_days(about.due_at, 5)",) if about == "bill" else ()
            action["expires"] = self.chance.choice((*INSTANTS, *own))
        if self.is_mild:
            action["customer_benefit"] = "money '1.00 EUR'"
        elif self.maybe(0.3):
            action["customer_benefit"] = self.chance.choice(MONEY)
        if self.is_mild or self.maybe(0.4):
            action |= {"terms_from": "lamp"} if self.maybe(0.4) else {"terms": LAMP["terms"]}
            if self.maybe(0.4):
                action["value"] = self.chance.choice(["offer.price * orders", "0.3 * offer.price"])
        if self.maybe(0.3):
            action["cost"] = "0.40 EUR"
        if about == "bill" and self.maybe(0.4):
            action["sets"] = {"due_at": "add_days(about.due_at, 6)", "paid": "orders > 1"}
        return action

    # -- controls, questions

    def controls(self, bundle: Bundle) -> Controls:
        """Draw what an operator did, and which facts are stale."""
        scopes = [
            ("all", ""), ("action", "a1"), ("channel", "sms"), ("channel", "push"), ("purpose", "marketing"),
            ("region", "north"), ("cohort", "buyer"),
        ]  # fmt: skip
        combined = [one for one in scopes if one[0] not in ("all", "channel")]
        brakes = tuple(
            Brake(
                brake=f"{scope}:{name}",
                scope=scope,
                name=name,
                also=tuple(self.some(tuple(combined), 2)) if (scope, name) in combined else (),
                since=1,
            )
            for scope, name in (self.some(tuple(scopes), 2) if self.seldom(0.4) else [])
        )
        breaches = tuple(
            OpenBreach(number=number, is_found=self.maybe(0.8), is_released=self.maybe(0.5))
            for number in (self.some((1, 2), 2) if self.seldom(0.3) else [])
        )
        count = len(bundle.policy.fact_names)
        stale = sorted(self.chance.sample(range(count), 1)) if self.seldom(0.2) else []
        told = [one for one in stale if not _is_derived(bundle, one)]
        return Controls(brakes=brakes, breaches=breaches, stale_facts=tuple(told))

    def request(self, bundle: Bundle) -> Request:
        """Draw what is asked of everybody."""
        names = [rule.action for rule in bundle.policy.actions]
        return Request(
            placement=self.chance.choice(["outbound", "outbound", "web", "desk", "billing"]),
            is_proven=self.maybe(0.7),
            actions=tuple(self.some((*names, "unheard_of"), 2)) if self.maybe(0.25) else (),
            channel="email" if self.maybe(0.15) else "",
        )

    # -- customers

    def open_messages(self, bundle: Bundle) -> tuple[OpenMessage, ...]:
        """Draw what is on its way to a customer."""
        if not self.maybe(0.25):
            return ()
        rule = self.chance.choice(bundle.policy.actions)
        about = self._about(rule.about)
        return (OpenMessage("m-open", rule.action, about, "email", self.maybe(0.5)),)

    def facts(self, bundle: Bundle) -> Facts:
        """Draw what may be known of a customer."""
        values, objects = self._told(bundle)
        has_claims = self.maybe(0.25)
        more = self._told(bundle) if has_claims else (None, None)
        unknown = self.chance.sample(range(len(bundle.policy.fact_names)), 2)
        contacts = self._contacts(bundle)
        forgets = self.maybe(0.15)
        return Facts(
            values=values,
            objects=objects,
            restricting_values=more[0],
            restricting_objects=more[1],
            unknown=tuple(sorted(one for one in unknown if not _is_derived(bundle, one)))
            if self.seldom(0.2)
            else (),
            zone=self.chance.choice(ZONES),
            region=self.chance.choice(["north", "south", None]),
            consents=self._consents(bundle),
            contacts=sorted(contacts, key=lambda one: (one.attempt_at, one.message_id)),
            declines={
                key: Stamped(True, self._past(30), 1)
                for key in self.some(tuple(self._keys(bundle)), 1)
                if self.maybe(0.4)
            },
            addresses={
                channel: self.chance.choice(["ok", "ok", "ok", "closed"])
                for channel in ("email", "sms")
                if self.maybe(0.8)
            },
            draw=self.chance.choice([0, 1_999, 2_000, self.chance.randint(0, 9_999)]),
            known_since_import=tuple(self.some(tuple(self._keys(bundle)), 1))
            if self.maybe(0.15)
            else (),
            contacts_known_after=self._past(8) if forgets else 0,
            said=self._said(bundle) if forgets else {},
            approvals=self._approvals(bundle),
            notices_due=tuple(sorted(self.some((1, 2), 2))) if self.maybe(0.4) else (),
        )

    def _told(self, bundle: Bundle) -> tuple[list[Value], list[list[tuple[Value, ...]]]]:
        plan, types = (
            bundle.fact_plan,
            dict(zip(bundle.policy.fact_names, bundle.policy.fact_types, strict=False)),
        )
        values = [self._value(name, types[name]) for name in plan.names]
        objects = []
        for kind, fields in zip(plan.object_kinds, plan.object_fields, strict=True):
            declared = bundle.brand.facts.objects[kind].fields
            rows = [
                (key, *(self._value(field, declared[field]) for field in fields[1:]))
                for key in sorted(self.some(("a", "b", "c"), 3))
            ]
            objects.append(rows)
        return values, objects

    def _value(self, name: str, of: str) -> Value:
        chance = self.chance
        if name == "orders":
            return chance.choice([0, 1, 2, 3])
        if name == "spent":
            return chance.choice([0, 1_000, 3_700, 2**62])
        if self.maybe(0.15):
            return None
        match of:
            case "int":
                return chance.choice([0, 1, 2, 5, 2**40, -(2**62)])
            case "text":
                return chance.choice(["gold", "base", "open", "resolved", "it's", "\u00e9"])
            case "timestamp":
                return NOW + chance.choice([-1, 1]) * chance.randint(0, 25 * 24 * 60) * MINUTE
            case "bool":
                return self.maybe(0.5)
            case "date":
                return NOW // DAY - chance.randint(6_000, 8_000)
        return chance.choice([0, 500, 1_500, 4_000])

    def _past(self, days: int) -> int:
        return NOW - self.chance.randint(0, days * 24) * HOUR

    def _about(self, kind: str) -> str:
        return f"{kind}/{self.chance.choice('abc')}" if kind else ""

    def _keys(self, bundle: Bundle) -> list[str]:
        rules = self.chance.sample(bundle.policy.actions, min(2, len(bundle.policy.actions)))
        return [f"{rule.action}|{self._about(rule.about)}" for rule in rules] + [rules[0].action]

    def _consents(self, bundle: Bundle) -> dict[str, Stamped]:
        if self.maybe(0.1):
            return {}
        often = [
            f"p|{entity}|{purpose}|" for entity in ENTITIES for purpose in ("marketing", "survey")
        ]
        found = {
            scope: Stamped(self.maybe(0.9), self._past(30), 1) for scope in often if self.maybe(0.8)
        }
        for scope in self.some(tuple(scopes_of(bundle)), 3):
            if scope not in (GPC, RESTRICTION) or self.maybe(0.3):
                found[scope] = Stamped(not self.seldom(0.5), self._past(30), 2)
        if self.maybe(0.3):
            found[PREFERRED_CHANNEL] = Stamped(self.chance.choice(CHANNELS), self._past(5), 3)
        return found

    def _contacts(self, bundle: Bundle) -> list[Contact]:
        contacts = []
        for number in range(self.chance.choice([0, 0, 1, 2, 5])):
            rule = self.chance.choice(bundle.policy.actions)
            at = self._past(self.chance.choice([1, 8, 100]))
            settled = self.maybe(0.8)
            contacts.append(
                Contact(
                    message_id="" if self.maybe(0.05) else f"m{number}",
                    attempt_at=at,
                    settled_at=at + MINUTE if settled else 0,
                    outcome=self.chance.choice(
                        ["delivered", "delivered", "unknown", "failed", "refused", "shadow"]
                    )
                    if settled
                    else "",
                    action=rule.action,
                    kind=rule.kind,
                    purpose=rule.purpose,
                    topic=rule.topic,
                    channel=self.chance.choice(CHANNELS),
                    about=self._about(rule.about),
                    answered_at=at + HOUR if self.maybe(0.4) else 0,
                )
            )
        return contacts

    def _said(self, bundle: Bundle) -> dict[str, int] | None:
        if self.maybe(0.2):
            return None
        return {key: self._past(30) for key in self.some(tuple(self._keys(bundle)[:-1]), 1)}

    def _approvals(self, bundle: Bundle) -> dict[str, Stamped]:
        found = {}
        for rule in bundle.policy.actions:
            if rule.needs_approval and self.maybe(0.7):
                about = self._about(rule.about)
                approval = Approval(
                    outcome=self.chance.choice(
                        ["approved", "approved", "refused", "used", "contested"]
                    ),
                    number=1,
                    action=rule.action,
                    about=about,
                    until=NOW + self.chance.choice([-HOUR, HOUR]),
                    fingerprint=self.chance.choice([rule.fingerprint, "older"]),
                    message_id=self.chance.choice(["", "m1"]),
                )
                at = NOW - self.chance.choice([MINUTE, 2 * HOUR])
                found[f"{rule.action}|{about}"] = Stamped(msgspec.to_builtins(approval), at, 1)
        return found


def _is_derived(bundle: Bundle, index: int) -> bool:
    order = bundle.code.order
    return order.told_count <= index < len(order.names)
