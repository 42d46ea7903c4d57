"""Collects what the checks find, each in its place, and keeps quiet about what is in doubt."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from kept.core.brand.model import Brand, FactsFile
from kept.core.brand.positions import KeyPath, Positions
from kept.core.brand.suggest import suggest_name
from kept.core.policy.check import check_expression
from kept.core.policy.scope import Scope
from kept.core.policy.tree import Expression
from kept.core.policy.types import Type
from kept.core.policy.where import Where
from kept.core.template import Schema, Use, check_line
from kept.errors import Problem, Severity

Key: TypeAlias = tuple[str, KeyPath]
"""A file and the path of a key in it."""

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Report:
    """The problems of one brand, and the typed expressions that were found on the way.

    `doubtful` are places that hold a stand-in, because the loader could not use what was written.
    A problem there, or one that rests on such a place, would only repeat the loader's. So would a
    problem of an expression that names something `broken`.
    """

    def __init__(
        self, brand: Brand, positions: Positions, doubtful: frozenset[Key] = frozenset()
    ) -> None:
        """Start with nothing found."""
        self.positions = positions
        self.doubtful = set(doubtful)
        self.problems: list[Problem] = []
        self.expressions: dict[Key, Expression] = {}
        self.broken = {
            str(path[1])
            for file, path in doubtful
            if file in {"facts.yaml", "cohorts.yaml"} and len(path) > 1
        }
        self.brand = msgspec.structs.replace(brand, facts=self._usable(brand.facts))
        self.written_facts = brand.facts
        """The facts as they are written, those included that nothing can be made of."""

    def _usable(self, facts: FactsFile) -> FactsFile:
        """Return the facts without those that have no type."""
        usable = {name: trait for name, trait in facts.traits.items() if trait.type}
        self.broken.update(set(facts.traits) - set(usable))
        objects = {
            kind: msgspec.structs.replace(
                declared, fields={field: text for field, text in declared.fields.items() if text}
            )
            for kind, declared in facts.objects.items()
        }
        return msgspec.structs.replace(facts, traits=usable, objects=objects)

    def leave_out_feature(self, name: str) -> None:
        """Let no expression rest on a feature that nothing can be made of."""
        self.broken.add(name)
        facts = self.brand.facts
        features = {key: feature for key, feature in facts.features.items() if key != name}
        self.brand = msgspec.structs.replace(
            self.brand, facts=msgspec.structs.replace(facts, features=features)
        )

    @property
    def error_count(self) -> int:
        """Return how many errors were found so far."""
        return sum(problem.severity == "error" for problem in self.problems)

    def doubt(self, file: str, path: KeyPath) -> None:
        """Let nothing else be said that rests on this place: what is wrong with it was reported."""
        self.doubtful.add((file, path))

    def is_doubtful(self, file: str, path: KeyPath) -> bool:
        """Return whether a place, or anything that it is part of, is in doubt."""
        return any((file, path[:length]) in self.doubtful for length in range(len(path) + 1))

    def has_doubts(self, file: str, path: KeyPath) -> bool:
        """Return whether a place, or anything within it, is in doubt."""
        return self.is_doubtful(file, path) or any(
            other == file and doubted[: len(path)] == path for other, doubted in self.doubtful
        )

    def error(
        self,
        file: str,
        path: KeyPath,
        message: str,
        suggestion: str = "",
        *,
        rests_on: Iterable[Key] = (),
    ) -> None:
        """Add something that refuses the folder.

        Args:
            file: the file to be mended.
            path: the key in it.
            message: what is wrong.
            suggestion: what to do.
            rests_on: other places from whose values this follows.
        """
        self._add(file, path, message, suggestion, severity="error", rests_on=rests_on)

    def note(self, file: str, path: KeyPath, message: str, suggestion: str = "") -> None:
        """Add something worth knowing that refuses nothing."""
        self._add(file, path, message, suggestion, severity="note")

    def error_at(self, file: str, line: int, column: int, message: str, suggestion: str) -> None:
        """Add something that refuses the folder, at a place that is no key."""
        if not self.is_doubtful(file, ()):
            self.problems.append(
                Problem(file=file, line=line, column=column, message=message, suggestion=suggestion)
            )

    def _add(
        self,
        file: str,
        path: KeyPath,
        message: str,
        suggestion: str,
        *,
        severity: Severity,
        rests_on: Iterable[Key] = (),
    ) -> None:
        if self.is_doubtful(file, path) or any(self.has_doubts(*key) for key in rests_on):
            return
        self.problems.append(
            self.positions.problem(file, path, message, suggestion=suggestion, severity=severity)
        )

    def refer(
        self, file: str, path: KeyPath, name: str, *, what: str, known: Iterable[str]
    ) -> bool:
        """Return whether a name is known; one that is not is a problem.

        Args:
            file: the file that names it.
            path: the key, or the item of a list, that names it.
            name: the name.
            what: what it should be the name of, in words.
            known: the names there are.
        """
        names = set(known)
        if name in names:
            return True
        self.error(
            file,
            path,
            f"there is no {what} `{name}`",
            suggest_name(name, names, empty=f"no {what} is declared"),
        )
        return False

    def refer_all(
        self, file: str, path: KeyPath, names: Iterable[str], *, what: str, known: Iterable[str]
    ) -> None:
        """Report each name of a list that is not known, and each that is there twice."""
        known = set(known)
        seen: set[str] = set()
        for index, name in enumerate(names):
            self.refer(file, (*path, index), name, what=what, known=known)
            if name in seen:
                self.error(file, (*path, index), f"`{name}` is in the list twice", "keep one")
            seen.add(name)

    def type_expression(
        self, file: str, path: KeyPath, text: str, *, scope: Scope, expects: Type | None
    ) -> Expression | None:
        """Return a condition or value with its types, or None after reporting what is wrong."""
        if self.is_doubtful(file, path) or self.names_broken(text):
            return None
        # Its own line and column: where these stand in the file, the positions know.
        checked = check_expression(
            text, scope=scope, expects=expects, where=Where(file=file, line=1, column=1)
        )
        if isinstance(checked, Expression):
            self.expressions[file, path] = checked
            return checked
        self._take_over(checked, file, path)
        return None

    def names_broken(self, text: str) -> bool:
        """Return whether a text names something that nothing can be made of."""
        return not self.broken.isdisjoint(_WORD.findall(text))

    def check_line(
        self, file: str, path: KeyPath, text: str, *, schema: Schema, locale: str, use: Use
    ) -> None:
        """Report what is wrong with a line of Liquid."""
        if self.is_doubtful(file, path) or self.names_broken(text):
            return
        where = Where(file=file, line=1, column=1)
        found = check_line(text, where=where, known_names=schema, locale=locale, use=use)
        self._take_over(found, file, path)

    def _take_over(self, problems: Iterable[Problem], file: str, path: KeyPath) -> None:
        """Add problems whose places are counted within the value of a key."""
        for problem in problems:
            line, column = self.positions.inside(file, path, problem.line, problem.column)
            self.problems.append(msgspec.structs.replace(problem, line=line, column=column))

    def action_files(self) -> Mapping[str, str]:
        """Return action -> file."""
        return {name: self.positions.file_of("action", name) for name in self.brand.actions}
