"""What differs from customer to customer in a reason: until when, since when, how many, of what."""

from collections.abc import Sequence
from typing import Final

from kept.core.contact import IN_FLIGHT_MAX
from kept.core.policy_sql.candidates import carried
from kept.core.policy_sql.chosen import LEFT
from kept.core.policy_sql.codes import ACTION, REASON
from kept.core.policy_sql.held import CLAIMED, Hushes, state_of, until_of
from kept.core.policy_sql.judged import APPROVALS, NUMBER, ONE, Layers
from kept.core.policy_sql.leaving import BEST, OPEN, Leaving
from kept.core.policy_sql.permitted import RESTRICTED_AT
from kept.core.policy_sql.pressure import KNOWN_AFTER, Pressure, until_free
from kept.core.policy_sql.reasons import Detail
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import (
    NULL,
    case,
    element,
    filtered,
    greatest_of,
    is_among,
    joined,
    name,
    pick,
    pick_constant,
    struct,
    transformed,
)

_ZERO: Final = "CAST(0 AS HUGEINT)"


class Details:
    """Writes the last column: every candidate with its reason in full, or how it may go ahead."""

    def __init__(
        self, at: Setting, layers: Layers, leaving: Leaving, hushes: Hushes, pressure: Pressure
    ) -> None:
        """Take what the rest of reasons is found in."""
        self._at = at
        self._layers = layers
        self._leaving = leaving
        self._hushes = hushes
        self._pressure = pressure

    def write(self) -> str:
        """Return the list of candidates, each as a struct."""
        rows = self._rows()
        fields = {
            "action": NUMBER,
            "about": case([(f"{ONE}.is_unknown", "''")], f"{ONE}.k"),
            "reason": f"{ONE}.r",
            "way": f"{ONE}.way.place",
            "score": f"{ONE}.s",
            "until": self._until(),
            "amount": self._amount(),
            "text": self._text(),
            "facts": self._facts(),
            "due": f"{ONE}.way.due",
            "expires": case(
                [(f"{ONE}.way IS NULL", self._field("e", "0"))], self._leaving.expires_at()
            ),
            "benefit": self._field("b"),
            "sets": self._field("sets"),
        }
        return joined([transformed(one, ONE, struct(**fields)) for one in rows])

    def write_codes(self) -> str:
        """Return the list of candidates, each as a code (see `codes`)."""
        code = (
            f"CAST({NUMBER} AS BIGINT) * {ACTION} + CAST(COALESCE({ONE}.r, 0) AS BIGINT) * {REASON} "
            f"+ COALESCE({ONE}.way.place, 0)"
        )
        return joined([name(":rest"), *(transformed(one, ONE, code) for one in self._rows())])

    def _rows(self) -> list[str]:
        return [LEFT, name(":others")] if self._leaving.is_written else [LEFT]

    def _field(self, field: str, otherwise: str = NULL) -> str:
        """Return a field of the candidate in hand, where the policy needs one."""
        return f"{ONE}.{field}" if field in carried(self._at, field) else otherwise

    def _of(self, *details: Detail) -> str:
        """Return whether the reason's rest is found in one of some ways."""
        return is_among(f"{ONE}.r", self._at.reasons.numbers_of(*details))

    def _index(self) -> str:
        """Return the place, from 1 on, of the hold or cap that the reason is about."""
        places = [numbered.index + 1 for numbered in self._at.reasons.numbered]
        return pick_constant(list(places), f"{ONE}.r", "INTEGER") if places else NULL

    # -- instants from which a reason alone says so no more

    def _until(self) -> str:
        at, rules = self._at, self._at.rules
        repeat = self._layers.of_rule([rule.repeat for rule in rules], "BIGINT")
        rest = self._layers.of_rule([rule.rest for rule in rules], "BIGINT")
        windows = [max(cap.window, IN_FLIGHT_MAX) for cap in at.policy.caps]
        again = case([(f"{repeat} = 0", "0")], f"{ONE}.instant + {repeat}")
        memory = pick_constant(list(windows), self._index(), "BIGINT") if windows else "0"
        branches = [
            (self._of("declined"), f"{self._declined_at()} + {at.policy.decline_rest}"),
            (self._of("contacted"), again),
            (self._of("held"), self._held_until()),
            (self._of("refused"), f"{self._approval()}.until"),
            (self._of("cap"), self._free_at()),
            (self._of("memory_of_cap"), f"{KNOWN_AFTER} + {memory}"),
            (self._of("memory_of_repeat"), f"{KNOWN_AFTER} + {repeat}"),
            (self._of("memory_of_rest"), f"{KNOWN_AFTER} + {rest}"),
            (self._of("resting"), f"{self._leaving.rested_at()} + {rest}"),
            (self._of("quiet"), f"{ONE}.way.due"),
        ]
        return f"CAST({case(branches, '0')} AS BIGINT)"

    def _held_until(self) -> str:
        """Return when a hold ends: the customer's own, or as it is for an object or as claimed."""
        ends = [
            case([(f"{state_of(index)} = 1", until_of(index) if hold.until is not None else "0")])
            if not hold.about
            else NULL
            for index, hold in enumerate(self._at.code.holds)
        ]
        own = pick(ends, self._index(), "BIGINT") if ends else NULL
        return f"COALESCE({own}, {self._field('hu', '0')}, 0)"

    def _declined_at(self) -> str:
        return greatest_of(transformed(self._layers.declines(), "k_decline", "k_decline.instant"))

    def _approval(self) -> str:
        mine = f"k_said.name = {self._layers.action_name} || '|' || {ONE}.k"
        return element(filtered(APPROVALS, "k_said", mine), "1")

    def _cap_ends(self, write: Sequence[str]) -> str:
        return pick(write, self._index(), "BIGINT") if write else "0"

    def _free_at(self) -> str:
        pairs = zip(self._at.policy.caps, self._pressure.freed(), strict=True)
        return self._cap_ends([f"({until_free(cap, freed)})" for cap, freed in pairs])

    # -- amounts and instants

    def _amount(self) -> str:
        counts = [f"LEN({freed})" for freed in self._pressure.freed()]
        branches = [
            (self._of("declined"), self._declined_at()),
            (self._of("contacted"), f"{ONE}.instant"),
            (self._of("expired"), self._field("e", "0")),
            (self._of("restricted"), RESTRICTED_AT),
            (self._of("refused", "contested"), f"{self._approval()}.instant"),
            (self._of("cap"), self._cap_ends(counts)),
            (self._of("resting"), self._leaving.rested_at()),
            (self._of("benefit"), f"COALESCE({self._field('b')}, 0)"),
            (self._of("score"), f"{ONE}.s"),
            (self._of("outranked"), f"-{BEST}.n"),
        ]
        return f"CAST({case(branches, _ZERO)} AS HUGEINT)"

    def _text(self) -> str:
        same = f"k_open.action = {self._layers.action_name} AND k_open.about = {ONE}.k"
        queued = f"{element(filtered(OPEN, 'k_open', same), '1')}.message_id"
        names = [rule.action for rule in self._at.rules]
        best = pick_constant(list(names), f"{BEST}.a", "VARCHAR")
        return case([(self._of("queued"), queued), (self._of("outranked"), best)], "''")

    def _facts(self) -> str:
        """Return which of the facts that a hold or an action rests on are unknown."""
        policy = self._at.policy
        rests = [hold.facts for hold in policy.holds] + [rule.facts for rule in policy.actions]
        lists = [f"CAST([{', '.join(map(str, one))}] AS SMALLINT[])" for one in rests]
        stale = sorted(self._at.controls.stale_facts)
        unknown = f'LIST_CONTAINS(":unknown", k_fact) OR {is_among("k_fact", stale)}'
        rows = pick(lists, self._index(), "SMALLINT[]") if lists else "CAST([] AS SMALLINT[])"
        return case(
            [(self._of("facts"), filtered(rows, "k_fact", unknown))], "CAST([] AS SMALLINT[])"
        )


def holds_column(at: Setting) -> str:
    """Return the indexes of the holds that are on or unknown, in the order in which they are judged."""
    own = transformed(name(":states"), "k_state", "k_state.hold")
    if not at.has_claims:
        return own
    claimed = transformed(f"COALESCE({CLAIMED}, [])", "k_state", "k_state.hold")
    return f"LIST_CONCAT({own}, {claimed})"
