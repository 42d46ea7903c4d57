"""The tables of docs/reference/brand-folder.md and facts.md, made from the structs.

A comment such as `<!-- keys of Placement -->` on a page is followed by the struct's table. Run
`.venv/bin/python -m tests.unit.core.brand.reference_tables` to write the tables anew.
"""

import re
from pathlib import Path
from typing import Final

from msgspec import UNSET, inspect

from kept.core.brand import model
from kept.core.brand.schema import SOURCE_FILES, read_meanings

ROOT: Final = Path(__file__).parents[4]
PAGES: Final = tuple(ROOT / "docs" / "reference" / page for page in ("brand-folder.md", "facts.md"))
_MARK: Final = re.compile(r"(<!-- keys of (\w+) -->\n\n)((?:\|.*\n)*)")


def meanings() -> dict[str, dict[str, str]]:
    """Return class -> key -> what it means."""
    package = Path(model.__file__).parent
    source = "\n".join((package / file).read_text(encoding="utf-8") for file in SOURCE_FILES)
    return {name: dict(keys) for name, keys in read_meanings(source).items()}


def table_of(name: str) -> str:
    """Return the table of a struct's keys."""
    info = inspect.type_info(getattr(model, name))
    assert isinstance(info, inspect.StructType)
    lines = ["| key | what it says | how it is written |", "|---|---|---|"]
    for field in info.fields:
        written = describe(field.type)
        if field.required:
            written += "; required"
        elif field.default not in {UNSET, "", None, False} and isinstance(field.default, str | int):
            written += f"; else `{field.default}`"
        meaning = meanings()[name][field.encode_name].replace("|", "\\|")
        lines.append(f"| `{field.encode_name}` | {meaning} | {written} |")
    return "\n".join(lines) + "\n"


def describe(kind: inspect.Type) -> str:
    """Return how a value is written, in words."""
    match kind:
        case inspect.Metadata():
            return str((kind.extra_json_schema or {}).get("description", "a text"))
        case inspect.UnionType():
            kinds = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
            return " or ".join(dict.fromkeys(describe(part) for part in kinds))
        case inspect.VarTupleType():
            return f"a list of {plural(describe(kind.item_type))}"
        case inspect.TupleType():
            return "[" + ", ".join(describe(part) for part in kind.item_types) + "]"
        case inspect.DictType():
            return f"names with {plural(describe(kind.value_type))}"
        case inspect.StructType():
            return f"keys of [{kind.cls.__name__}](#{anchor(kind.cls.__name__)})"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
    plain = {
        inspect.BoolType: "true or false",
        inspect.IntType: "a whole number",
        inspect.StrType: "a text",
        inspect.AnyType: "anything",
    }
    return plain[type(kind)]


def plural(text: str) -> str:
    """Return a description of several."""
    return {"a text": "texts", "anything": "anything"}.get(text, text)


def anchor(name: str) -> str:
    """Return the anchor of a struct's heading: its words, apart by hyphens."""
    return "-".join(re.findall(r"[A-Z][a-z]*", name)).lower()


def with_tables(page: str) -> str:
    """Return a page with its tables as they should be."""
    return _MARK.sub(lambda found: found[1] + table_of(found[2]), page)


def structs_on(page: str) -> list[str]:
    """Return the structs whose keys a page lists."""
    return [found[1] for found in _MARK.findall(page)]


def main() -> None:
    """Write the tables of all pages anew."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
