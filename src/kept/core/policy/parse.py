"""From the text of an expression to the parser's tree, whose names and constants are our words.

sqlglot decides what binds more tightly than what, so that an analyst's SQL means here what it means
everywhere; it sees only tokens that `tokens` let through.
"""

from typing import Final, Literal, cast

import msgspec
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError
from sqlglot.parser import IsPredicatePrecedence, Parser

from kept.core.policy.tokens import Word, Words, read_words
from kept.core.policy.where import Where
from kept.errors import Problem

DEPTH_MAX: Final = 24
"""How deep the parser's tree may be, where a chain of AND, of OR, or of + and - is one level."""


class _Parser(Parser):
    # As PostgreSQL and DuckDB have it; the parser's own default is that IS binds more tightly than `=`.
    IS_PREDICATE_PRECEDENCE = IsPredicatePrecedence.LOW


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """The parser's tree of an expression, and the words that its leaves are numbers of."""

    text: str
    where: Where
    root: exp.Expr
    words: list[Word]
    problems: list[Problem]
    """What is wrong with it although it could be parsed."""

    def word_of(self, leaf: exp.Expr) -> Word:
        """Return the word that an identifier, a constant or a function's name stands for."""
        return self.words[int(leaf.name.removeprefix("w"))]

    def offset_of(self, node: exp.Expr) -> int:
        """Return where in the text a node begins: at its first word."""
        offsets = [
            self.word_of(leaf).offset
            for leaf in node.walk()
            if isinstance(leaf, exp.Identifier | exp.Literal | exp.Anonymous)
        ]
        return min(offsets, default=0)

    def problem(self, node: exp.Expr, message: str, suggestion: str = "") -> Problem:
        """Return a problem with a part of the expression."""
        return self.where.problem_at(
            self.text, self.offset_of(node), message=message, suggestion=suggestion
        )


def parse_expression(text: str, *, where: Where) -> Parsed | list[Problem]:
    """Return the parser's tree of an expression, or everything that keeps it from being read."""
    found = read_words(text, where=where)
    if not isinstance(found, Words):
        return found
    try:
        roots = _Parser(error_level=ErrorLevel.IMMEDIATE).parse(found.tokens, text)
    except ParseError as error:
        return [*found.problems, _unreadable(text, error, where=where)]
    # There are words, and no semicolon among them: so there is one tree.
    root = cast("exp.Expr", roots[0])
    if any(
        not isinstance(part, exp.Identifier)
        for column in root.find_all(exp.Column)
        for part in column.parts
    ):
        # The parser takes whatever stands in brackets for a name as well.
        return [
            *found.problems,
            where.problem(
                "has a dot that no name follows",
                suggestion="write the field's name after the dot, or leave the dot out",
            ),
        ]
    if _depth(root) > DEPTH_MAX:
        return [
            where.problem(
                f"nested more than {DEPTH_MAX} levels deep",
                suggestion="declare a part of it as a feature, a cohort or a segment",
            )
        ]
    return Parsed(text=text, where=where, root=root, words=found.words, problems=found.problems)


def operands_of(node: exp.Expr, kind: type[exp.And] | type[exp.Or]) -> list[exp.Expr]:
    """Return the operands of a chain of AND or of OR, from the left."""
    found: list[exp.Expr] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, kind):
            waiting += (part.right, part.left)
        else:
            found.append(part)
    return found


def terms_of(node: exp.Add | exp.Sub) -> tuple[list[exp.Expr], list[Literal[1, -1]]]:
    """Return the terms of a chain of + and -, from the left, with their signs."""
    terms: list[exp.Expr] = []
    signs: list[Literal[1, -1]] = []
    part: exp.Expr = node
    while isinstance(part, exp.Add | exp.Sub):
        terms.append(part.right)
        signs.append(1 if isinstance(part, exp.Add) else -1)
        part = part.left
    return [part, *reversed(terms)], [1, *reversed(signs)]


def _depth(root: exp.Expr) -> int:
    """Return how deep a tree is, where a chain is one level; without recursion."""
    deepest = 0
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += (
            (child, depth if _is_chained(node, child) else depth + 1)
            for child in node.iter_expressions()
        )
    return deepest


def _is_chained(node: exp.Expr, child: exp.Expr) -> bool:
    if isinstance(node, exp.Add | exp.Sub):
        return isinstance(child, exp.Add | exp.Sub) and child is node.left
    return isinstance(node, exp.And | exp.Or) and type(child) is type(node)


def _unreadable(text: str, error: ParseError, *, where: Where) -> Problem:
    """Return the parser's refusal with its place, in words that do not speak of parsers."""
    found = error.errors[0] if error.errors else {}
    highlight = str(found.get("highlight") or "")
    lines = text.split("\n")
    line = min(int(found.get("line") or 1), len(lines))
    column = max(int(found.get("col") or 0) - len(highlight), 0)
    offset = sum(len(before) + 1 for before in lines[: line - 1]) + column
    near = f" near {highlight}" if highlight else ""
    return where.problem_at(
        text,
        offset,
        message=f"cannot be read{near}",
        suggestion="check that every CASE has its WHEN, THEN and END, and every BETWEEN its AND",
    )
