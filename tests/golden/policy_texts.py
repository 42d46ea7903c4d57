"""Golden texts of the condition language: what is refused and how, and what SQL is written.

Each file holds expressions, and indented below each what must become of it.
`.venv/bin/python -m tests.golden.policy_texts` writes the answers anew; read the difference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

from kept.core.policy.check import check_expression
from kept.core.policy.sql_targets import Dialect
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import Expression
from kept.core.policy.types import BOOL
from kept.core.policy.where import Where
from tests.golden.policy_judge import SCOPE

FOLDER: Final = Path(__file__).parent
WHERE: Final = Where(file="brand", line=1, column=1)


def refusal_of(text: str) -> list[str]:
    """Return the problems of a condition that must be refused, each with its column."""
    found = check_expression(text, scope=SCOPE, expects=BOOL, where=WHERE)
    if isinstance(found, Expression):
        return ["! is taken"]
    return [f"{problem.column}: {str(problem).split(': ', 1)[1]}" for problem in found]


def sql_of(text: str) -> list[str]:
    """Return the SQL of an expression for each engine: its value, and where it is unknown."""
    found = check_expression(text, scope=SCOPE, expects=None, where=WHERE)
    if not isinstance(found, Expression):
        return [f"! {problem}" for problem in found]
    lines: list[str] = []
    for dialect in get_args(Dialect):
        sql = to_sql(found, dialect)
        lines.append(f"{dialect}: {sql.value.sql(dialect)}")
        unknown = sql.unknown.sql(dialect)
        if unknown != "FALSE":
            lines.append(f"{dialect} unknown: {unknown}")
    return lines


FILES: Final[dict[str, Callable[[str], list[str]]]] = {
    "policy_refused.txt": refusal_of,
    "policy_sql.txt": sql_of,
}


def read_pairs(name: str) -> list[tuple[str, list[str]]]:
    """Return the expressions of a file with the answers that it holds."""
    pairs: list[tuple[str, list[str]]] = []
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            pairs[-1][1].append(line.strip())
        elif line and not line.startswith("#"):
            pairs.append((line.strip(), []))
    return pairs


def rewrite(name: str) -> None:
    """Write the answers of a file anew; comments and expressions stay."""
    path = FOLDER / name
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("    "):
            lines.append(line)
            if line and not line.startswith("#"):
                lines += (f"    {answer}" for answer in FILES[name](line.strip()))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in FILES:
        rewrite(name)
