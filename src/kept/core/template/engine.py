"""Liquid in a sandbox: only the tags and filters that are named here, and a bounded effort.

A template sees the values that it is given and nothing else: no clock, no files beyond the
brand's own partial templates. What it prints must be there. Its steps, its length, its nesting and
its source are limited, so that no template can hold up the others.
"""

from collections.abc import Mapping
from typing import Any, Final, TextIO, cast

from liquid import BoundTemplate, DictLoader, Environment, RenderContext, escape
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.tags import (
    assign_tag,
    case_tag,
    comment_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    render_tag,
    unless_tag,
)
from liquid.exceptions import LiquidError, LoopIterationLimitError
from liquid.output import LimitedStringIO
from liquid.token import Token
from liquid.utils import ReadOnlyChainMap

from kept.core.template.filters import FILTERS, MissingValueError, View, print_value

SOURCE_LENGTH_MAX: Final = 100_000
OUTPUT_BYTES_MAX: Final = 200_000
NESTING_MAX: Final = 12
PARTIAL_DEPTH_MAX: Final = 5
STEPS_MAX: Final = 20_000
"""Loop rounds and partials, each counted by the number of nodes in it."""


class Effort:
    """How much work one rendering has done so far, its partials included."""

    __slots__ = ("missing", "steps")

    def __init__(self) -> None:
        """Start with nothing done and nothing missing."""
        self.steps = 0
        self.missing: dict[str, None] = {}

    def spend(self, steps: int, token: Token | None) -> None:
        """Count work; too much of it ends the rendering."""
        self.steps += steps
        if self.steps > STEPS_MAX:
            raise LoopIterationLimitError(
                f"the template takes more than {STEPS_MAX:,} steps", token=token
            )


