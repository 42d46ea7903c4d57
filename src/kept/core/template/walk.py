"""A walk through a compiled template: every name, filter, type, loop and partial in every branch.

Each expression is also evaluated on a sample of each type, which finds a filter on the wrong type
without a second description of what filters take.
"""

from collections import ChainMap
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
from liquid import BoundTemplate
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import (
    FilteredExpression,
    LoopExpression,
    Path,
    StringLiteral,
)
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.render_tag import RenderNode
from liquid.exceptions import LiquidError
from liquid.expression import Expression

from kept.core.policy.types import DECIMAL_ONE
from kept.core.policy.where import Where, nearest
from kept.core.template.engine import (
    PARTIAL_DEPTH_MAX,
    STEPS_MAX,
    Context,
    Effort,
    PrintNode,
    Sandbox,
    count_nodes,
)
from kept.core.template.filters import FILTERS, MissingValueError, View, print_value
from kept.core.template.source import Place, path_of
from kept.core.template.values import Record, Schema
from kept.core.values import HOUR
from kept.errors import Problem

_UNKNOWN: Final = object()


class Bound(msgspec.Struct, frozen=True):
    """What a local name of a template stands for: a dotted name of the schema, and a sample."""

    name: str | None
    sample: object = _UNKNOWN


Locals = ChainMap[str, Bound]
_Names: TypeAlias = dict[str, "_Names"]
"""The parts of dotted names, each with those that follow it."""


