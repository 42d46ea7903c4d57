"""Leaving: whether a candidate may leave now, on which channel, and from when on.

A candidate that may leave has `way`, a struct of the channel's place among those of its action, and
from when on; otherwise `r` says why not.
"""

from collections.abc import Callable
from typing import Final

from kept.core.decision import OUTBOUND
from kept.core.policy_sql.candidates import carried
from kept.core.policy_sql.held import CLAIMED, Hushes
from kept.core.policy_sql.judged import JUDGED, NUMBER, ONE, Layers
from kept.core.policy_sql.permitted import Permissions
from kept.core.policy_sql.pressure import CONTACTS, KNOWN_AFTER, Pressure, arrived
from kept.core.policy_sql.setting import Setting
from kept.core.policy_sql.text import (
    FALSE,
    NULL,
    Shared,
    Stages,
    all_of,
    case,
    constant,
    contains,
    element,
    filtered,
    least,
    length,
    name,
    pick,
    struct,
    transformed,
)
from kept.core.reason import (
    AlreadyQueued,
    ContactsUnknown,
    KnownSinceImport,
    NoBasis,
    NotOfferedHere,
    ProviderRefused,
    QuietNow,
    Resting,
)
from kept.core.rules import ActionRule, ChannelRule
from kept.core.values import NEVER

BEST: Final = name(":best")
OPEN: Final = name(":open")
PLACE: Final = "k_place"
_FIELDS: Final = ("a", "k", "is_unknown", "b", "e", "sets", "s", "instant", "hu", "hw", "hwu")


