"""Ways to recognise somebody: how a value is cleaned, and which values identify nobody.

Two spellings of one value must be one identifier, or one person becomes two; a value that many
people share (`null`, a row of zeros) must be none, or many people become one.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from kept.core.brand.model import FactsFile, Namespace, Source, SourcesFile
from kept.core.event import Identifier
from kept.core.touchpoint_item import WireItem

USER_ID: Final = "user_id"
ANONYMOUS_ID: Final = "anonymous_id"
GROUP_ID: Final = "group_id"

IDENTIFIER_LENGTH_MAX: Final = 256
CACHE_SIZE: Final = 16_384
"""Values remembered for each namespace: regulars come back, and cleaning costs time."""

# The names that other tools give to the identifiers that every wire format knows.
_WIRE_NAMES: Final = {"userId": USER_ID, "anonymousId": ANONYMOUS_ID, "groupId": GROUP_ID}
_STRENGTHS: Final = {"strong": 0, "medium": 1, "weak": 2}
_NOBODY: Final = r"[0-]*|-1|null|anonymous|undefined|none|nil|nan|\[object object\]"
# Control characters and the invisible ones: zero-width, direction marks, lone surrogates.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

Ranked: TypeAlias = tuple[int, Identifier]


def clean_value(value: Any) -> str:
    """Return an identifier's value as it is compared: NFC, trimmed, without invisible characters.

    Whole numbers count as their digits. What cannot be an identifier (a boolean, a fraction, a
    list) gives the empty text, which identifies nobody.
    """
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        return ""
    if value.isascii() and value.isprintable():
        return value.strip()
    seen = "".join(char for char in value if unicodedata.category(char) not in _UNSEEN)
    return unicodedata.normalize("NFC", seen).strip()


class IdentifierReader(dict[str, Identifier | None]):
    """Turns texts of one namespace into identifiers, or None for nobody, and remembers them.

    `reader[text]` is a look-up for regulars, which is why this is a dictionary. E-mail addresses (a
    namespace named `email`, or one that reads the trait `email`) are compared in lower case. A
    blocked pattern must match the whole value, in upper or lower case.
    """

    def __init__(self, namespace: str, declared: Namespace) -> None:
        """Compile what the namespace declares."""
        super().__init__()
        self._namespace = namespace
        self._is_email = "email" in (namespace, declared.trait)
        self._blocked = [re.compile(each, re.IGNORECASE) for each in (_NOBODY, *declared.blocked)]

    def __missing__(self, text: str) -> Identifier | None:
        """Read a text that is not remembered."""
        # A long text must not be remembered, and none that long is an identifier.
        if len(text) > 2 * IDENTIFIER_LENGTH_MAX:
            return None
        value = clean_value(text)
        if self._is_email:
            value = unicodedata.normalize("NFC", value.lower())
        identifier: Identifier | None = None
        if len(value) <= IDENTIFIER_LENGTH_MAX:
            identifier = Identifier(self._namespace, value)
            for pattern in self._blocked:
                if pattern.fullmatch(value):
                    identifier = None
        if len(self) >= CACHE_SIZE:
            self.clear()
        self[text] = identifier
        return identifier

    def read(self, value: Any) -> Identifier | None:
        """Return the identifier that any value spells, or None for nobody."""
        return self[value if type(value) is str else clean_value(value)]


def other_spellings(names: Iterable[str]) -> dict[str, str]:
    """Return each name in its other spelling (`firstName`) -> as it is declared (`first_name`)."""
    declared = frozenset(names)
    spellings = {}
    for name in declared:
        head, *rest = name.split("_")
        camel = head + "".join(word.capitalize() for word in rest)
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        spellings.update({other: name for other in (camel, snake) if other not in declared})
    return spellings


class Namespaces:
    """The identifiers of a brand, compiled once for all its touchpoints."""

    def __init__(self, sources: SourcesFile, facts: FactsFile) -> None:
        """Work out how each namespace is read, and where in an event it stands."""
        self.declared = sources.namespaces
        self.readers = {name: IdentifierReader(name, each) for name, each in self.declared.items()}
        self.traits: dict[str, tuple[str, ...]] = {}
        self.keys: dict[str, str] = {}
        for name, each in self.declared.items():
            if each.trait:
                self.traits[name] = (each.trait, *other_spellings([each.trait]))
            if each.object in facts.objects:
                self.keys[name] = facts.objects[each.object].key
        users = self.declared.get(USER_ID)
        # Where a customer has one user id, an alias can only speak of an anonymous one.
        self.previous = USER_ID if users and users.limit > 1 else ANONYMOUS_ID

    def rank(self, vouched: frozenset[str]) -> dict[str, int]:
        """Return each namespace's place: vouched first, then strongest, then as declared."""

        def by_trust(name: str) -> tuple[bool, int]:
            return name not in vouched, _STRENGTHS[self.declared[name].strength]

        return {name: place for place, name in enumerate(sorted(self.declared, key=by_trust))}


