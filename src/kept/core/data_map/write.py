"""The map written down: rows for tables, CSV, and the record of processing activities (GDPR, 30)."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from kept.core.brand.model import Brand, LegalEntity
from kept.core.brand.units import parse_duration
from kept.core.data_map.record import DataField, DataMap, Share
from kept.core.plain_text import as_cell

COLUMNS: Final = ("field", "classified", "whence", "for what", "given to", "kept")
_NEVER: Final = "nothing"
_NAMED_MAX: Final = 4
"""More of a kind than this are counted, where a person reads."""


def rows_of(data: DataMap) -> list[tuple[str, ...]]:
    """Return a row of texts for each field, as `COLUMNS` calls them."""
    return [
        (
            field.field,
            classified(field),
            "; ".join(whence(field)),
            "; ".join(f"{use.entity or 'all'}/{use.purpose} ({use.basis})" for use in field.uses)
            or _NEVER,
            "; ".join(_given(share) for share in field.shared),
            "; ".join(f"{keep.duration} ({keep.because})" for keep in field.kept),
        )
        for field in data.fields
    ]


def shorter_rows_of(data: DataMap) -> list[tuple[str, ...]]:
    """Return the rows as they fit a screen: what there is a lot of is counted."""
    return [
        (row[0], row[1], _shortened(row[2]), _shortened(row[3]), _shortened(row[4]), row[5])
        for row in rows_of(data)
    ]


def to_csv(data: DataMap) -> str:
    """Return the map as CSV (RFC 4180)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    writer.writerows(map(as_cell, row) for row in rows_of(data))
    return buffer.getvalue()


def classified(field: DataField) -> str:
    """Return what kind of data a field is, in words."""
    if field.sensitive:
        return f"special category, only with explicit consent for {'/'.join(field.explicit)}"
    return "personal" if field.personal else "not personal"


def whence(field: DataField) -> list[str]:
    """Return whence a field is known, in words."""
    by_event: dict[str, list[str]] = {}
    for origin in field.origins:
        by_event.setdefault(origin.event, []).append(origin.source)
    return [
        f"{event or 'told'} by {', '.join(dict.fromkeys(sources))}"
        for event, sources in by_event.items()
    ]


def _given(share: Share) -> str:
    who = f"{share.recipient} " if share.recipient else ""
    return f"{who}({share.through}: {share.what})" if who else f"{share.through}: {share.what}"


def _shortened(text: str) -> str:
    parts = text.split("; ")
    if len(parts) <= _NAMED_MAX:
        return text
    return "; ".join(parts[:_NAMED_MAX]) + f"; and {len(parts) - _NAMED_MAX} more"


# -- the record of processing activities


def to_markdown(data: DataMap, brand: Brand) -> str:
    """Return the record of processing activities of each company (GDPR, article 30(1))."""
    lines = [
        f"# Record of processing activities of {data.brand}",
        "",
        f"Derived from the brand folder, version `{data.version}`. What stands here is what the",
        "policies do; what does not stand here, they do not do.",
    ]
    for name, entity in brand.brand.legal_entities.items():
        activities = list(_activities(data, brand, name))
        if activities:
            lines += _of_entity(entity, activities)
    lines += ["", "## Recipients", ""]
    lines += _table(
        ("recipient", "role", "country", "safeguard", "contact", "told to erase"),
        (
            (
                recipient.name,
                recipient.role,
                recipient.country,
                recipient.safeguard or "-",
                recipient.contact,
                "nobody said how"
                if recipient.erasure is None
                else "by a person"
                if recipient.erasure == "manual"
                else "by a signed call",
            )
            for recipient in brand.consent.recipients.values()
        ),
    )
    lines += ["", "## Kept because a law obliges", ""]
    lines += _table(
        ("hold", "law", "what", "how long"),
        (
            (name, hold.law, ", ".join((*hold.events, *hold.fields)), hold.keep)
            for name, hold in brand.brand.legal_holds.items()
        ),
    )
    unused = [field.field for field in data.fields if field.personal and not field.uses]
    lines += ["", "## Held, and used for nothing", "", _listed(unused) or "Nothing.", ""]
    return "\n".join(lines)


def _of_entity(entity: LegalEntity, activities: list[tuple[str, ...]]) -> list[str]:
    lines = ["", f"## {entity.name}", "", f"{entity.address}. Contact: {entity.contact}."]
    if entity.lawful_basis_notice:
        lines.append(f"Notice: <{entity.lawful_basis_notice}>.")
    heads = ("purpose", "basis", "of customers", "special categories", "recipients", "kept")
    return [*lines, "", *_table(heads, activities)]


def _activities(data: DataMap, brand: Brand, entity: str) -> Iterator[tuple[str, ...]]:
    """Yield a row for each purpose that an entity uses anything for."""
    for name, purpose in brand.consent.purposes.items():
        used = [
            field
            for field in data.fields
            if any((use.entity, use.purpose) == (entity, name) for use in field.uses)
        ]
        if not used:
            continue
        basis = purpose.basis.replace("_", " ")
        recipients = {
            brand.consent.recipients[share.recipient].name
            for field in used
            for share in field.shared
            if share.recipient in brand.consent.recipients
            and {f"{entity}/{name}", f"*/{name}"} & set(share.purposes)
        }
        sensitive = [f for f in used if f.sensitive]
        yield (
            f"**{name}**: {purpose.description}",
            basis,
            _listed(field.field for field in used if field.kind != "event" and field.personal),
            "; ".join(f"`{f.field}` ({classified(f)})" for f in sensitive) or "-",
            ", ".join(sorted(recipients)) or "-",
            purpose.keep or _longest_kept(used),
        )


def _longest_kept(fields: Iterable[DataField]) -> str:
    limits = sorted({field.kept[0].duration for field in fields}, key=parse_duration)
    return f"up to {limits[-1]}" if len(limits) > 1 else limits[0]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    body = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    if not body:
        return ["None."]
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *body]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