class Leaving:
    """Writes whether the best promotional candidate and every other may leave."""

    def __init__(
        self,
        at: Setting,
        layers: Layers,
        permissions: Permissions,
        hushes: Hushes,
        pressure: Pressure,
    ) -> None:
        """Take what else is written."""
        self._at = at
        self._layers = layers
        self._permissions = permissions
        self._hushes = hushes
        self._pressure = pressure
        self.is_written = False
        """Whether the columns were added: not where something is shown or asked at a gate."""

    def add(self, stages: Stages) -> None:
        """Add the columns `:left`, of those for whom a way is sought, and `:others`."""
        self.is_written = True
        self._add_ways(stages)
        goes_on = f"{ONE}.r IS NULL AND ({self._is_next()})"
        rows, kept = filtered(JUDGED, ONE, goes_on), carried(self._at, *_FIELDS)
        fields = {field: f"{ONE}.{field}" for field in kept}
        for column, more in (
            (":next", {"r": self._forbidden()}),
            (
                ":tried",
                {"ways": case([(f"{ONE}.r IS NULL", self._ways())], f"CAST(NULL AS {_WAYS})")},
            ),
            (":chosen_way", {"way": self._way()}),
            (":left", {"r": self._reason(), "hu": self._held_until()}),
        ):
            fields |= more
            stages.add(column, transformed(rows, ONE, struct(**fields)))
            if column == ":next":
                # The rest came to nothing before, or another action is the better answer.
                reason = f"CAST(COALESCE({ONE}.r, {self._layers.outranked}) AS INTEGER)"
                end = f"{ONE}.hu" if "hu" in kept else "CAST(NULL AS BIGINT)"
                rest = {field: f"{ONE}.{field}" for field in kept}
                rest |= {"r": reason, "ways": f"CAST(NULL AS {_WAYS})", "way": NO_WAY, "hu": end}
                others = filtered(JUDGED, ONE, f"({goes_on}) IS NOT TRUE")
                stages.add(":others", transformed(others, ONE, struct(**rest)))
            stages.close()
            rows = name(column)
            fields = {field: f"{ONE}.{field}" for field in fields}

    def _add_ways(self, stages: Stages) -> None:
        rules = self._at.rules
        pressure, hushes = self._pressure, self._hushes
        self._permitted = self._shared(stages, ":permitted_ways", self._permissions.way)
        self._hushed = self._shared(
            stages, ":hushed_ways", lambda rule, one: hushes.customer_wide(rule, one.channel)
        )
        self._pressed = self._shared(stages, ":pressed_ways", pressure.pressed)
        self._zoneless = self._shared(
            stages, ":zoneless_ways", lambda rule, one: pressure.quiet(rule, one)[0]
        )
        self._due = self._shared(
            stages, ":due_ways", lambda rule, one: pressure.quiet(rule, one)[1]
        )
        self._answered = self._shared(
            stages, ":answered_ways", lambda _, one: pressure.responses(one)
        )
        refusals = [self._permissions.refusal(rule) for rule in rules]
        self._refusals = Shared(stages, ":refusals", refusals, "INTEGER")
        stages.close()

    # -- one list for all ways: those of the first action, those of the second …

    def _shared(
        self, stages: Stages, key: str, write: Callable[[ActionRule, ChannelRule], str]
    ) -> Shared:
        texts = [write(rule, channel) for rule in self._at.rules for channel in rule.channels]
        return Shared(stages, key, texts, "BIGINT")

    def _places(self) -> str:
        """Return the places in those lists of the channels that are asked for of the action in hand."""
        lists, place = [], 0
        asked = self._at.request.channel
        for rule in self._at.rules:
            own = []
            for channel in rule.channels:
                place += 1
                if not asked or channel.channel == asked:
                    own.append(str(place))
            lists.append(f"[{', '.join(own)}]")
        return pick(lists, NUMBER, "INTEGER[]")

    def _of_way(self, values: list[str | int], of: str) -> str:
        return pick([constant(value) for value in values], PLACE, of)

    # -- before any channel is looked at

    def _is_next(self) -> str:
        best = f"{ONE}.a = {BEST}.a AND {ONE}.k = {BEST}.k"
        return f"NOT {self._layers.is_promotional} OR ({best})"

    def _forbidden(self) -> str:
        """Return why no further message may be made, as `layers.check_leaving` has it."""
        at, reasons = self._at, self._at.reasons
        action = self._layers.action_name
        no_channel = self._layers.of_rule([not rule.channels for rule in at.rules], "BOOLEAN")
        same = f"k_open.action = {action} AND k_open.about = {ONE}.k"
        is_open = f"LEN({filtered(OPEN, 'k_open', same)}) > 0"
        imported = contains(name(":imported"), f"{action} || '|' || {ONE}.k")
        return case(
            [
                (no_channel, reasons.text(NotOfferedHere(placement=OUTBOUND))),
                (
                    case([(f"{length(OPEN)} > 0", is_open)], FALSE),
                    reasons.text(AlreadyQueued(message_id=""), "queued"),
                ),
                (
                    case([(f"{length(name(':imported'))} > 0", imported)], FALSE),
                    reasons.text(KnownSinceImport()),
                ),
            ],
            f"COALESCE({self._layers.repeat()}, {self._resting()}, {self._memory()})",
        )

    def rested_at(self) -> str:
        """Return when the customer was last contacted by an action of this kind, or NULL."""
        kinds = self._layers.of_rule([rule.kind for rule in self._at.rules], "VARCHAR")
        same = filtered(
            CONTACTS, "k_contact", f"k_contact.kind = {kinds} AND {arrived('k_contact')}"
        )
        return f"LIST_MAX({transformed(same, 'k_contact', 'k_contact.attempt_at')})"

    def _resting(self) -> str:
        at = self._at
        rests = [at.now - rule.rest if rule.rest else None for rule in at.rules]
        if not any(rule.rest for rule in at.rules):
            return "CAST(NULL AS INTEGER)"
        since = self._layers.of_rule(rests, "BIGINT")
        resting = f"{since} IS NOT NULL AND {self.rested_at()} > {since}"
        return case(
            [
                (f"{length(CONTACTS)} = 0", NULL),
                (resting, at.reasons.text(Resting(at=0), "resting")),
            ]
        )

    def _memory(self) -> str:
        """Return that a contact which is forgotten might forbid the action."""
        at, reasons, rules = self._at, self._at.reasons, self._at.rules
        once = self._layers.of_rule([not rule.repeat for rule in rules], "BOOLEAN")
        branches = [(f"COALESCE({KNOWN_AFTER}, 0) = 0", NULL)]
        unsaid = reasons.text(ContactsUnknown())
        branches.append((f"{once} AND NOT {name(':said_known')}", unsaid))
        for key, waits, last_at in (
            ("memory_of_repeat", [rule.repeat for rule in rules], f"COALESCE({ONE}.instant, 0)"),
            (
                "memory_of_rest",
                [rule.rest for rule in rules],
                case(
                    [
                        (
                            self._layers.of_rule([bool(rule.rest) for rule in rules], "BOOLEAN"),
                            f"COALESCE({self.rested_at()}, 0)",
                        )
                    ],
                    "0",
                ),
            ),
        ):
            since = self._layers.of_rule([at.now - wait for wait in waits], "BIGINT")
            may_be = f"{last_at} < {KNOWN_AFTER} AND {KNOWN_AFTER} > {since}"
            branches.append((may_be, reasons.text(ContactsUnknown(), key)))  # type: ignore[arg-type]
        return case(branches)

    # -- the ways

    def _ways(self) -> str:
        """Return every channel that is permitted, with why it is pressed or from when on it is open."""
        permitted = f"{self._permitted.at(PLACE)} IS NULL"
        places = filtered(self._places(), PLACE, permitted)
        own = self._hushed_way()
        refused = self._refused()
        chain = [
            own,
            self._pressed.at(PLACE),
            refused,
            self._zoneless.at(PLACE),
        ]
        reason = f"COALESCE({', '.join(chain)})"
        due = self._due.at(PLACE)
        end = self._end_of_way()
        way = f"CAST({struct(place=PLACE, r=reason, due=due, until=end)} AS {_WAY})"
        return transformed(places, PLACE, way)

    def _hushed_way(self) -> str:
        hushed = self._hushed.at(PLACE)
        chain = [element(f"{ONE}.hw", self._place_of_action())] if self._has_own else []
        chain.append(hushed)
        if self._at.has_claims:
            chain.append(self._by_claim(self._hushes.claimed_reason))
        return f"COALESCE({', '.join(chain)})" if len(chain) > 1 else chain[0]

    def _end_of_way(self) -> str:
        """Return when the hold on a channel ends that is about the object, or claimed."""
        chain = [element(f"{ONE}.hwu", self._place_of_action())] if self._has_own else []
        if self._at.has_claims:
            chain.append(self._by_claim(lambda state: f"{state}.until"))
        return f"COALESCE({', '.join(chain)}, NULL)" if chain else NULL

    @property
    def _has_own(self) -> bool:
        """Return whether any hold on a channel is about objects that an action is about too."""
        return any(
            self._hushes.has_own(rule, one.channel)
            for rule in self._at.rules
            for one in rule.channels
        )

    def _place_of_action(self) -> str:
        """Return the place of a way among those of its own action."""
        firsts, first = [], 1
        for rule in self._at.rules:
            firsts.append(first)
            first += len(rule.channels)
        return f"{PLACE} - {self._layers.of_rule(list(firsts), 'INTEGER')} + 1"

    def _by_claim(self, write: Callable[[str], str]) -> str:
        """Return something of the first claimed hold on the way's channel, NULL where none is."""
        by_channel = [
            (
                f"{self._channel()} = {constant(channel)}",
                write(self._hushes.claimed(NUMBER, f"{ONE}.k", channel)),
            )
            for channel in sorted(self._at.policy.channels)
            if any(channel in hold.scope.channels for hold in self._at.policy.holds)
        ]
        return case([(f"{length(CLAIMED)} > 0", case(by_channel))]) if by_channel else NULL

    def _held_until(self) -> str:
        pressed = filtered(f"{ONE}.ways", "k_way", "k_way.r IS NOT NULL")
        own = f"{ONE}.hu" if "hu" in carried(self._at, "hu") else "CAST(NULL AS BIGINT)"
        return case([(f"{ONE}.ways IS NULL", own)], f"{element(pressed, '1')}.until")

    def _channel(self) -> str:
        named = [one.channel for rule in self._at.rules for one in rule.channels]
        return self._of_way(list(named), "VARCHAR")

    def _refused(self) -> str:
        number = self._at.reasons.text(ProviderRefused(detail="refused before"))
        mine = all_of(
            [
                "k_contact.outcome = 'refused'",
                f"k_contact.action = {self._layers.action_name}",
                f"k_contact.about = {ONE}.k",
                f"k_contact.channel = {self._channel()}",
            ]
        )
        is_refused = f"LEN({filtered(CONTACTS, 'k_contact', mine)}) > 0"
        return case([(f"{length(CONTACTS)} > 0", case([(is_refused, number)]))])

    # -- the choice

    def expires_at(self) -> str:
        """Return when the message of the candidate in hand is not worth sending any more."""
        lasts = [min(self._at.now + rule.valid_for, NEVER) for rule in self._at.rules]
        until = self._layers.of_rule(list(lasts), "BIGINT")
        if "e" not in carried(self._at, "e"):
            return until
        return f"LEAST({until}, {case([(f'{ONE}.e <> 0', f'{ONE}.e')])})"

    def _way(self) -> str:
        """Return the best of the open channels: in time, preferred, answered, cheap."""
        channels = [one for rule in self._at.rules for one in rule.channels]
        costs = pick([str(one.cost) for one in channels], "k_way.place", "BIGINT")
        named = pick([constant(one.channel) for one in channels], "k_way.place", "VARCHAR")
        order = struct(
            late=f"k_way.due >= {self.expires_at()}",
            other=f"{named} <> COALESCE({name(':preferred')}, '')",
            answered=f"-{self._answered.at('k_way.place')}",
            cost=costs,
            place="k_way.place",
            due="k_way.due",
        )
        open_ways = filtered(f"{ONE}.ways", "k_way", "k_way.r IS NULL")
        return f"CAST({least(transformed(open_ways, 'k_way', order))} AS {_CHOSEN_WAY})"

    def _reason(self) -> str:
        reasons = self._at.reasons
        pressed = filtered(f"{ONE}.ways", "k_way", "k_way.r IS NOT NULL")
        no_basis = [
            reasons.number(NoBasis(entity=rule.entity, purpose=rule.purpose))
            for rule in self._at.rules
        ]
        none_open = (
            f"COALESCE({self._refusals.at(NUMBER)}, {element(pressed, '1')}.r, "
            f"{self._layers.of_rule(list(no_basis), 'INTEGER')})"
        )
        quiet = reasons.text(QuietNow(quiet_hours=""), "quiet")
        found = case([(f"{ONE}.way IS NULL", none_open), (f"{ONE}.way.late", quiet)])
        goes_on = f"{ONE}.ways IS NOT NULL"
        return f"CAST({case([(goes_on, found)], f'{ONE}.r')} AS INTEGER)"


_WAY: Final = "STRUCT(place INTEGER, r INTEGER, due BIGINT, until BIGINT)"
_WAYS: Final = f"{_WAY}[]"
_CHOSEN_WAY: Final = (
    "STRUCT(late BOOLEAN, other BOOLEAN, answered BIGINT, cost BIGINT, place INTEGER, due BIGINT)"
)
NO_WAY: Final = f"CAST(NULL AS {_CHOSEN_WAY})"