class Walk:
    """Collects everything that is wrong with one piece, and the texts that it says by itself."""

    def __init__(
        self, sandbox: Sandbox, place: Place, *, schema: Schema, view: View, is_partial: bool
    ) -> None:
        """Start with nothing found. What a partial is given is known only where it is used."""
        self.problems: list[Problem] = []
        self.literals: list[tuple[int, str]] = []
        self.last_filters: dict[int, str] = {}
        self.names: set[str] = set()
        """The names that the piece says, as the schema writes them."""
        self._sandbox = sandbox
        self._place = place
        self._schema = schema
        self._view = view
        self._is_partial = is_partial
        self._names = set(schema) | {
            name[:index] for name in schema for index, sign in enumerate(name) if sign == "."
        }
        samples = Record(sample_values(schema, now=view.now), schema=schema, prefix="")
        # Typed once, and not for each expression of the piece.
        self._samples = dict(samples)
        self._stack: tuple[str, ...] = ()
        self._static = Context(BoundTemplate(sandbox, []))

    def visit(self, template: BoundTemplate) -> None:
        """Walk through a whole piece."""
        scope: Locals = ChainMap({})
        for node in template.nodes:
            self._visit(node, scope, 1)

    def _visit(self, node: Node, scope: Locals, rounds: int) -> None:
        """Look at a node and everything in it."""
        if isinstance(node, ContentNode):
            self._say(node.token.start_index, node.text)
        for expression in node.expressions():
            self._look_at(expression, scope)
            if not isinstance(expression, LoopExpression):
                self._try(node, expression, scope)
        for local in node.template_scope():
            scope.maps[-1][str(local)] = self._bind(next(iter(node.expressions()), None), scope)
        if isinstance(node, ForNode):
            rounds, scope = self._enter_loop(node, scope, rounds)
        elif isinstance(node, RenderNode):
            self._enter_partial(node, scope, rounds)
            return
        for child in node.children(self._static, include_partials=False):
            self._visit(child, scope, rounds)

    def _say(self, offset: int, text: str) -> None:
        """Remember a text that the template says by itself."""
        if not self._stack:
            self.literals.append((offset, text))

    def _report(self, offset: int, message: str, suggestion: str = "") -> None:
        problem = self._place.problem(offset, message, suggestion)
        if problem not in self.problems:
            self.problems.append(problem)

    # -- names

    def _look_at(self, expression: Expression, scope: Locals) -> None:
        """Check the names and filters of an expression."""
        if isinstance(expression, Path):
            self._look_at_name(expression, scope)
        elif isinstance(expression, StringLiteral):
            self._say(expression.token.start_index, expression.value)
        elif isinstance(expression, FilteredExpression):
            for used in expression.filters or ():
                if used.name not in FILTERS:
                    self._report(
                        used.token.start_index,
                        f"there is no filter `{used.name}`",
                        _suggest(used.name, FILTERS),
                    )
        for child in expression.children():
            self._look_at(child, scope)

    def _look_at_name(self, path: Path, scope: Locals) -> None:
        name = self._name_of(path, scope)
        if name is None:
            return
        self.names.add(name)
        if self._is_known(name):
            return
        if self._is_partial and name.partition(".")[0] not in self._names:
            return
        beginning = name.rpartition(".")[0]
        near = [known for known in sorted(self._names) if known.rpartition(".")[0] == beginning]
        self._report(
            path.token.start_index,
            f"`{name}` is not known here",
            _suggest(name, near or self._names),
        )

    def _name_of(self, path: Path, scope: Locals) -> str | None:
        """Return a path as a dotted name of the schema, None where it cannot be known."""
        head = path.head()
        words = [head, *(word for word in path.path[1:] if not isinstance(word, int))]
        if not all(isinstance(word, str) for word in words):
            return None
        if isinstance(head, str) and head in scope:
            if scope[head].name is None:
                return None
            words[0] = scope[head].name or ""
        name = str(words[0])
        for word in words[1:]:
            # The first and the last item of a list are described like any other.
            if word not in ("first", "last") or self._schema.get(name) != "list":
                name += f".{word}"
        return name

    def _is_known(self, name: str) -> bool:
        """Return whether the schema knows a name, or something above it of which anything goes."""
        if name in self._names:
            return True
        above, _, last = name.rpartition(".")
        if last in ("size", "first", "last") and above:
            return self._is_known(above)
        return self._is_free(above)

    def _is_free(self, name: str) -> bool:
        """Return whether nothing is known of a name beforehand, by its own type or one above."""
        while name:
            if self._schema.get(name) == "any":
                return True
            name = name.rpartition(".")[0]
        return False

    # -- types

    def _try(self, node: Node, expression: Expression, scope: Locals) -> None:
        """Evaluate an expression on samples, and print it if the template does."""
        bound = {name: local.sample for name, local in scope.items()}
        known = {name: value for name, value in self._samples.items() if name not in bound}
        context = Context(
            BoundTemplate(self._sandbox, []),
            globals={
                name: value for name, value in (known | bound).items() if value is not _UNKNOWN
            },
        )
        context.view = self._view
        context.effort = Effort()
        try:
            value = expression.evaluate(context)
            if isinstance(node, PrintNode):
                print_value(value, self._view)
        except MissingValueError:
            # What is unknown has been reported by its name; locals of unknown kind stay untried.
            return
        except (LiquidError, RecursionError) as error:
            message = str(error.message) if isinstance(error, LiquidError) else "nested too deeply"
            if "unknown filter" not in message:
                token = error.token if isinstance(error, LiquidError) else None
                self._report((token or expression.token).start_index, message)
        if isinstance(node, PrintNode) and isinstance(expression, FilteredExpression):
            filters = expression.filters or ()
            self.last_filters[node.token.start_index] = filters[-1].name if filters else ""

    def _bind(self, expression: Expression | None, scope: Locals, *, item: bool = False) -> Bound:
        """Return what a local name stands for that is bound to an expression, or to its items."""
        if isinstance(expression, FilteredExpression) and not expression.filters:
            expression = expression.left
        if not isinstance(expression, Path):
            return Bound(None)
        name = self._name_of(expression, scope)
        if name is None or not self._is_known(name) or self._is_free(name):
            return Bound(None)
        sample: object = self._samples
        for word in name.split("."):
            sample = sample[0] if isinstance(sample, list) else sample
            sample = sample.get(word, _UNKNOWN) if isinstance(sample, Mapping) else _UNKNOWN
        last = expression.path[-1]
        item = item or isinstance(last, int) or last in ("first", "last")
        if item and isinstance(sample, list):
            sample = sample[0]
        return Bound(name, sample)

    # -- loops and partials

    def _enter_loop(self, node: ForNode, scope: Locals, rounds: int) -> tuple[int, Locals]:
        """Return how often the loop's block runs at least, and what is bound in it."""
        loop = node.expression
        bound = self._bind(loop.iterable, scope, item=True)
        if isinstance(loop.iterable, RangeLiteral):
            rounds *= _length(loop, loop.iterable)
            if rounds * count_nodes(node.block) > STEPS_MAX:
                self._report(
                    node.token.start_index,
                    f"the loop takes more than {STEPS_MAX:,} steps",
                    "loop over fewer items, or say less in each round",
                )
        elif bound.name is not None and self._schema.get(bound.name) not in ("list", "any"):
            self._report(loop.iterable.token.start_index, f"`{bound.name}` is not a list")
        return rounds, scope.new_child({loop.identifier: bound, "forloop": Bound(None)})

    def _enter_partial(self, node: RenderNode, scope: Locals, rounds: int) -> None:
        """Walk through a partial with the names that it is given here."""
        name = str(node.name.value) if isinstance(node.name, StringLiteral) else ""
        if name not in self._sandbox.partials:
            known = ", ".join(f"`{known}`" for known in sorted(self._sandbox.partials))
            self._report(
                node.token.start_index,
                f"there is no partial `{name or node.name}`",
                f"known are {known}" if known else "a partial is a file templates/_NAME.liquid",
            )
            return
        if name in self._stack or len(self._stack) >= PARTIAL_DEPTH_MAX:
            self._report(
                node.token.start_index,
                f"`{name}` renders itself" if name in self._stack else "partials lie too deep",
                f"partials may lie in each other {PARTIAL_DEPTH_MAX} deep, and never in themselves",
            )
            return
        try:
            template = self._sandbox.get_template(name)
        except LiquidError:
            # Its own check says so.
            return
        given = {argument.name: self._bind(argument.value, scope) for argument in node.args}
        if node.var is not None:
            key = str(node.alias) if node.alias else name.partition(".")[0]
            given[key] = self._bind(node.var, scope, item=node.loop)
        inside: Locals = ChainMap({}, given, {"forloop": Bound(None)})
        place, stack = self._place, self._stack
        html = ".html" if self._sandbox.autoescape else ""
        self._place = Place(
            where=Where(file=path_of(name + html), line=1, column=1),
            whole=self._sandbox.partials[name],
        )
        self._stack = (*stack, name)
        for child in template.nodes:
            self._visit(child, inside, rounds)
        self._place, self._stack = place, stack


