"""Whether a change may go on: what worsens, and what of it somebody approved."""

from collections.abc import Sequence

import msgspec

from kept.core.diff.changes import Change
from kept.core.diff.worsening import Finding

CHANGES_SHOWN_MAX = 40


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Which kinds of worsening were approved for this very change, and by whom."""

    allows: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a change."""

    base_version: str
    tried_version: str
    is_measured: bool
    """Whether it was counted on a record; otherwise only the folders were compared."""
    changes: tuple[str, ...]
    worsenings: tuple[Finding, ...]
    """What can only get worse, told from the folders alone."""
    measured: tuple[Finding, ...]
    """What got worse past its limit on the record."""
    approved: Approved
    unapproved: tuple[Finding, ...]
    """What fails the check."""

    @property
    def failed(self) -> bool:
        """Return whether something worsens that nobody approved."""
        return bool(self.unapproved)


def judge_change(
    changes: Sequence[Change],
    worsenings: Sequence[Finding],
    *,
    versions: tuple[str, str],
    measured: Sequence[Finding] | None,
    approved: Approved,
) -> Verdict:
    """Return the verdict on a change.

    Args:
        changes: what changed.
        worsenings: what can only get worse, by the folders alone.
        versions: before and after.
        measured: what got worse past its limit on a record; None where none was read.
        approved: what was approved.
    """
    # Some things no record shows: a hold that nobody needed last month, a limit that was moved.
    beyond = [one for one in worsenings if not one.is_counted]
    counted = worsenings if measured is None else [*measured, *beyond]
    return Verdict(
        base_version=versions[0],
        tried_version=versions[1],
        is_measured=measured is not None,
        changes=tuple(f"{change.where}: {change}" for change in changes),
        worsenings=tuple(worsenings),
        measured=tuple(measured or ()),
        approved=approved,
        unapproved=tuple(one for one in counted if one.kind not in approved.allows),
    )


def to_text(verdict: Verdict) -> str:
    """Return a verdict as plain text."""
    lines = [f"{verdict.base_version} → {verdict.tried_version}: {len(verdict.changes)} change(s)"]
    lines += [f"  {change}" for change in verdict.changes]
    for title, findings in (
        ("worse by the folders alone", verdict.worsenings),
        ("worse on the record, past a limit", verdict.measured),
    ):
        if findings:
            lines += ["", title, *(f"  {_say(one)}" for one in findings)]
    lines += ["", _outcome(verdict)]
    return "\n".join(lines) + "\n"


def to_markdown(verdict: Verdict) -> str:
    """Return a verdict as a short piece of Markdown for a pull request."""
    lines = [f"### {'❌' if verdict.failed else '✅'} {_outcome(verdict)}", ""]
    lines += [f"* **{one.kind}**: {_say(one)}" for one in verdict.unapproved]
    if verdict.unapproved:
        lines.append("")
    lines.append(f"<details><summary>{len(verdict.changes)} change(s)</summary>\n")
    lines += [f"* `{change}`" for change in verdict.changes[:CHANGES_SHOWN_MAX]]
    if len(verdict.changes) > CHANGES_SHOWN_MAX:
        lines.append(f"* and {len(verdict.changes) - CHANGES_SHOWN_MAX} more")
    lines.append("\n</details>")
    return "\n".join(lines) + "\n"


def _say(one: Finding) -> str:
    limit = f" (limit: {one.limit})" if one.limit else ""
    return f"{one.what}: {one.before} → {one.after}{limit}"


def _outcome(verdict: Verdict) -> str:
    if verdict.failed:
        kinds = ", ".join(sorted({one.kind for one in verdict.unapproved}))
        return f"{len(verdict.unapproved)} worsening(s) without approval: {kinds}"
    if verdict.approved.by and (verdict.worsenings or verdict.measured):
        return f"approved by {', '.join(verdict.approved.by)}"
    if not verdict.changes:
        return "nothing changed"
    return "nothing worsens past a limit"
