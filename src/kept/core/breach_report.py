"""The evidence of a breach as files, and the facts that the authority asks for (GDPR, article 33)."""

import csv
import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

_NATURE: Final = {
    "source": "A key or secret of the source `{name}` may have been used by somebody else: what it "
    "told us may be invented, and what it was shown may be known to others.",
    "staff": "The account of `{name}` may have been used by somebody else: what it was shown may be "
    "known to others.",
    "recipient": "The recipient `{name}` may have lost what it was given: it may be known to others.",
}
MANIFEST: Final = "SHA256SUMS"
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The same content makes the same file."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes into the bundle."""

    breach: Mapping[str, Any]
    """As `show` answers it."""
    affected: Sequence[Mapping[str, Any]]
    audit: Sequence[Mapping[str, Any]]
    what_we_did: Mapping[str, str]
    contacts: Mapping[str, str]
    """Legal entity -> where it is reached."""
    made_at: str
    is_masked: bool


def bundle_evidence(evidence: Evidence) -> bytes:
    """Return the evidence as a zip whose files can be checked with `sha256sum -c`."""
    files = {
        "breach.json": _json(evidence.breach),
        "timeline.csv": _table(("at", "what", "by", "because"), evidence.breach["timeline"]),
        "revocations.csv": _table(("what", "count"), evidence.breach["revocations"]),
        "affected.csv": _table(
            ("customer", "name", "identifiers", "state", "told_at", "message_id", "outcome"),
            evidence.affected,
        ),
        "fields.csv": _table(
            ("customer", "how", "certainty", "fields", "count", "first_at", "last_at"),
            [
                {"customer": one["customer"], **touch}
                for one in evidence.affected
                for touch in one["touches"]
            ],
        ),
        "audit.jsonl": b"".join(_json(entry) + b"\n" for entry in evidence.audit),
        "report.md": write_report(evidence).encode(),
    }
    listed = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in {**files, MANIFEST: listed.encode()}.items():
            bundle.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def write_report(evidence: Evidence) -> str:
    """Return what article 33(3) asks for, as far as it is known here, as Markdown."""
    told, affected = evidence.breach, evidence.affected
    exact = [one for one in affected if any(t["certainty"] == "exactly" for t in one["touches"])]
    fields: Counter[str] = Counter()
    ways: Counter[tuple[str, str]] = Counter()
    for one in affected:
        fields.update({field for touch in one["touches"] for field in touch["fields"]})
        ways.update({(touch["how"], touch["certainty"]) for touch in one["touches"]})
    lines = [
        f"# Breach {told['breach']}: {told['kind']} {told['name']}",
        "",
        f"As of {evidence.made_at}; people are {'masked' if evidence.is_masked else 'named'}.",
        "",
        f"Aware since {told['declared_at']}. The authority is to hear by {told['authority_by']}.",
        "",
        "## Nature (33(3)(a))",
        "",
        _NATURE[told["kind"]].format(name=told["name"]),
        "",
        f"From {told['since']}. Reason given: {told['because']}",
        "",
        "## Whom it touched (33(3)(a))",
        "",
        f"{len(affected)} customers: {len(exact)} for certain, the others at most.",
        "",
        *(f"* {how}, {certainty}: {count}" for (how, certainty), count in sorted(ways.items())),
        *(f"* Not known: {limit}" for limit in told["limits"]),
        "",
        "## Which data (33(3)(a))",
        "",
        "| field | customers |",
        "|---|---:|",
        *(f"| `{field}` | {count} |" for field, count in sorted(fields.items())),
        "",
        "## Whom to ask (33(3)(b))",
        "",
        *(f"* {entity}: {contact}" for entity, contact in evidence.contacts.items()),
        "",
        "## Likely consequences (33(3)(c))",
        "",
        "To be written by a person: what somebody can do with these fields to these customers.",
        "",
        "## Measures (33(3)(d))",
        "",
        *(f"* Revoked: {one['what']} ({one['count']})" for one in told["revocations"]),
        "* Nothing promotional is said to anybody concerned before they were told.",
        f"* Told: {told['told']}; not told yet: {told['due']}.",
        *(f"* {locale}: {text}" for locale, text in sorted(evidence.what_we_did.items())),
        "",
    ]
    return "\n".join(lines)


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column, "")) for column in columns])
    return written.getvalue().encode()


def _cell(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    # A spreadsheet must not take what somebody else wrote for a formula.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