class Context(RenderContext):
    """What one rendering sees. It knows no `now`: time comes in with the values and the view."""

    view: View
    effort: Effort
    weight: int
    """What one round of the loop that begins next costs."""

    def __init__(
        self,
        template: BoundTemplate,
        *,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the engine's own name
        parent_context: RenderContext | None = None,
        **rest: Any,
    ) -> None:
        """Begin a rendering, or with a parent go on in a partial template."""
        super().__init__(template, globals=globals, parent_context=parent_context, **rest)
        # The engine's own chain would also offer `now` and `today`, read from the clock.
        self.scope = ReadOnlyChainMap(self.locals, self.globals)
        if isinstance(parent_context, Context):
            self.view = parent_context.view
            self.effort = parent_context.effort
            self.weight = template.weight if isinstance(template, Weighed) else 1
            self.effort.spend(self.weight, None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Count the rounds of a loop before the first of them."""
        self.effort.spend(length * self.weight, None)

    def get(self, path: list[object], *, token: Token | None, default: object = None) -> object:
        """Return the value at a path; below a value that is none there is none."""
        try:
            value: object = self.scope[str(path[0])]
        except KeyError:
            raise MissingValueError(_dotted(path)) from None
        for count, segment in enumerate(path[1:], start=2):
            if value is None:
                return None
            try:
                value = self.get_item(value, segment)
            except (KeyError, TypeError, IndexError):
                raise MissingValueError(_dotted(path[:count])) from None
        return value


def _dotted(path: list[object]) -> str:
    return ".".join(str(segment) for segment in path)


class PrintNode(output.OutputNode):
    """`{{ value }}`: prints a value that is there, or notes that it is missing and goes on."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the value, escaped in HTML; collect what is missing, to tell all at once."""
        context = cast("Context", context)
        try:
            value = print_value(self.expression.evaluate(context), context.view)
        except MissingValueError as error:
            context.effort.missing[error.name] = None
            return 0
        except LiquidError as error:
            error.token = error.token or self.token
            raise
        if value is None:
            # There are no ternary expressions here, so that what is printed is always filtered.
            context.effort.missing[str(cast("FilteredExpression", self.expression).left)] = None
            return 0
        return buffer.write(escape(value) if context.autoescape else value)


class PrintTag(output.Output):
    """`{{ … }}`."""

    node_class = PrintNode


class BoundedForNode(for_tag.ForNode):
    """A loop whose rounds are counted by what is in them."""

    __slots__ = ("weight",)

    def __init__(self, *arguments: Any, **rest: Any) -> None:
        """Weigh the loop's block once, when it is compiled."""
        super().__init__(*arguments, **rest)
        self.weight = count_nodes(self.block)

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Let the context know what a round costs; it asks for the number of rounds next."""
        cast("Context", context).weight = self.weight
        return super().render_to_output(context, buffer)


class BoundedForTag(for_tag.ForTag):
    """`{% for … %}`."""

    node_class = BoundedForNode


class Weighed(BoundTemplate):
    """A compiled template that knows how many nodes it consists of."""

    def __init__(self, env: Environment, nodes: list[Node], *arguments: Any, **rest: Any) -> None:
        """Weigh the template once, when it is compiled."""
        super().__init__(env, nodes, *arguments, **rest)
        self.weight = 1 + sum(count_nodes(node) for node in nodes)


def count_nodes(node: Node) -> int:
    """Return how many nodes a node consists of, without the partials it renders."""
    static = RenderContext(_BARE)
    return 1 + sum(count_nodes(child) for child in node.children(static, include_partials=False))


_BARE: Final = BoundTemplate(Environment(), [])
"""Nodes ask for a context to look for partials in, even where none are wanted."""


class Sandbox(Environment):
    """The tags and filters that a brand's templates may use, and the limits they live in."""

    block_nesting_limit = NESTING_MAX
    context_depth_limit = PARTIAL_DEPTH_MAX + NESTING_MAX
    output_stream_limit = OUTPUT_BYTES_MAX
    template_class = Weighed

    def __init__(self, partials: Mapping[str, str], *, is_html: bool) -> None:
        """Take the texts that `{% render "_name" %}` may put in."""
        super().__init__(loader=DictLoader(dict(partials)), autoescape=is_html)
        self.partials = partials
        self._parsed: dict[str, BoundTemplate] = {}

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register what is allowed; everything else is an unknown tag or filter."""
        for tag in (
            assign_tag.AssignTag,
            BoundedForTag,
            case_tag.CaseTag,
            comment_tag.CommentTag,
            content.Literal,
            for_tag.BreakTag,
            for_tag.ContinueTag,
            if_tag.IfTag,
            illegal.Illegal,
            inline_comment_tag.InlineCommentTag,
            PrintTag,
            render_tag.RenderTag,
            unless_tag.UnlessTag,
        ):
            self.add_tag(tag)
        for name, function in FILTERS.items():
            self.add_filter(name, function)

    def get_template(self, name: str, **rest: Any) -> BoundTemplate:
        """Return a partial, parsed once."""
        template = self._parsed.get(name)
        if template is None:
            template = self._parsed[name] = super().get_template(name, **rest)
        return template

    def error(
        self,
        exc: type[LiquidError] | LiquidError,
        msg: str | None = None,
        token: Token | None = None,
    ) -> None:
        """Raise an error that points into the text, not behind the end of an expression."""
        if (
            isinstance(exc, LiquidError)
            and exc.token is not None
            and token is not None
            and exc.token.start_index < 0 <= token.start_index
        ):
            exc.token = token
        super().error(exc, msg, token)


def render_template(
    template: BoundTemplate, values: Mapping[str, object], view: View
) -> tuple[str, tuple[str, ...]]:
    """Return the text of a template and the names of what it misses; raises `LiquidError`."""
    context = Context(template, globals=values)
    context.view = view
    context.weight = 1
    context.effort = Effort()
    buffer = LimitedStringIO(OUTPUT_BYTES_MAX)
    try:
        template.render_with_context(context, buffer)
    except MissingValueError as error:
        context.effort.missing[error.name] = None
    except RecursionError:
        raise LiquidError("the template is nested too deeply", token=None) from None
    return buffer.getvalue(), tuple(context.effort.missing)
