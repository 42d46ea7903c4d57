"""`facts.yaml`: features with one aggregate each, objects whose fields are set, traits."""

from collections.abc import Iterable
from typing import Final

from kept.core.brand.model import Feature, ObjectKind, Trait
from kept.core.brand.positions import KeyPath
from kept.core.brand.suggest import suggest_name
from kept.core.brand.units import parse_duration
from kept.core.check.events import Supply
from kept.core.check.names import check_locale_keys
from kept.core.check.report import Report
from kept.core.fold.compile import AGGREGATES, grain_of, is_path
from kept.core.readers import UNREADABLE, reader_for

FILE: Final = "facts.yaml"
BUCKETS_MAX: Final = 1_100
"""Three years of days; a finer grain over so long a time would make every profile heavy."""

_NEED_VALUE: Final = frozenset({"sum", "min", "max", "distinct", "top", "dwell"})
_NEED_TYPE: Final = frozenset({"sum", "min", "max"})
_SUMMED: Final = ("int", "decimal", "money")


def check_facts(report: Report, supply: Supply) -> None:
    """Report what is wrong with `facts.yaml` beyond its form."""
    facts = report.written_facts
    for name, feature in facts.features.items():
        _check_feature(report, name, feature, supply)
    for kind, declared in facts.objects.items():
        _check_object(report, kind, declared, supply)
    for name, trait in facts.traits.items():
        _check_trait(report, name, trait)


def check_events(
    report: Report,
    path: KeyPath,
    events: Iterable[str],
    supply: Supply,
    *,
    is_list: bool = True,
    file: str = FILE,
) -> None:
    """Report events that nobody may send.

    Args:
        report: receives the problems.
        path: the key that names the events.
        events: their names.
        supply: what may be heard.
        is_list: whether the key holds a list, so that an item can be pointed at.
        file: the file of the key.
    """
    for index, event in enumerate(events):
        place = (*path, index) if is_list else path
        if not event or event != event.strip():
            report.error(file, place, f"`{event}` is not the name of an event", "name an event")
        elif not supply.has(event):
            instead = suggest_name(event, supply.names)
            suggestion = (
                instead
                if instead.startswith("did")
                else "add it to the `events` of a source in sources.yaml"
            )
            message = f"no source may send `{event}`"
            report.error(
                file, place, message, suggestion, rests_on=[("sources.yaml", ("sources",))]
            )


def _check_feature(report: Report, name: str, feature: Feature, supply: Supply) -> None:
    path: KeyPath = ("features", name)
    given = [kind for kind in AGGREGATES if getattr(feature, kind)]
    for kind in given:
        events = getattr(feature, kind)
        is_list = not isinstance(events, str)
        names = events if is_list else [events]
        check_events(report, (*path, kind), names, supply, is_list=is_list)
    count = report.error_count
    if len(given) == 1:
        _check_aggregate(report, path, given[0], feature)
    elif given:
        message = f"`{name}` is both {' and '.join(given)}"
        report.error(FILE, path, message, "make it a feature for each")
    else:
        message = f"`{name}` counts nothing"
        suggestion = f"give it one of {', '.join(AGGREGATES)}"
        report.error(FILE, path, message, suggestion, rests_on=[(FILE, path)])
    if report.error_count > count or len(given) != 1 or report.has_doubts(FILE, path):
        # Whoever reads it is not to blame, and would only repeat that it is broken.
        report.leave_out_feature(name)


def _check_aggregate(report: Report, path: KeyPath, kind: str, feature: Feature) -> None:
    """Check the one aggregate of a feature."""
    _check_value(report, path, kind, feature)
    _check_window(report, path, feature)
    if kind != "dwell" and report.positions.has(FILE, (*path, "gap")):
        report.error(FILE, (*path, "gap"), f"a {kind} has no gaps", "remove `gap`")
    if feature.by and (kind != "dwell" or feature.by != "top"):
        message = f"`by: {feature.by}` says nothing here"
        suggestion = "only `dwell` takes it, as `by: top`: the seconds spent on the leading value"
        report.error(FILE, (*path, "by"), message, suggestion)


