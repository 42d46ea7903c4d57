"""Tables beside a base: what is calculated once for each time zone and each draw, not in SQL.

The changes of a zone come from the pinned tzdata, the end of a quiet time from `contact.quiet_until`,
and whether a draw falls into a control group from the very hash that `layers` uses. So none of it is
written a second time in SQL.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kept.core.contact import quiet_until
from kept.core.layers import DRAWS, is_drawn
from kept.core.policy.zones import find_zone
from kept.core.policy_sql.pressure import quiet_column
from kept.core.policy_sql.schema import Shape, create_table, insert_rows
from kept.core.rules import Policy

ZONES: Final = "zones"
DRAWN: Final = "drawn"


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """A small table: its columns with their shapes, and its rows."""

    table: str
    columns: dict[str, Shape]
    rows: list[dict[str, Any]]

    @property
    def create(self) -> str:
        """Return the statement that makes the table anew."""
        return create_table(self.table, self.columns)

    @property
    def insert(self) -> str:
        """Return the statement that adds rows, given as one JSON text of a list of objects."""
        return insert_rows(self.table, self.columns)


def zones_table(policy: Policy, zones: Iterable[str], now: int) -> Lookup:
    """Return the zones that occur in a base: their changes, and until when it is quiet there now."""
    rules = policy.quiet_hours
    columns: dict[str, Shape] = {
        "zone": "VARCHAR",
        "zone_starts": ["BIGINT"],
        "zone_offsets": ["BIGINT"],
        **{quiet_column(index): "BIGINT" for index in range(len(rules))},
    }
    rows: list[dict[str, Any]] = []
    for each in sorted(set(zones)):
        zone = find_zone(each)
        if zone is not None:
            ends = [quiet_until(rule, zone=zone, now=now) for rule in rules]
            quiet = {quiet_column(index): end for index, end in enumerate(ends)}
            told = {"zone": each, "zone_starts": zone.starts, "zone_offsets": zone.offsets}
            rows.append(told | quiet)
    return Lookup(table=ZONES, columns=columns, rows=rows)


def drawn_table(policy: Policy) -> Lookup:
    """Return, for each draw, the indexes of the actions in whose control group it is."""
    tested = [rule for rule in policy.actions if rule.holdout_percent]
    columns: dict[str, Shape] = {"draw": "SMALLINT", "held_out": ["SMALLINT"]}
    rows = [
        {"draw": draw, "held_out": [rule.index for rule in tested if is_drawn(rule, draw)]}
        for draw in range(DRAWS if tested else 0)
    ]
    return Lookup(table=DRAWN, columns=columns, rows=rows)
