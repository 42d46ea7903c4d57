"""The document is made from the table that answers; here it is held against itself."""

import json
import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from kept.web.endpoints import Endpoint
from kept.web.openapi import make_document, statuses_of
from kept.web.routes import ENDPOINTS
from kept.web.wire.routes import ROUTES

DOCUMENT = json.loads(msgspec.json.encode(make_document(ENDPOINTS)))


def references_in(value: Any) -> set[str]:
    """Return every reference within a value."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references_in, value.values())) if value else own
    if isinstance(value, list):
        return set().union(*map(references_in, value))
    return set()


def test_every_reference_leads_somewhere_and_nothing_stands_about() -> None:
    """No dead link, and no struct that no route speaks of."""
    schemas = DOCUMENT["components"]["schemas"]
    known = {f"#/components/schemas/{name}" for name in schemas}
    used = references_in(DOCUMENT)
    assert used <= known
    assert known - used <= {
        f"#/components/schemas/{each.query.__name__}" for each in ENDPOINTS if each.query
    }


def test_every_schema_explains_itself() -> None:
    """The docstrings of the structs are the reference."""
    silent = [
        name
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if not schema.get("description")
    ]
    assert not silent


def test_every_schema_is_one() -> None:
    """JSON Schema 2020-12, which OpenAPI 3.1 is built on."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_names_of_operations_are_unique() -> None:
    """Clients are generated from them."""
    names = [each.name for each in ENDPOINTS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]\w+", name) for name in names)


def test_every_path_of_an_sdk_is_documented() -> None:
    """The table of wire formats and the document cannot differ."""
    assert set(ROUTES) <= set(DOCUMENT["paths"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_operation_says_who_may_what_comes_back_and_what_may_go_wrong(
    endpoint: Endpoint,
) -> None:
    """Parameters of the path, the answer, and every problem."""
    operation = DOCUMENT["paths"][re.sub(r":\w+", "", endpoint.path)][endpoint.method.lower()]
    assert operation["summary"].endswith(".")
    wanted = set(re.findall(r"\{(\w+)(?::\w+)?\}", endpoint.path))
    found = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
    assert found == wanted
    for scheme in operation["security"]:
        assert set(scheme) <= set(DOCUMENT["components"]["securitySchemes"])
    statuses = {int(status) for status in operation["responses"]}
    assert statuses == {endpoint.success, *statuses_of(endpoint)}
    for status, response in operation["responses"].items():
        if int(status) != endpoint.success:
            assert list(response["content"]) == ["application/problem+json"]
    is_public = endpoint.who in ("anyone", "link")
    assert is_public is (operation["security"] == [])