def _check_value(report: Report, path: KeyPath, kind: str, feature: Feature) -> None:
    """Check which property is worked on, and of which type it is."""
    is_own_time = kind in {"first", "last"} and feature.of in {"", "occurred_at"}
    if kind in _NEED_VALUE and not feature.of:
        message = f"a {kind} needs the property that it works on"
        report.error(FILE, path, message, "add `of: PROPERTY`")
    if kind == "count" and feature.of:
        report.error(FILE, (*path, "of"), "a count counts events", "remove `of`, or use `distinct`")
    needs_type = kind in _NEED_TYPE or (kind in {"first", "last"} and not is_own_time)
    if needs_type and not feature.type:
        report.error(FILE, path, f"a {kind} needs the type of its value", "add `type: money(EUR)`")
    declared = feature.type.partition("(")[0]
    if kind == "sum" and declared and declared not in _SUMMED:
        message = f"a {feature.type} cannot be summed"
        report.error(FILE, (*path, "type"), message, "write int, decimal or money(EUR)")
    expected = {"count": "int", "distinct": "int", "top": "text", "dwell": "text"}.get(kind, "")
    if kind == "dwell" and feature.by:
        expected = "int"
    if is_own_time:
        expected = "timestamp"
    if expected and feature.type and feature.type != expected:
        message = f"a {kind} is a {expected}, not a {feature.type}"
        report.error(FILE, (*path, "type"), message, "remove `type`")


def _check_window(report: Report, path: KeyPath, feature: Feature) -> None:
    if feature.grain and not feature.window:
        message = "a grain without a window"
        report.error(FILE, (*path, "grain"), message, "add `window`, or remove `grain`")
    if not feature.window:
        return
    window = parse_duration(feature.window)
    grain = parse_duration(feature.grain) if feature.grain else grain_of(window)
    if window == 0 or grain == 0:
        key = "window" if window == 0 else "grain"
        report.error(FILE, (*path, key), f"a {key} of no length", "write a longer one")
    elif window % grain:
        message = f"a window of {feature.window} is no multiple of its grain"
        suggestion = "add `grain: 1 hour`, or another that it is a multiple of"
        report.error(FILE, (*path, "grain" if feature.grain else "window"), message, suggestion)
    elif window // grain > BUCKETS_MAX:
        message = f"a window of {window // grain:,} grains; at most {BUCKETS_MAX:,} are kept"
        report.error(FILE, (*path, "grain"), message, "take a coarser grain")
    elif window > parse_duration(report.brand.brand.history):
        message = f"the window is longer than the history of {report.brand.brand.history}"
        suggestion = "shorten it, or raise `history` in brand.yaml"
        report.note(FILE, (*path, "window"), message, suggestion)


def _check_object(report: Report, kind: str, declared: ObjectKind, supply: Supply) -> None:
    path: KeyPath = ("objects", kind)
    if not declared.fields:
        report.error(FILE, (*path, "fields"), f"`{kind}` has no fields", "declare what it knows")
    if not declared.events:
        message = f"nothing ever happens to a `{kind}`"
        report.error(FILE, (*path, "events"), message, "name the events that set its fields")
    for event, effect in declared.events.items():
        event_path: KeyPath = (*path, "events", event)
        check_events(report, event_path, [event], supply, is_list=False)
        for field, value in effect.set.items():
            place = (*event_path, "set", field)
            if report.refer(FILE, place, field, what=f"field of {kind}", known=declared.fields):
                _check_constant(report, place, value=value, kind=declared.fields[field])
    for key in ("not_personal", "sensitive"):
        what = f"field of {kind}"
        report.refer_all(
            FILE, (*path, key), getattr(declared, key), what=what, known=declared.fields
        )


def _check_constant(report: Report, place: KeyPath, *, value: str | int | bool, kind: str) -> None:
    """Check that a field is set from a place in the event, or to a constant of its type."""
    if not kind or (isinstance(value, str) and is_path(value)):
        return
    if reader_for(kind)(value) is UNREADABLE or isinstance(value, bool) != (kind == "bool"):
        written = str(value).lower() if isinstance(value, bool) else value
        suggestion = f"write a constant of the type, or a place such as `properties.{value}`"
        report.error(FILE, place, f"`{written}` is not a {kind}", suggestion)


def _check_trait(report: Report, name: str, trait: Trait) -> None:
    if trait.ask:
        check_locale_keys(report, FILE, ("traits", name, "ask"), trait.ask)
