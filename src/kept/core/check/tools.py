"""Tools outside Kept that are told of suppressions: where, signed how, and about whom."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from kept.core.brand.model import Source, Suppressions
from kept.core.brand.positions import KeyPath
from kept.core.check.report import Report
from kept.core.check.secrecy import check_reference, check_setting

FILE: Final = "sources.yaml"
TOLD_KINDS: Final = frozenset({"server", "webhook"})
"""A browser's key is public, and history asks nothing."""


def check_tool(report: Report, path: KeyPath, name: str, source: Source) -> None:
    """Report what is wrong with how a tool is told of suppressions."""
    told = source.suppressions
    if told is None:
        return
    path = (*path, "suppressions")
    if source.kind not in TOLD_KINDS:
        message = f"`{name}` is of kind {source.kind}, which is told nothing about anybody"
        report.error(FILE, path, message, "give the tool a source of its own, of kind `server`")
    _check_way(report, path, source, told)
    _check_identifiers(report, path, source, told)
    consent = report.brand.consent
    for key, what, known in (
        ("purposes", "purpose", set(consent.purposes)),
        ("channels", "channel", set(consent.channels)),
    ):
        report.refer_all(FILE, (*path, key), getattr(told, key), what=what, known=known)


def _check_way(report: Report, path: KeyPath, source: Source, told: Suppressions) -> None:
    if not told.url:
        if source.kind == "webhook":
            message = "a webhook has no key to fetch with, and nothing says where it is called"
            report.error(FILE, path, message, "add `url:` and `secret:`")
        elif told.secret:
            message = "there is a secret, and nothing says what is called"
            report.error(FILE, (*path, "secret"), message, "add `url:`, or remove `secret`")
        return
    check_setting(report, FILE, (*path, "url"), told.url)
    wrong = "" if told.url.startswith(("env:", "file:")) else wrong_url(told.url)
    if wrong:
        hint = "write a public https address; a private one goes into env:NAME, for trials"
        report.error(FILE, (*path, "url"), wrong, hint)
    if told.secret:
        check_reference(report, FILE, (*path, "secret"), told.secret)
    else:
        message = "nothing proves to the tool who calls it"
        report.error(FILE, path, message, "add `secret: env:NAME`")


def wrong_url(url: str) -> str:
    """Return what is wrong with an address that is written out, empty if nothing is."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return f"`{url}` is no address"
    if parts.scheme != "https" or not host or any(letter <= " " for letter in url):
        return f"`{url}` does not begin with https:// and a host"
    if parts.username is not None or parts.fragment:
        return "the address has a user name or a fragment"
    try:
        is_public = ip_address(host).is_global
    except ValueError:
        is_public = host != "localhost" and not host.endswith(".localhost")
    return "" if is_public else f"`{host}` is no public address"


def _check_identifiers(report: Report, path: KeyPath, source: Source, told: Suppressions) -> None:
    spaces = report.brand.sources.namespaces
    report.refer_all(FILE, (*path, "identifiers"), told.identifiers, what="namespace", known=spaces)
    if not source.told_namespaces:
        message = "nothing says by which identifiers it knows a customer"
        report.error(FILE, path, message, "add `identifiers: [email]`")
    for index, namespace in enumerate(source.told_namespaces):
        place = (*path, "identifiers", index) if told.identifiers else path
        if namespace in spaces and spaces[namespace].object:
            message = f"`{namespace}` names a {spaces[namespace].object}, not a customer"
            report.error(FILE, place, message, "list those that name people under `identifiers`")
        elif source.identifiers and namespace in spaces and namespace not in source.identifiers:
            message = f"it would be told `{namespace}`, by which it may not name anybody"
            report.error(FILE, place, message, "add it to the source's `identifiers`")
