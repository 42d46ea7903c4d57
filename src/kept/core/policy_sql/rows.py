"""A customer's facts as a row of a base: plain values, no calculation but look-ups."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kept.core.approval import read_approval
from kept.core.bundle import Bundle
from kept.core.consent import PREFERRED_CHANNEL
from kept.core.decision import Facts, OpenMessage, Request
from kept.core.layers import contacts_by_action
from kept.core.policy_sql.schema import ADDRESS, FACT, OBJECTS, SAID, SAID_AT, scopes_of
from kept.core.rules import Rows, Values
from kept.core.state import Contact, Stamped

_EVERYBODY = Request()


class RowWriter:
    """Makes the rows of a base of one brand."""

    def __init__(self, bundle: Bundle) -> None:
        """Take the brand whose facts the rows hold."""
        plan = bundle.fact_plan
        self._facts = [FACT + fact for fact in plan.names]
        self._kinds = [OBJECTS + kind for kind in plan.object_kinds]
        self._fields = plan.object_fields
        self._scopes = [(scope, SAID + scope, SAID_AT + scope) for scope in scopes_of(bundle)]
        self._channels = [(channel, ADDRESS + channel) for channel in plan.addresses]

    def write(
        self, customer_id: int, facts: Facts, open_messages: Sequence[OpenMessage]
    ) -> dict[str, Any]:
        """Return a customer's row, by column; columns that are left out are NULL."""
        row = self._told(customer_id, facts, facts.values, facts.objects)
        row |= {
            ":region": facts.region,
            ":draw": facts.draw,
            ":contacts": [_contact(one) for one in facts.contacts],
            ":contacted": [
                {"action": action, "about": about, "instant": at}
                for (action, about), at in contacts_by_action(facts, _EVERYBODY).items()
                if at
            ],
            ":declines": [_decline(key, said) for key, said in facts.declines.items()],
            ":approvals": [
                {"name": key, "instant": said.at}
                | _approval(msgspec.to_builtins(read_approval(said)))
                for key, said in facts.approvals.items()
            ],
            ":open": [
                {"message_id": one.message_id, "action": one.action, "about": one.about}
                for one in open_messages
                if one.message_id
            ],
            ":imported": list(facts.known_since_import),
            ":notices": list(facts.notices_due),
            ":known_after": facts.contacts_known_after,
            ":said_known": facts.said is not None,
        }
        consents = facts.consents
        if consents:
            preferred = consents.get(PREFERRED_CHANNEL)
            row[":preferred"] = None if preferred is None else preferred.value
            for scope, said_column, at_column in self._scopes:
                said = consents.get(scope)
                if said is not None and isinstance(said.value, bool):
                    row[said_column], row[at_column] = said.value, said.at
        for channel, column in self._channels:
            if channel in facts.addresses:
                row[column] = facts.addresses[channel]
        return row

    def write_claimed(self, customer_id: int, facts: Facts) -> dict[str, Any] | None:
        """Return the row of what is merely claimed of a customer, None where nothing is."""
        values, objects = facts.restricting_values, facts.restricting_objects
        if values is None or objects is None:
            return None
        return self._told(customer_id, facts, values, objects)

    def _told(
        self, customer_id: int, facts: Facts, values: Values, objects: Rows
    ) -> dict[str, Any]:
        row: dict[str, Any] = {":customer": customer_id}
        row |= zip(self._facts, values, strict=True)
        for kind, fields, rows in zip(self._kinds, self._fields, objects, strict=True):
            row[kind] = [dict(zip(fields, one, strict=True)) for one in rows]
        row[":unknown"] = sorted(facts.unknown)
        row[":zone"] = facts.zone
        return row


def _contact(one: Contact) -> dict[str, Any]:
    return {
        "attempt_at": one.attempt_at,
        "settled_at": one.settled_at,
        "outcome": one.outcome,
        "action": one.action,
        "kind": one.kind,
        "purpose": one.purpose,
        "topic": one.topic,
        "channel": one.channel,
        "about": one.about,
        "answered": bool(one.answered_at),
        "named": bool(one.message_id),
    }


def _decline(key: str, said: Stamped) -> dict[str, Any]:
    action, _, about = key.partition("|")
    return {"action": action, "about": about, "instant": said.at}


def _approval(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "outcome": said["outcome"],
        "until": said.get("until", 0),
        "fingerprint": said.get("fingerprint", ""),
        "message_id": said.get("message_id", ""),
    }
