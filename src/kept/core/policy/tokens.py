"""The words of an expression, looked at before any parser sees them.

Everything outside the language is refused here with its place and a sentence that says what to do
instead, and so is everything that could hurt a parser: a text too long or too deeply nested.

What is left is handed on in a form in which nothing can be mistaken: each name and each constant is
replaced by its number in a list. So a fact may be called `order`, an object `case`, and no parser
gives a function of ours a meaning of its own.
"""

import re
from typing import Final

import msgspec
from sqlglot import Token, Tokenizer, TokenType
from sqlglot.errors import TokenError

from kept.core.policy import literals
from kept.core.policy.literals import Wrong
from kept.core.policy.tree import Literal
from kept.core.policy.where import Where, shown
from kept.errors import Problem

LENGTH_MAX: Final = 4_000
PROBLEMS_MAX: Final = 20
WORDS_MAX: Final = 800
DEPTH_MAX: Final = 20

_NAME: Final = re.compile(r"[^\W\d]\w*")
_KEYWORDS: Final = {
    "AND": TokenType.AND,
    "OR": TokenType.OR,
    "NOT": TokenType.NOT,
    "BETWEEN": TokenType.BETWEEN,
    "IN": TokenType.IN,
    "IS": TokenType.IS,
    "NULL": TokenType.NULL,
    "TRUE": TokenType.TRUE,
    "FALSE": TokenType.FALSE,
    "CASE": TokenType.CASE,
    "WHEN": TokenType.WHEN,
    "THEN": TokenType.THEN,
    "ELSE": TokenType.ELSE,
    "END": TokenType.END,
}
_SYMBOLS: Final = {
    "(", ")", ",", ".", "+", "-", "*", "=", "<>", "!=", "<", "<=", ">", ">=",
}  # fmt: skip
_NEVER_AFTER_CASE: Final = (_SYMBOLS - {"(", "-"}) | {"AND", "OR", "IS", "IN", "BETWEEN"}
_OTHER_OPERATORS: Final = {
    "/": (TokenType.SLASH, "use ratio(a, b), which is NULL where b is 0"),
    "%": (TokenType.SLASH, "there is no remainder of a division"),
    "||": (TokenType.SLASH, "texts are put together in templates, not in conditions"),
    "==": (TokenType.EQ, "write ="),
    "LIKE": (TokenType.EQ, "use starts_with(a, b) or contains(a, b)"),
    "ILIKE": (TokenType.EQ, "use starts_with(a, b) or contains(a, b)"),
    "GLOB": (TokenType.EQ, "use starts_with(a, b) or contains(a, b)"),
    "RLIKE": (TokenType.EQ, "use starts_with(a, b), contains(a, b) or IN"),
    "REGEXP": (TokenType.EQ, "use starts_with(a, b), contains(a, b) or IN"),
    "DIV": (TokenType.SLASH, "use ratio(a, b)"),
    "MOD": (TokenType.SLASH, "there is no remainder of a division"),
    "XOR": (TokenType.EQ, "use <>"),
}
"""Operators of other SQL, what to use instead, and what stands in for them, so that the rest of the
expression is still read for its problems."""

