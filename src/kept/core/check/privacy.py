"""Uses without a basis: personal data that is read, asked for or given for no purpose at all."""

from typing import Final

from kept.core.check.report import Report
from kept.core.check.sensitive import check_uses
from kept.core.data_map import DataMap, map_data
from kept.core.data_map.readers import Reader, Reading, hushed_by, reading_of, spread
from kept.core.scopes import COHORT, SEGMENT_PREFIX, TRAIT_PREFIX

_FILES: Final = {"cohort": "cohorts.yaml", "segment": "cohorts.yaml", "hold": "contact.yaml"}
_KEYS: Final = {"cohort": "cohorts", "segment": "segments", "hold": "holds"}


def check_privacy(report: Report) -> None:
    """Report what reads or asks for personal data without a purpose, and so without a basis."""
    if report.error_count or report.doubtful:
        # Who uses what cannot be said of a brand of which a part could not be read.
        return
    reading = reading_of(report.brand)
    check_uses(report, reading)
    data = map_data(report.brand, reading)
    _check_readers(report, data, reading)
    _note_asks(report, data)


def _check_readers(report: Report, data: DataMap, reading: Reading) -> None:
    readers, derived = reading.readers, reading.derived
    asked = {name for reader in readers if reader.actions for name in reader.names}
    # A segment that is asked for may itself ask for the cohort.
    asked |= {inner for name in asked for inner in derived.get(name, ())}
    personal = {field.field for field in data.fields if field.personal}
    idle: dict[str, set[str]] = {}
    for reader in readers:
        kind, _, _ = reader.what.partition(" ")
        if kind in _FILES and not _speaks_for_something(report, reader, asked):
            read = {field for field, _ in spread(reader, derived)}
            idle.setdefault(reader.what, set()).update(read & personal)
    for what, read in idle.items():
        kind, _, name = what.partition(" ")
        file, path = _FILES[kind], (_KEYS[kind], name)
        suggestion = "let an action with a purpose use it, or remove it"
        if read:
            message = f"{what} reads `{min(read)}` and serves no action: a use without a basis"
            report.error(file, path, message, suggestion)
        else:
            report.note(file, path, f"{what} serves no action", suggestion)


def _speaks_for_something(report: Report, reader: Reader, asked: set[str]) -> bool:
    kind, _, name = reader.what.partition(" ")
    if kind == "cohort":
        return COHORT in asked
    if kind == "segment":
        return f"{SEGMENT_PREFIX}{name}" in asked
    return bool(hushed_by(report.brand, report.brand.contact.holds[name]))


def _note_asks(report: Report, data: DataMap) -> None:
    """Note questions for what nothing uses (GDPR, article 5(1)(c): data minimisation)."""
    for name, placement in report.brand.brand.placements.items():
        for index, trait in enumerate(placement.asks):
            field = data.find(f"{TRAIT_PREFIX}{trait}")
            if field is not None and not field.uses:
                message = f"`{trait}` is asked for, and nothing uses it"
                suggestion = "do not ask for it, or use it"
                path = ("placements", name, "asks", index)
                report.note("brand.yaml", path, message, suggestion)
