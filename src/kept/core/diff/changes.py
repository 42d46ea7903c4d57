"""What changed between two brand folders: every key of every file, as it was and as it is."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kept.core.brand.model import Brand

SECTIONS: Final = (
    ("brand", "brand.yaml"),
    ("sources", "sources.yaml"),
    ("facts", "facts.yaml"),
    ("cohorts", "cohorts.yaml"),
    ("consent", "consent.yaml"),
    ("contact", "contact.yaml"),
    ("actions", "actions"),
    ("products", "catalog"),
    ("templates", "templates"),
)
_NAMED: Final = {
    "actions": "action",
    "products": "product",
    "templates": "text",
    "holds": "hold",
    "caps": "cap",
    "quiet_hours": "quiet hours",
    "cohorts": "cohort",
    "segments": "segment",
    "purposes": "purpose",
    "channels": "channel",
    "features": "feature",
    "objects": "object",
    "traits": "trait",
    "sources": "source",
    "namespaces": "namespace",
    "placements": "placement",
    "legal_entities": "legal entity",
    "topics": "topic",
    "terms": "terms",
    "limits": "limits",
}
TEXT_LENGTH_MAX: Final = 160


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One key that is not as it was; None stands for not there."""

    where: str
    """The file, or the folder of files."""
    path: tuple[str, ...]
    before: Any
    after: Any

    def __str__(self) -> str:
        """Return the change in words."""
        what = describe(self.path)
        if self.before is None:
            return f"{what} is new{_of(self.after)}"
        if self.after is None:
            return f"{what} is gone{_of(self.before)}"
        if self.path and self.path[0] == "templates":
            return f"{what} reads otherwise"
        return f"{what}: {show(self.before)} → {show(self.after)}"


def find_changes(before: Brand, after: Brand) -> list[Change]:
    """Return every change, file by file, in the order of the keys."""
    found: list[Change] = []
    for section, where in SECTIONS:
        one, other = (msgspec.to_builtins(getattr(brand, section)) for brand in (before, after))
        found += _walk(where, (section,), one, other)
    return found


def _walk(where: str, path: tuple[str, ...], before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _walk(where, (*path, str(key)), before.get(key), after.get(key))
        return
    yield Change(where=where, path=path, before=before, after=after)


def describe(path: tuple[str, ...]) -> str:
    """Return what a key is of, in words: `cap promotions_a_week, count`."""
    names = list(path)
    if len(names) > 1 and names[0] in (
        "brand",
        "contact",
        "consent",
        "facts",
        "cohorts",
        "sources",
    ):
        names = names[1:]
    words: list[str] = []
    while names:
        name = names.pop(0)
        if name in _NAMED and names:
            kind = _NAMED[name]
            words.append(kind if kind in ("terms", "limits") else f"{kind} {names.pop(0)}")
        else:
            words.append(name)
    return ", ".join(words)


def show(value: Any) -> str:
    """Return a value as short as it can be said."""
    if isinstance(value, str):
        text = " ".join(value.split())
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list | tuple):
        text = ", ".join(map(show, value)) or "none"
    elif isinstance(value, Mapping):
        text = ", ".join(
            f"{key} {show(each)}" for key, each in value.items() if each not in ("", None)
        )
    else:
        text = str(value)
    return text if len(text) <= TEXT_LENGTH_MAX else f"{text[: TEXT_LENGTH_MAX - 1]}…"


def _of(value: Any) -> str:
    if isinstance(value, Mapping):
        when = value.get("when") or value.get("while")
        return f", when {show(when)}" if when else ""
    return f": {show(value)}" if not isinstance(value, str) or len(value) <= TEXT_LENGTH_MAX else ""
