"""Webhooks: proof of who calls, and mappings by which foreign payloads become events."""

import re
from typing import Final

from kept.core.brand.model import Mapping, Signature, Source
from kept.core.brand.positions import KeyPath
from kept.core.check.patterns import check_pattern
from kept.core.check.report import Report
from kept.core.check.secrecy import check_reference

FILE: Final = "sources.yaml"
PATH_ROOTS: Final = ("body", "headers", "query")
"""What a mapping may take values from: the payload, and the request's headers and query."""

_PATH: Final = re.compile(r"(body|headers|query)(\.[^.\s]+)+")


def check_webhook(report: Report, path: KeyPath, name: str, source: Source) -> None:
    """Report what is wrong with a webhook's signature and mappings, or with them elsewhere."""
    if source.kind != "webhook":
        for key in ("signature", "mappings"):
            if getattr(source, key):
                message = f"`{name}` is no webhook, so that its `{key}` is never looked at"
                report.error(FILE, (*path, key), message, f"remove `{key}`, or say `kind: webhook`")
        return
    _check_proof(report, path, name, source.signature)
    if not source.mappings:
        message = f"nothing says how the payloads of `{name}` become events"
        report.error(FILE, path, message, "add `mappings`")
    for index, mapping in enumerate(source.mappings):
        _check_mapping(report, (*path, "mappings", index), source, mapping)
        if any(earlier.when.items() <= mapping.when.items() for earlier in source.mappings[:index]):
            message = "an earlier mapping takes every payload that this one would"
            suggestion = "put this one before it, or ask for more in `when`"
            report.error(FILE, (*path, "mappings", index), message, suggestion)


def _check_proof(report: Report, path: KeyPath, name: str, signature: Signature | None) -> None:
    """Check how a webhook proves who calls, and note what is weaker than it could be."""
    if signature is None:
        message = f"the calls of `{name}` are not signed, so that each needs its write key"
        suggestion = f"add a `signature` if the sender can sign; else run `kept key add {name}`"
        report.note(FILE, path, message, suggestion)
        return
    check_reference(report, FILE, (*path, "signature", "secret"), signature.secret)
    if signature.scheme == "token" and not signature.header:
        message = "the token may come in the address (`?token=`), which proxies write into logs"
        suggestion = "name the `header` that carries it, if the sender can set one"
        report.note(FILE, (*path, "signature"), message, suggestion)


def _check_mapping(report: Report, path: KeyPath, source: Source, mapping: Mapping) -> None:
    names = report.brand.sources.namespaces
    if source.events and not any(
        mapping.event == event or (event.endswith("*") and mapping.event.startswith(event[:-1]))
        for event in source.events
    ):
        message = f"the source may not send `{mapping.event}`"
        report.error(FILE, (*path, "event"), message, "add it to the source's `events`")
    for key in ("message_id", "occurred_at"):
        if getattr(mapping, key):
            _check_path(report, (*path, key), getattr(mapping, key))
    for namespace, place in mapping.identifiers.items():
        key_path: KeyPath = (*path, "identifiers", namespace)
        known = source.identifiers or names
        report.refer(FILE, key_path, namespace, what="namespace of the source", known=known)
        _check_path(report, key_path, place)
    for name, place in mapping.properties.items():
        _check_path(report, (*path, "properties", name), place)
    for place, wanted in mapping.when.items():
        _check_path(report, (*path, "when", place), place)
        for value in wanted if isinstance(wanted, tuple) else (wanted,):
            if isinstance(value, str) and value.startswith("~"):
                check_pattern(report, (*path, "when", place), value[1:])
    keys = {declared.key for declared in report.written_facts.objects.values()}
    if not mapping.identifiers and keys.isdisjoint(mapping.properties):
        message = f"nothing says whose `{mapping.event}` it is"
        report.error(FILE, path, message, "add `identifiers`, or the key of an object")


def _check_path(report: Report, path: KeyPath, place: str) -> None:
    if not _PATH.fullmatch(place):
        roots = ", ".join(f"`{root}.`" for root in PATH_ROOTS)
        message = f"`{place}` is not a place in the payload"
        report.error(FILE, path, message, f"begin with one of {roots} such as `body.data.id`")