def _length(loop: LoopExpression, span: RangeLiteral) -> int:
    """Return how many rounds a loop over a range has, 1 where it cannot be known beforehand."""
    start, stop = span.start, span.stop
    if not (isinstance(start, IntegerLiteral) and isinstance(stop, IntegerLiteral)):
        return 1
    length: int = max(stop.value - start.value + 1, 0)
    if isinstance(loop.limit, IntegerLiteral):
        length = min(length, loop.limit.value)
    return length


def _suggest(name: str, known: Mapping[str, Any] | set[str] | list[str]) -> str:
    """Return what may have been meant, or some of what there is."""
    near = nearest(name, known)
    if near:
        return f"did you mean `{near}`?"
    some = sorted(known)[:8]
    return f"known are {', '.join(f'`{one}`' for one in some)}" if some else ""


def sample_values(schema: Schema, *, now: int) -> dict[str, Any]:
    """Return values of which each has the type that the schema says."""
    tree: _Names = {}
    for name in schema:
        below = tree
        for part in name.split("."):
            below = below.setdefault(part, {})
    return _sample_records(tree, "", schema, now)


def _sample_records(tree: _Names, prefix: str, schema: Schema, now: int) -> dict[str, Any]:
    return {part: _sample(prefix + part, below, schema, now) for part, below in tree.items()}


def _sample(name: str, below: _Names, schema: Schema, now: int) -> Any:
    kind = schema.get(name, "record")
    if below:
        record = _sample_records(below, f"{name}.", schema, now)
        return [record] if kind == "list" else record
    simple = {
        "bool": True,
        "int": 2,
        "decimal": DECIMAL_ONE,
        # Text that passes every filter on text, `link` included.
        "text": "https://text.example/",
        "date": now // (24 * HOUR),
        "timestamp": now + HOUR,
        "list": ["text"],
    }
    return 100 if kind.startswith("money") else simple.get(kind)
