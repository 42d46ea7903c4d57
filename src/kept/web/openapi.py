"""The OpenAPI 3.1 document, made from the same table and structs that answer the requests."""

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from types import UnionType
from typing import Any, Final, get_args

import msgspec

from kept import __version__
from kept.web.endpoints import Endpoint, Who
from kept.web.problems import MEDIA_TYPE, HttpProblem

_REFERENCE: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")

_SECURITY: Final[Mapping[Who, list[dict[str, list[str]]]]] = {
    "anyone": [],
    "link": [],
    "source": [{"writeKey": []}, {"writeKeyAsUser": []}],
    "server": [{"writeKey": []}, {"writeKeyAsUser": []}],
    "customer": [{"inboxPass": []}, {"writeKey": []}, {"writeKeyAsUser": []}],
    "signer": [{"signature": []}],
    "watcher": [{}, {"operator": []}, {"session": []}],
    "operator": [{"operator": []}, {"session": []}],
    "person": [{"session": []}],
}
_SCHEMES: Final = {
    "writeKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The write key of a source.",
    },
    "writeKeyAsUser": {
        "type": "http",
        "scheme": "basic",
        "description": "The write key as the user, the password empty, as event SDKs send it.",
    },
    "inboxPass": {
        "type": "http",
        "scheme": "bearer",
        "description": "A pass to one customer's inbox.",
    },
    "operator": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, or the admin token from the file admin-token of the data "
        "folder.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-kept-session",
        "description": "The session of somebody who signed in (`kept-session` on a machine of one's "
        "own); whatever is not a GET needs `X-Kept-Form-Token` as well.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "The sender's signature, as the brand folder says (Standard Webhooks or "
        "another header).",
    },
}
_ACTOR: Final = {
    "name": "X-Kept-Actor",
    "in": "header",
    "required": False,
    "description": "Who the operator is, for the audit.",
    "schema": {"type": "string", "maxLength": 80},
}


def make_document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document of these endpoints."""
    endpoints = list(endpoints)
    components = _components(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = _PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kept",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Events in, decisions out. Errors are RFC 9457 problems with a stable "
            "`code`. Instants are ISO 8601 in UTC unless a field says microseconds.",
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in endpoints)],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "security": _SECURITY[endpoint.who],
        **({"x-kept-permission": endpoint.needs} if endpoint.needs else {}),
        "responses": _responses(endpoint),
    }
    parameters = list(_parameters(endpoint))
    if parameters:
        operation["parameters"] = parameters
    body = _request_body(endpoint)
    if body:
        operation["requestBody"] = body
    return operation


def _parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if endpoint.query is not None:
        (schema,), components = msgspec.json.schema_components(
            [endpoint.query], ref_template=_REFERENCE
        )
        query = components[schema["$ref"].rpartition("/")[2]]
        for name, value in query["properties"].items():
            yield {
                "name": name,
                "in": "query",
                "required": name in query.get("required", ()),
                "schema": value,
            }
    if endpoint.who == "operator":
        yield _ACTOR


def _request_body(endpoint: Endpoint) -> dict[str, Any] | None:
    if endpoint.body is not None:
        return {
            "required": True,
            "content": {"application/json": {"schema": _schema_of(endpoint.body)}},
        }
    if endpoint.body_text:
        return {
            "required": True,
            "description": endpoint.body_text,
            "content": {"*/*": {"schema": {}}},
        }
    return None


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    schema = {} if endpoint.answer is None else _schema_of(endpoint.answer)
    content = {endpoint.media_type: {"schema": schema}}
    responses: dict[str, Any] = {
        str(endpoint.success): {"description": "Done.", "content": content}
        if endpoint.success == 200
        else {"description": "Done; another page follows."}
    }
    for status in statuses_of(endpoint):
        responses[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="HttpProblem")}}},
        }
    return responses


def statuses_of(endpoint: Endpoint) -> list[int]:
    """Return every status besides 200 that an endpoint may answer with."""
    statuses = {500, *endpoint.statuses}
    if endpoint.who not in ("anyone", "link"):
        statuses.add(401)
    if endpoint.who in ("source", "server", "customer"):
        statuses.add(403)
    if endpoint.who in ("operator", "watcher", "person"):
        statuses |= {403, 429}
    if endpoint.method == "POST" and (endpoint.body is not None or endpoint.body_text):
        statuses |= {400, 413}
    return sorted(statuses)


def _schema_of(annotation: Any) -> dict[str, Any]:
    if isinstance(annotation, UnionType):
        return {"anyOf": [_schema_of(each) for each in get_args(annotation)]}
    (schema,), _ = msgspec.json.schema_components([annotation], ref_template=_REFERENCE)
    return schema


def _components(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    annotations: list[Any] = [HttpProblem]
    for endpoint in endpoints:
        for annotation in (endpoint.body, endpoint.answer):
            annotations += get_args(annotation) or ([annotation] if annotation else [])
    _, components = msgspec.json.schema_components(
        list(dict.fromkeys(annotations)), ref_template=_REFERENCE
    )
    return components
