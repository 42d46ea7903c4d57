"""Who reads what: every condition, value, text and role of a brand, and for whose purpose."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kept.core.brand.model import Action, Brand, Hold
from kept.core.brand.offers import terms_of
from kept.core.compile_policy import PROMOTIONAL_KINDS, scope_rule
from kept.core.policy.check import check_expression
from kept.core.policy.scope import Scope
from kept.core.policy.tree import Expression, FactRef, FieldRef, RowField, objects_read, walk
from kept.core.policy.where import Where
from kept.core.scopes import COHORT, SEGMENT_PREFIX, TRAIT_PREFIX, policy_scope
from kept.core.template.check import Said
from kept.core.template.source import parse_name
from kept.core.terms import headline_types
from kept.core.texts import text_schema

IDENTIFIER_PREFIX: Final = "identifier."
CONSENTS: Final = "consents"
CONTACTS: Final = "contacts"
_SAID_OF_NAMES: Final = "first_name"
"""The trait that stands in for how a customer wishes to be called, where nobody said so."""
_VALUES: Final = ("when", "value", "p_accept", "customer_benefit", "expires")


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a policy that reads fields, and the actions on whose behalf it does."""

    what: str
    """Such as `action grace_offer`."""
    part: str
    """Such as `when`; empty where there is only one."""
    names: frozenset[str]
    """The fields that it reads, with `cohort` and `segment.NAME` as they are."""
    actions: tuple[str, ...] = ()
    """Empty where it speaks for no action by itself, as a cohort does."""

    def named(self, through: str = "") -> str:
        """Return it in words."""
        part = f": {self.part}" if self.part else ""
        return f"{self.what}{part}" + (f", through {through}" if through else "")


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What one text of an action says of the customer."""

    action: str
    channel: str
    """Empty for what a placement shows."""
    names: frozenset[str]


def readers_of(brand: Brand, texts: Iterable[Text]) -> Iterator[Reader]:
    """Yield every reader of a checked brand."""
    scope = policy_scope(brand.facts, brand.cohorts)
    yield from cohort_readers(brand)
    for name, hold in brand.contact.holds.items():
        yield from _hold_readers(brand, name, hold)
    promoting = [a.action for a in brand.actions.values() if a.kind in PROMOTIONAL_KINDS]
    names = _read(brand, brand.contact.pressure, scope)
    yield Reader(what="contact.yaml", part="pressure", names=names, actions=tuple(promoting))
    for action in brand.actions.values():
        yield from _action_readers(brand, action)
    for text in texts:
        part = f"text by {text.channel}" if text.channel else "what is shown"
        yield Reader(
            what=f"action {text.action}", part=part, names=text.names, actions=(text.action,)
        )
    yield from _role_readers(brand)


def cohort_readers(brand: Brand) -> Iterator[Reader]:
    """Yield the cohorts and segments of a checked brand, of which `derived_facts` is made."""
    scope = policy_scope(brand.facts, brand.cohorts)
    for name, cohort in brand.cohorts.cohorts.items():
        yield Reader(what=f"cohort {name}", part="", names=_read(brand, cohort.when, scope))
    for name, segment in brand.cohorts.segments.items():
        yield Reader(what=f"segment {name}", part="", names=_read(brand, segment.when, scope))


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that the policies of a brand read, worked out once."""

    texts: tuple[Text, ...]
    readers: tuple[Reader, ...]
    derived: dict[str, frozenset[str]]
    """`cohort` and `segment.NAME` -> what they are made of."""


def reading_of(brand: Brand) -> Reading:
    """Return what the policies of a checked brand read."""
    texts = tuple(texts_of(brand))
    readers = tuple(readers_of(brand, texts))
    return Reading(texts=texts, readers=readers, derived=derived_facts(brand, readers))


def hushed_by(brand: Brand, hold: Hold) -> tuple[str, ...]:
    """Return the actions that a hold may hush."""
    scope = scope_rule(hold.hushes, brand.consent.purposes)
    return tuple(
        name for name, action in brand.actions.items() if scope.covers_some_channel(action)
    )