class Recogniser:
    """Whom the events of one source name: the most certain first."""

    def __init__(self, source: Source, namespaces: Namespaces) -> None:
        """Work out which namespaces this source may name, and which it vouches for."""
        # Whoever carries a public key vouches for nothing, whatever the folder says.
        vouched = frozenset(() if source.kind == "browser" else source.vouches)
        may_name = frozenset(source.identifiers) or frozenset(namespaces.declared)
        ranks = namespaces.rank(vouched)
        self._claimed_from = sum(name in vouched for name in ranks)
        self._previous = namespaces.previous
        self._readers = {
            name: (rank, namespaces.readers[name])
            for name, rank in ranks.items()
            if name in may_name
        }
        self._user = self._readers.get(USER_ID)
        self._anonymous = self._readers.get(ANONYMOUS_ID)
        self._by_trait = [
            (trait, *self._readers[name])
            for name, spellings in namespaces.traits.items()
            for trait in spellings
            if name in self._readers
        ]
        self._by_property = self._by_trait + [
            (key, *self._readers[name])
            for name, key in namespaces.keys.items()
            if name in self._readers
        ]

    def name(self, told: Mapping[str, str]) -> tuple[Identifier, ...]:
        """Return the identifiers that a question names outright, strongest first."""
        found: list[Ranked] = []
        for namespace, value in told.items():
            reader = self._readers.get(namespace)
            if reader is not None and (identifier := reader[1].read(value)):
                found.append((reader[0], identifier))
        found.sort()
        return tuple(identifier for _, identifier in found)

    def recognise(
        self, item: WireItem, properties: dict[str, Any], context: dict[str, Any]
    ) -> tuple[tuple[Identifier, ...], int]:
        """Return whom an item names, strongest first, and how many of these are vouched for."""
        found: list[Ranked] = []
        for key, reader in ((item.user_id, self._user), (item.anonymous_id, self._anonymous)):
            if key is not None and reader and (identifier := reader[1].read(key)):
                found.append((reader[0], identifier))
        for name, rank, namespace in self._by_property:
            if name in properties and (identifier := namespace.read(properties[name])):
                found.append((rank, identifier))
        if item.type != "track" or "traits" in context or "externalIds" in context:
            found.extend(self._recognise_further(item, context))
        found.sort()
        identifiers: list[Identifier] = []
        vouched_count = 0
        for rank, identifier in found:
            if not identifiers or identifier != identifiers[-1]:
                identifiers.append(identifier)
                vouched_count += rank < self._claimed_from
        return tuple(identifiers), vouched_count

    def _recognise_further(self, item: WireItem, context: dict[str, Any]) -> Iterator[Ranked]:
        """Yield whom an item names in the rarer places."""
        # The traits of a group are the group's own: its e-mail address is not the customer's.
        for traits in (item.traits if item.type != "group" else None, context.get("traits")):
            if isinstance(traits, dict):
                for trait, rank, namespace in self._by_trait:
                    if trait in traits and (identifier := namespace.read(traits[trait])):
                        yield rank, identifier
        for name, value in _named_outright(item, context, self._previous):
            reader = self._readers.get(name) if isinstance(name, str) else None
            if reader and value is not None and (identifier := reader[1].read(value)):
                yield reader[0], identifier


def _named_outright(
    item: WireItem, context: dict[str, Any], previous: str
) -> Iterator[tuple[Any, Any]]:
    """Yield (namespace, value) wherever an item gives both."""
    yield GROUP_ID, item.group_id
    if item.type in {"alias", "merge"}:
        value = clean_value(item.previous_id)
        # An alias of somebody with themselves says nothing, and must link nothing.
        if value and value != clean_value(item.user_id):
            yield (ANONYMOUS_ID if value == clean_value(item.anonymous_id) else previous), value
        for pair in item.merge_properties or ():
            name = pair.get("type")
            yield _WIRE_NAMES.get(str(name), name), pair.get("value")
    external = context.get("externalIds")
    for each in external if isinstance(external, list) else ():
        if isinstance(each, dict) and each.get("encoding") in (None, "none"):
            yield each.get("type"), each.get("id")
