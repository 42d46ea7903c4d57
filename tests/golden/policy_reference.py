"""Writes the list of functions in docs/reference/conditions.md from the table in the code.

`.venv/bin/python -m tests.golden.policy_reference` brings the page up to date.
"""

from pathlib import Path
from typing import Final

from kept.core.policy.functions import AGGREGATIONS, FUNCTIONS, Function, Group, Signature

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "conditions.md"
BEGIN: Final = "<!-- functions: written by `python -m tests.golden.policy_reference` -->\n"
END: Final = "<!-- end of functions -->\n"
TITLES: Final[dict[Group, str]] = {
    "NULL": "NULL",
    "numbers": "Numbers",
    "text": "Text",
    "time": "Time between instants and dates",
    "local time": "The customer's own clock and calendar",
    "calendar": "Parts of a date",
}


def render_functions() -> str:
    """Return the list of functions and aggregates as Markdown."""
    lines: list[str] = []
    for group, title in TITLES.items():
        lines += [f"### {title}", ""]
        for function in FUNCTIONS.values():
            if function.group == group:
                lines += _describe(function)
    lines += ["### The customer's objects", ""]
    for aggregation in AGGREGATIONS.values():
        lines += [f"#### {aggregation.name}", ""]
        lines += [f"`{aggregation.form}`; the condition may be left out.", ""]
        lines += [aggregation.meaning, "", f"Example: `{aggregation.example}`", ""]
    return "\n".join(lines)


def _describe(function: Function) -> list[str]:
    forms = [f"`{_form(function.name, signature)}`" for signature in function.signatures]
    example = f"Example: `{function.example}`"
    return [f"#### {function.name}", "", ", ".join(forms), "", function.meaning, "", example, ""]


def _form(name: str, signature: Signature) -> str:
    more = ", ..." if signature.repeated else ""
    return f"{name}({', '.join(signature.parameters)}{more}) → {signature.result}"


def page_with(functions: str) -> str:
    """Return the page with another list of functions in its place."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{functions}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(render_functions()), encoding="utf-8")