def texts_of(brand: Brand) -> list[Text]:
    """Return what each action says, by channel and at placements."""
    texts = Texts(brand)
    return [text for action in brand.actions.values() for text in texts.of(action)]


class Texts:
    """The texts of a brand, which are read as they are asked for: to read all takes its time."""

    def __init__(self, brand: Brand) -> None:
        """Take a checked brand."""
        self._brand = brand
        self._files: dict[str, list[tuple[str, str]]] = {}
        for path in brand.templates:
            name = parse_name(path)
            if name is not None and not name.is_partial:
                self._files.setdefault(name.template, []).append((name.channel, path))
        self._said = Said(brand.templates)

    def of(self, action: Action) -> Iterator[Text]:
        """Yield what an action says, by channel and at placements."""
        brand, texts = self._brand, self._said
        schema = text_schema(brand, action)
        own = self._files.get(action.template or action.action, [])
        said = {
            path: texts.names(brand.templates[path], path=path, known_names=schema)
            for _, path in own
        }
        for channel in action.channels:
            special = [path for through, path in own if through == channel]
            paths = special + [path for through, path in own if not through]
            names = frozenset[str]().union(*(said[path] for path in paths))
            yield Text(action=action.action, channel=channel, names=_fields(brand, action, names))
        lines = {**action.headline, **{f"{key}-say": text for key, text in action.say.items()}}
        names = frozenset(action.reads).union(
            *(
                texts.names(text, path=f"line.{key.removesuffix('-say')}", known_names=schema)
                for key, text in lines.items()
            )
        )
        if lines:
            yield Text(action=action.action, channel="", names=_fields(brand, action, names))


def _hold_readers(brand: Brand, name: str, hold: Hold) -> Iterator[Reader]:
    scope = policy_scope(brand.facts, brand.cohorts, about=hold.about)
    actions = hushed_by(brand, hold)
    for part, text in (("while", hold.while_), ("until", hold.until)):
        if text:
            names = _read(brand, text, scope, about=hold.about)
            yield Reader(what=f"hold {name}", part=part, names=names, actions=actions)
    schema = text_schema(brand, None, about=hold.about)
    locale = brand.brand.locales[0]
    names = frozenset[str]().union(
        *(
            Said().names(text, path=f"line.{locale}", known_names=schema)
            for text in (hold.because, hold.customer_because)
            if text
        )
    )
    said = _known(brand, names, about=hold.about)
    yield Reader(what=f"hold {name}", part="because", names=said, actions=actions)


def _action_readers(brand: Brand, action: Action) -> Iterator[Reader]:
    terms = terms_of(brand, action)
    offer = headline_types(terms) if terms is not None else None
    scope = policy_scope(brand.facts, brand.cohorts, about=action.about, offer=offer)
    product = brand.products.get(action.terms_from)
    written = action.terms or (product.terms if product is not None else None)
    parts = {part: getattr(action, part) for part in _VALUES}
    parts |= {f"sets {field}": text for field, text in action.sets.items()}
    parts["terms"] = (written.limited_to or "") if written is not None else ""
    for part, text in parts.items():
        names = _read(brand, text, scope, about=action.about) if text else frozenset()
        if part == "when" and action.about:
            names |= {f"{action.about}.key"}
        if names:
            yield Reader(
                what=f"action {action.action}", part=part, names=names, actions=(action.action,)
            )
    for name in action.channels:
        address = brand.consent.channels[name].address
        if address:
            yield Reader(
                what=f"channel {name}",
                part="address",
                names=address_fields(brand, address),
                actions=(action.action,),
            )


