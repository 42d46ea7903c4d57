"""The action that tells customers of a breach: there is one, it may be said, and it can arrive."""

from typing import Final

from kept.core.brand.model import Action
from kept.core.check.report import Report

_NAME: Final = "breach"


def check_notices(report: Report) -> None:
    """Report a notice that could not be given, and note a brand without one."""
    brand = report.brand
    if _NAME in brand.facts.objects:
        message = f"a kind of object cannot be called `{_NAME}`: notices of breaches are about one"
        report.error("facts.yaml", ("objects", _NAME), message, "give it another name")
    files = report.action_files()
    found = [name for name in files if brand.actions[name].notice_of]
    for name in found:
        _check_notice(report, files[name], brand.actions[name])
    for name in found[1:]:
        message = f"`{name}` is a second notice of a breach, after `{found[0]}`"
        report.error(files[name], ("notice_of",), message, "keep one, so that nobody is told twice")
    if not found and brand.actions:
        message = "no action tells customers of a breach, so that nobody could be told of one"
        suggestion = "add a service message with `notice_of: breach` (GDPR, article 34)"
        report.note("brand.yaml", ("brand",), message, suggestion)


def _check_notice(report: Report, file: str, action: Action) -> None:
    path = ("notice_of",)
    if action.kind != "service":
        message = f"a notice of a breach is a service message, and this is a {action.kind}"
        report.error(file, path, message, "make it `kind: service`")
    if not action.channels:
        message = "a notice of a breach is sent, and this has no channel"
        report.error(file, path, message, "add `channels:`")
    if action.about:
        message = "a notice of a breach is about the breach"
        report.error(file, ("about",), message, "remove `about`; the text says `breach.fields`")
    if action.needs_approval or action.legal_weight:
        message = "a person releases the notices of a breach together, after looking at them"
        key = "needs_approval" if action.needs_approval else "legal_weight"
        report.error(file, (key,), message, f"remove `{key}`")
    if action.repeat:
        message = "a notice of a breach is given once"
        report.error(file, ("repeat",), message, "remove `repeat`")