_INSTEAD_OF_SYMBOL: Final = {
    "&&": "write AND",
    "!": "write NOT",
    "::": "there are no casts; a fact has its type in facts.yaml",
    "[": "write lists in parentheses: x IN ('a', 'b')",
    ";": "an expression is one value; leave the semicolon out",
    "->": "there are no lambdas: write exists(kind, condition)",
    "=>": "there are no lambdas: write exists(kind, condition)",
    "{": "templates are for texts; write the name of the fact itself",
    "}": "templates are for texts; write the name of the fact itself",
    "]": "write lists in parentheses: x IN ('a', 'b')",
    "?": "there are no parameters; write the value or the name of a fact",
    "@": "there are no parameters; write the value or the name of a fact",
    ":": "there are no parameters; write the value or the name of a fact",
}
_INSTEAD_OF_WORD: Final = {
    "similar": "use starts_with(a, b) or contains(a, b)",
    "as": "there are no casts and no other names",
    "distinct": "declare a `distinct` feature in facts.yaml, or use IS NULL",
    "over": "there are no windows; declare a feature in facts.yaml",
    "collate": "texts are compared letter for letter",
    "select": "an expression is one value, not a query: use exists, count, sum, min or max",
    "from": "an expression is one value, not a query: use exists, count, sum, min or max",
    "at": "use local_date, local_hour or local_weekday",
}


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A name or a constant of the expression, and where it stands in the text."""

    text: str
    offset: int
    constant: Literal | None = None


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """An expression made safe to parse: its tokens, and the words that they stand for."""

    tokens: list[Token]
    words: list[Word]
    problems: list[Problem]
    """What is wrong with it although it can be parsed."""


def read_words(text: str, *, where: Where) -> Words | list[Problem]:
    """Return the words of an expression, or all that keeps it from being parsed."""
    if len(text) > LENGTH_MAX:
        return [
            where.problem(
                f"an expression of {len(text)} characters; at most {LENGTH_MAX} are allowed",
                suggestion="declare a part of it as a feature, a cohort or a segment",
            )
        ]
    try:
        tokens = Tokenizer().tokenize(text)
    except TokenError:
        # The tokenizer knows no place; what is never closed is the one thing that it refuses.
        return [
            where.problem_at(
                text,
                _last_opened(text),
                message="a quotation is never closed",
                suggestion="add the missing '",
            )
        ]
    return _Reader(text, where).read(tokens)


class _Reader:
    """Reads the tokens of one expression; knows whether a value or an operator must come next."""

    def __init__(self, text: str, where: Where) -> None:
        self.text = text
        self.where = where
        self.problems: list[Problem] = []
        self.is_broken = False
        """Whether a problem was found that a parser could not bear."""
        self.tokens: list[Token] = []
        self.words: list[Word] = []
        self.opened: list[int] = []
        self.nesting = 0
        self.prefixes = 0
        self.wants_value = True

    def read(self, tokens: list[Token]) -> Words | list[Problem]:
        """Return the safe tokens with their words, or all problems."""
        if not tokens:
            return [self.where.problem("an empty expression", suggestion="write a condition")]
        if len(tokens) > WORDS_MAX:
            return [
                self.where.problem(
                    f"an expression of {len(tokens)} words; at most {WORDS_MAX} are allowed",
                    suggestion="declare a part of it as a feature, a cohort or a segment",
                )
            ]
        position = 0
        while position < len(tokens) and len(self.problems) < PROBLEMS_MAX:
            token = tokens[position]
            position += self._read_one(tokens, position)
            if self.nesting + self.prefixes > DEPTH_MAX:
                self._refuse(
                    token.start,
                    f"nested more than {DEPTH_MAX} levels deep",
                    "declare a part of it as a feature, a cohort or a segment",
                )
            if len(self.problems) >= PROBLEMS_MAX or self.nesting + self.prefixes > DEPTH_MAX:
                return self.problems
        if self.opened:
            self._refuse(self.opened[-1], "this ( is never closed", "add the missing )")
        elif self.wants_value and not self.problems:
            self._refuse(len(self.text.rstrip()) - 1, "the expression ends where a value must come")
        if self.is_broken or len(self.problems) >= PROBLEMS_MAX:
            return self.problems
        return Words(tokens=self.tokens, words=self.words, problems=self.problems)

    def _read_one(self, tokens: list[Token], position: int) -> int:
        """Read the token at a position and return how many tokens were used."""
        token = tokens[position]
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        if token.comments:
            self._refuse(token.start, "a comment", "write it beside the expression, after #")
        if token.token_type is TokenType.STRING:
            return self._constant(token, literals.read_text(token.text))
        if token.token_type is TokenType.NUMBER:
            return self._constant(token, literals.read_number(token.text))
        if token.token_type is TokenType.IDENTIFIER:
            self._refuse(
                token.start,
                f"{shown(token.text)} in double quotes",
                "texts stand in single quotes, names in none",
            )
            self.wants_value = False
            return 1
        written = self.text[token.start : token.end + 1]
        keyword = _KEYWORDS.get(written.upper())
        if keyword is not None and not _names_a_kind(token, following):
            self._keyword(token, keyword, following)
        elif written.upper() in _OTHER_OPERATORS and not self.wants_value:
            self._stand_in(token, written)
        elif _NAME.fullmatch(written):
            return self._name(token, following)
        else:
            self._symbol(token, written)
        return 1

    def _stand_in(self, token: Token, written: str) -> None:
        """Read an operator that other SQL has, and say what to use instead."""
        kind, instead = _OTHER_OPERATORS[written.upper()]
        self._note(token.start, f"{written} is not part of the language", instead)
        self._operator(token)
        self.wants_value = True
        self._add(token, kind, written)

    def _name(self, token: Token, following: Token | None) -> int:
        """Read a name, or the type at the head of a constant such as `date '2026-12-24'`."""
        word = token.text.lower()
        if not self.wants_value or word in {"select", "distinct", "interval"}:
            instead = _INSTEAD_OF_WORD.get(word)
            if instead is not None:
                self._refuse(token.start, f"{token.text} is not part of the language", instead)
                self.wants_value = True
                return 1
        if following is not None and following.token_type is TokenType.STRING and self.wants_value:
            self._constant(following, literals.read_typed(word, following.text), start=token.start)
            return 2
        self._add_word(token, Word(text=token.text, offset=token.start), TokenType.VAR)
        return 1

    def _constant(self, token: Token, found: Literal | Wrong, *, start: int | None = None) -> int:
        offset = token.start if start is None else start
        if isinstance(found, Wrong):
            self._note(offset, found.message, found.suggestion)
        constant = None if isinstance(found, Wrong) else found
        written = self.text[offset : token.end + 1]
        self._add_word(
            token, Word(text=written, offset=offset, constant=constant), TokenType.NUMBER
        )
        return 1

    def _add_word(self, token: Token, word: Word, kind: TokenType) -> None:
        if not self.wants_value:
            self._misplaced(word.offset, f"an operator is missing before {shown(word.text)}")
        number = str(len(self.words))
        self.words.append(word)
        self._add(token, kind, number if kind is TokenType.NUMBER else f"w{number}")
        self.wants_value = False
        self.prefixes = 0

    def _keyword(self, token: Token, kind: TokenType, following: Token | None) -> None:
        """Read one of the words that are part of the language itself."""
        if kind in {TokenType.NULL, TokenType.TRUE, TokenType.FALSE}:
            self._begin_value(token)
            self.wants_value = False
        elif kind is TokenType.CASE:
            self._begin_value(token)
            self.nesting += 1
            self.wants_value = True
        elif kind is TokenType.NOT:
            if (
                not self.wants_value
                and following is not None
                and following.text.upper() in _OTHER_OPERATORS
            ):
                return
            self._not(token, following)
        else:
            self._operator(token)
            self.wants_value = kind is not TokenType.END
            self.nesting -= kind is TokenType.END
        if kind is TokenType.IS and not _fits_after_is(following):
            self._refuse(token.start, "after IS comes NULL, TRUE or FALSE, or NOT and one of these")
        self._add(token, kind, token.text)
        self.prefixes = self.prefixes + 1 if kind is TokenType.NOT else 0

    def _not(self, token: Token, following: Token | None) -> None:
        """Read NOT: it stands before a condition, or between a value and IN or BETWEEN."""
        word = following.text.lower() if following is not None else ""
        if not self.wants_value and word not in {"in", "between"}:
            self._refuse(
                token.start,
                "NOT cannot stand here",
                "it stands before a condition, IN or BETWEEN",
            )

    def _begin_value(self, token: Token) -> None:
        if not self.wants_value:
            self._misplaced(token.start, f"an operator is missing before {token.text}")

    def _symbol(self, token: Token, written: str) -> None:
        """Read an operator, a parenthesis or a comma."""
        if written not in _SYMBOLS:
            instead = _INSTEAD_OF_SYMBOL.get(written) or _INSTEAD_OF_SYMBOL.get(written[:1], "")
            self._refuse(token.start, f"{shown(written)} is not part of the language", instead)
            self.wants_value = True
            return
        if written == "(":
            self._open(token)
        elif written == ")":
            self._close(token)
        elif written == "-" and self.wants_value:
            self.prefixes += 1
            self._add(token, token.token_type, written)
            return
        elif written == "," and not self.opened:
            self._refuse(token.start, "a list, where one value must stand", "remove what follows")
            self.wants_value = True
        else:
            self._operator(token)
            self.wants_value = True
        self._add(token, token.token_type, written)
        self.prefixes = 0

    def _open(self, token: Token) -> None:
        called = self._ends_with(TokenType.VAR) or self._ends_with(TokenType.IN)
        if not self.wants_value and not called:
            self._misplaced(token.start, "an operator is missing before (")
        self.opened.append(token.start)
        self.nesting += 1
        self.wants_value = True

    def _close(self, token: Token) -> None:
        empty = self._ends_with(TokenType.L_PAREN)
        if not self.opened:
            self._refuse(token.start, "this ) closes nothing", "remove it, or add the missing (")
        else:
            self.opened.pop()
            self.nesting -= 1
        if self.wants_value and not empty:
            self._misplaced(token.start, "a value is missing before )")
        self.wants_value = False

    def _operator(self, token: Token) -> None:
        """Note that an operator must have a value before it, except where CASE has just begun."""
        after_case = self._ends_with(TokenType.CASE)
        if not self.wants_value or (after_case and token.text.upper() == "WHEN"):
            return
        if token.text == "*" and self._ends_with(TokenType.L_PAREN):
            self._refuse(token.start, "* cannot stand here", "write count(kind, condition)")
        self._misplaced(token.start, f"a value is missing before {token.text}")

    def _ends_with(self, kind: TokenType) -> bool:
        return bool(self.tokens) and self.tokens[-1].token_type is kind

    def _add(self, token: Token, kind: TokenType, text: str) -> None:
        self.tokens.append(
            Token(kind, text, line=token.line, col=token.col, start=token.start, end=token.end)
        )

    def _note(self, offset: int, message: str, suggestion: str = "") -> None:
        """Note a problem that leaves the expression fit to be parsed; each kind once."""
        if all(problem.message != message for problem in self.problems):
            self.problems.append(
                self.where.problem_at(self.text, offset, message=message, suggestion=suggestion)
            )

    def _misplaced(self, offset: int, message: str, suggestion: str = "") -> None:
        """Note that words do not follow one another; after a worse problem, this only repeats it."""
        if not self.is_broken:
            self._refuse(offset, message, suggestion)

    def _refuse(self, offset: int, message: str, suggestion: str = "") -> None:
        """Note a problem that no parser could bear."""
        self._note(offset, message, suggestion)
        self.is_broken = True


def _last_opened(text: str) -> int:
    """Return where the quotation begins that is never closed."""
    opened, quote = 0, ""
    for offset, letter in enumerate(text):
        if not quote and letter in "'\"`":
            opened, quote = offset, letter
        elif letter == quote:
            quote = ""
    return opened


def _names_a_kind(token: Token, following: Token | None) -> bool:
    """Return whether CASE is a name here, as in `exists(case, ...)`: no value or WHEN follows."""
    if token.text.upper() != "CASE":
        return False
    return following is None or following.text.upper() in _NEVER_AFTER_CASE


def _fits_after_is(following: Token | None) -> bool:
    return following is not None and following.text.upper() in {"NOT", "NULL", "TRUE", "FALSE"}