def _role_readers(brand: Brand) -> Iterator[Reader]:
    """Yield what reads traits and identifiers by their role rather than by a condition."""
    file = brand.brand
    every = tuple(brand.actions)
    sent = tuple(name for name, action in brand.actions.items() if action.channels)
    for role, actions in (("locale", every), ("zone", sent), ("region", every)):
        trait = getattr(file, role)
        if trait:
            names = frozenset({f"{TRAIT_PREFIX}{trait}"})
            yield Reader(what="brand.yaml", part=role, names=names, actions=actions)
    # Whoever speaks to somebody must know to whom: identity serves each purpose there is.
    for namespace, space in brand.sources.namespaces.items():
        names = frozenset({f"{IDENTIFIER_PREFIX}{namespace}"})
        if space.trait in brand.facts.traits:
            names |= {f"{TRAIT_PREFIX}{space.trait}"}
        yield Reader(what="identity", part="", names=names, actions=every)
    for name, cap in brand.contact.caps.items():
        scope = scope_rule(cap.covers, brand.consent.purposes)
        covered = tuple(n for n, a in brand.actions.items() if scope.covers_some_channel(a))
        yield Reader(what=f"cap {name}", part="", names=frozenset({CONTACTS}), actions=covered)
    yield Reader(what="permission", part="", names=frozenset({CONSENTS}), actions=every)


def address_fields(brand: Brand, address: str) -> frozenset[str]:
    """Return the fields that a channel's address is taken from: a trait, else an identifier."""
    found = set()
    if address in brand.facts.traits:
        found.add(f"{TRAIT_PREFIX}{address}")
    if address in brand.sources.namespaces:
        found.add(f"{IDENTIFIER_PREFIX}{address}")
    return frozenset(found)


def _read(brand: Brand, text: str, scope: Scope, *, about: str = "") -> frozenset[str]:
    """Return the fields that an expression reads."""
    checked = check_expression(text, scope=scope, expects=None, where=Where(file=""))
    if not isinstance(checked, Expression):
        # It was refused in its place already.
        return frozenset()
    found = {f"{kind}.key" for kind in objects_read(checked)}
    for node in walk(checked.root):
        if isinstance(node, FactRef):
            found.add(node.name)
        elif isinstance(node, RowField):
            found.add(f"{node.object}.{node.name}")
        elif isinstance(node, FieldRef) and node.space == "about":
            found.add(f"{about}.{node.name}")
    return frozenset(found)


def _fields(brand: Brand, action: Action, names: Iterable[str]) -> frozenset[str]:
    return _known(brand, names, about=action.about)


def _known(brand: Brand, names: Iterable[str], *, about: str) -> frozenset[str]:
    """Return the fields among the names of a text: a name, a part of an object, a fact."""
    found: set[str] = set()
    for name in names:
        head, _, rest = name.partition(".")
        if head == "name":
            called = [each for each in (brand.brand.name, _SAID_OF_NAMES) if each]
            found |= {f"{TRAIT_PREFIX}{t}" for t in called if t in brand.facts.traits}
        elif head == "about" and about:
            fields = ("key", *brand.facts.objects[about].fields)
            said = rest.partition(".")[0]
            found |= {f"{about}.{field}" for field in fields if said in ("", field)}
        elif head == "trait":
            said = rest.partition(".")[0]
            found |= {f"{TRAIT_PREFIX}{t}" for t in brand.facts.traits if said in ("", t)}
        elif head == "segment":
            segments = brand.cohorts.segments
            found |= {f"{SEGMENT_PREFIX}{s}" for s in segments if rest in ("", s)}
        elif head in brand.facts.features or head == COHORT:
            found.add(head)
    return frozenset(found)


def spread(reader: Reader, derived: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Yield (field, through what) of all that a reader reads, cohorts and segments opened."""
    for name in reader.names:
        if name not in derived:
            yield name, ""
            continue
        for inner in derived[name]:
            if inner in derived:
                # A segment may ask for the cohort, and a cohort for neither.
                yield from ((field, f"{name} and {inner}") for field in derived[inner])
            else:
                yield inner, name


def derived_facts(brand: Brand, readers: Iterable[Reader]) -> dict[str, frozenset[str]]:
    """Return what the cohort and each segment are made of; every cohort, for their order counts."""
    found: dict[str, frozenset[str]] = {COHORT: frozenset()}
    for reader in readers:
        kind, _, name = reader.what.partition(" ")
        if kind == "cohort":
            found[COHORT] |= reader.names
        elif kind == "segment":
            found[f"{SEGMENT_PREFIX}{name}"] = reader.names
    return found
