"""The published schemas say what the loader takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from kept.core.brand import model
from kept.core.brand.load import FILE_KINDS, FOLDER_KINDS
from kept.core.brand.schema import SOURCE_FILES, make_schemas, read_meanings
from tests.unit.core.brand.sample import SAMPLE, sample_with

PACKAGE = Path(model.__file__).parent
SOURCE = "\n".join((PACKAGE / file).read_text(encoding="utf-8") for file in SOURCE_FILES)
SCHEMAS = make_schemas(SOURCE)
YAML_FILES = [file for file in SAMPLE if file.endswith(".yaml")]


def validator_for(file: str) -> Draft202012Validator:
    """Return a validator of the schema that a file of a folder is held against."""
    folder = file.partition("/")[0]
    name = (
        FOLDER_KINDS[folder].__name__.lower() if folder in FOLDER_KINDS else file[: -len(".yaml")]
    )
    return Draft202012Validator(SCHEMAS[f"{name}.schema.json"])


class EditorsLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as an editor's language server reads it: a date is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and form
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml(text: str) -> Any:
    """Return a text as JSON would hold it."""
    return yaml.load(text, Loader=EditorsLoader)  # noqa: S506 - a safe loader, but for dates


def test_each_kind_of_file_has_a_valid_schema() -> None:
    """One for each, with nothing in it that only the loader understands."""
    assert set(FILE_KINDS) | set(FOLDER_KINDS) == {
        "brand.yaml", "sources.yaml", "facts.yaml", "cohorts.yaml", "consent.yaml", "contact.yaml",
        "actions", "catalog",
    }  # fmt: skip
    assert len(SCHEMAS) == 8
    assert "x-reads" not in str(SCHEMAS)
    for file in YAML_FILES:
        validator = validator_for(file)
        validator.check_schema(validator.schema)


@pytest.mark.parametrize("file", YAML_FILES)
def test_what_the_loader_takes_satisfies_its_schema(file: str) -> None:
    """An editor underlines nothing that `kept check` takes."""
    assert list(validator_for(file).iter_errors(read_yaml(SAMPLE[file]))) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("contact.yaml", "hushes:", "hushs:"),
        ("consent.yaml", "basis: consent", "basis: konsent"),
        ("brand.yaml", "currency: EUR", "currency: 7"),
        ("brand.yaml", "[en, de]", "en"),
        ("sources.yaml", "every: 1 hour", "every: often"),
        ("actions/late_fee.yaml", "kind: measure", "kind: mesure"),
        ("catalog/plan_s.yaml", "price: 29.99 EUR", "price: 29.99"),
        ("consent.yaml", "[shop, marketing]", "[shop]"),
    ],
)
def test_what_the_loader_refuses_breaks_its_schema(file: str, old: str, new: str) -> None:
    """Misspelt keys and words, wrong types and lengths are underlined while they are typed."""
    text = sample_with(file, old, new)[file]
    assert list(validator_for(file).iter_errors(read_yaml(text)))


def test_keys_are_described_by_the_docstrings_beneath_their_fields() -> None:
    """What an editor shows is what the module says, joined to one line; no key goes without."""
    for name, schema in SCHEMAS.items():
        for kind, part in {name: schema, **schema["$defs"]}.items():
            assert [
                key for key, of in part["properties"].items() if "description" not in of
            ] == [], kind
    action = SCHEMAS["action.schema.json"]["properties"]
    assert action["terms_from"]["description"] == "A product of the catalog whose terms these are."
    assert action["value"]["type"] == ["string", "number", "boolean"]
    about = SCHEMAS["contact.schema.json"]["$defs"]["Hold"]["properties"]["about"]["description"]
    assert about.startswith("The kind of object whose own condition")
    assert read_meanings('class A:\n    b_: int\n    """One\n    two."""\n    c: int\n') == {
        "A": {"b": "One two."}
    }
