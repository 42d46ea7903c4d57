"""Commands, settings and routes as docs/reference/cli.md, settings.md and http-api.md list them.

Run `.venv/bin/python -m tests.reference_pages` to write the pages anew.
"""

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec
from typer.main import get_command

from kept import settings
from kept.analytics.sql_session import VIEWS
from kept.cli import main as command_line
from kept.core.history_columns import COLUMNS, PART_COLUMNS
from kept.core.history_files import PARTS_FILE
from kept.web.routes import ENDPOINTS
from tests.tree import ROOT

REFERENCE: Final = ROOT / "docs" / "reference"
MARK: Final = "<!-- below: written by `python -m tests.reference_pages` -->\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that a person can type, with its full name."""
    yield from _commands_under(get_command(command_line.app), "kept")


def _commands_under(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        if not child.hidden:
            yield from _commands_under(child, f"{path} {name}")


def cli_tables() -> str:
    """Return a section for each command."""
    return "\n".join(_section(name, command) for name, command in sorted(commands()))


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join(
        [name, *(f"{each.name.upper()}" for each in arguments), *(["[OPTIONS]"] if options else [])]
    )
    lines = [f"## `{name}`", "", *_unwrap(command.help), "", "```", usage, "```", ""]
    if command.params:
        lines += ["| argument or option | what it says | else |", "|---|---|---|"]
        lines += [_row(each) for each in (*arguments, *options)]
        lines.append("")
    return "\n".join(lines)


def _unwrap(text: str) -> list[str]:
    return inspect.cleandoc(text).splitlines()


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    else:
        names = ", ".join(f"`{each}`" for each in (*parameter.opts, *parameter.secondary_opts))
    variable = f"`{parameter.envvar}`" if parameter.envvar else ""
    default = "" if parameter.default in (None, "") else f"`{parameter.default}`"
    if isinstance(parameter.default, bool):
        default = f"`{parameter.opts[0]}`" if parameter.default else ""
    otherwise = ", ".join(filter(None, (variable, default)))
    if parameter.required:
        otherwise = f"{variable}; needed" if variable else "needed"
    return f"| {names} | {parameter.help} | {otherwise} |"


def setting_tables() -> str:
    """Return the table of settings, then that of limits."""
    meanings = _meanings()
    options = {
        each.name: each
        for name, command in commands()
        if name == "kept serve"
        for each in command.params
    }
    lines = ["## Settings", "", "| setting | option | variable | what it says | else |"]
    lines.append("|---|---|---|---|---|")
    for field in msgspec.structs.fields(settings.Settings):
        if field.name == "staff":
            # These come from the environment alone, and have a table of their own.
            continue
        option = options[field.name]
        names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
        variable = f"`{option.envvar}`" if option.envvar else ""
        default = "needed" if field.required else _written(field.default)
        lines.append(
            f"| `{field.name}` | {names} | {variable} | {meanings[field.name]} | {default} |"
        )
    lines += ["", "## Settings of staff", "", "| variable | what it says | else |", "|---|---|---|"]
    for field in msgspec.structs.fields(settings.StaffSettings):
        variable = f"`KEPT_{field.name.upper()}`"
        lines.append(f"| {variable} | {meanings[field.name]} | {_written(field.default)} |")
    lines += ["", "## Limits", "", "| limit | is | what it says |", "|---|---|---|"]
    for name, value in vars(settings).items():
        if name.isupper() and not name.startswith("_"):
            lines.append(f"| `{name}` | {_amount(value)} | {meanings[name]} |")
    return "\n".join(lines) + "\n"


def _written(default: object) -> str:
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else ""


def _amount(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).strip("()")


def _meanings() -> dict[str, str]:
    """Return what stands below each setting and limit in the source."""
    tree = ast.parse(inspect.getsource(settings))
    structs = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    found: dict[str, str] = {}
    for body in (tree.body, *(struct.body for struct in structs)):
        for node, after in pairwise(body):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found[node.target.id] = " ".join(str(after.value.value).split())
    return found


_WHO: Final = {
    "anyone": "anyone",
    "link": "whoever has the link",
    "source": "a source, by its write key",
    "server": "a source that is no browser, by its write key",
    "customer": "a customer, by a pass, or a source for them",
    "signer": "whoever can sign",
    "watcher": "anyone on this machine; else staff or a token with `{needs}`",
    "operator": "staff or a token with `{needs}`",
    "person": "whoever signed in",
}


def http_tables() -> str:
    """Return a table of routes for each subject."""
    lines: list[str] = []
    for tag in dict.fromkeys(each.tag for each in ENDPOINTS):
        lines += [f"## {tag}", "", "| route | what it does | who may |", "|---|---|---|"]
        lines += [
            f"| `{each.method} {each.path}` | {each.summary} | {_WHO[each.who].format(needs=each.needs)} |"
            for each in ENDPOINTS
            if each.tag == tag
        ]
        lines.append("")
    return "\n".join(lines)


def history_tables() -> str:
    """Return a table of columns for each kind of rows, then that of the views."""
    lines: list[str] = []
    tables = {f"{kind}/": columns for kind, columns in COLUMNS.items()}
    for name, columns in (tables | {PARTS_FILE: PART_COLUMNS}).items():
        lines += [f"## `{name}`", "", "| column | type | what it says | since version |"]
        lines.append("|---|---|---|---|")
        lines += [f"| `{one.name}` | {one.type} | {one.told} | {one.since} |" for one in columns]
        lines.append("")
    lines += ["## Views of `kept sql`", "", "| view | holds |", "|---|---|"]
    lines += [f"| `{name}` | {told} |" for name, told in VIEWS.items()]
    return "\n".join(lines) + "\n"


PAGES: Final = {
    "cli.md": cli_tables,
    "settings.md": setting_tables,
    "http-api.md": http_tables,
    "history.md": history_tables,
}


def as_written(page: str) -> str:
    """Return a page as it is."""
    return (REFERENCE / page).read_text(encoding="utf-8")


def as_it_should_be(page: str) -> str:
    """Return a page with what its mark announces."""
    head, mark, _ = as_written(page).partition(MARK)
    return f"{head}{mark}\n{PAGES[page]()}"


def main() -> None:
    """Write the pages anew."""
    for page in PAGES:
        (REFERENCE / page).write_text(as_it_should_be(page), encoding="utf-8")


if __name__ == "__main__":
    main()
