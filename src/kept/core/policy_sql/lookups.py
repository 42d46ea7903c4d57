"""Tables beside a base: what is calculated once for each time zone and each draw, not in SQL.

The changes of a zone come from the pinned tzdata, the end of a quiet time from `contact.quiet_until`,
and whether a draw falls into a control group from the very hash that `layers` uses. So none of it is
written a second time in SQL.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from kept.core.contact import quiet_until
from kept.core.layers import DRAWS, is_drawn
from kept.core.policy.zones import find_zone
from kept.core.policy_sql.pressure import quiet_column
from kept.core.policy_sql.text import name
from kept.core.rules import Policy

ZONES: Final = "zones"
DRAWN: Final = "drawn"


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """A small table: the statement that makes it, and its rows."""

    table: str
    create: str
    rows: tuple[tuple[object, ...], ...]


def zones_table(policy: Policy, zones: Iterable[str], now: int) -> Lookup:
    """Return the zones that occur in a base: their changes, and until when it is quiet there now."""
    rules = policy.quiet_hours
    columns = ["zone VARCHAR", "zone_starts BIGINT[]", "zone_offsets BIGINT[]"]
    columns += [f"{name(quiet_column(index))} BIGINT" for index in range(len(rules))]
    rows: list[tuple[object, ...]] = []
    for each in sorted(set(zones)):
        zone = find_zone(each)
        if zone is not None:
            ends = (quiet_until(rule, zone=zone, now=now) for rule in rules)
            rows.append((each, list(zone.starts), list(zone.offsets), *ends))
    create = f"CREATE OR REPLACE TABLE {ZONES} ({', '.join(columns)})"
    return Lookup(table=ZONES, create=create, rows=tuple(rows))


def drawn_table(policy: Policy) -> Lookup:
    """Return, for each draw, the indexes of the actions in whose control group it is."""
    tested = [rule for rule in policy.actions if rule.holdout_percent]
    rows = tuple(
        (draw, [rule.index for rule in tested if is_drawn(rule, draw)])
        for draw in range(DRAWS if tested else 0)
    )
    create = f"CREATE OR REPLACE TABLE {DRAWN} (draw SMALLINT, held_out SMALLINT[])"
    return Lookup(table=DRAWN, create=create, rows=rows)
