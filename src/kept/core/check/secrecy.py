"""Secrets are named, never written: a folder under version control is read by many."""

import re
from typing import Final

from kept.core.brand.positions import KeyPath
from kept.core.check.report import Report

_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:\S+")
_SECRET_KEY: Final = re.compile(r"secret|token|passw|credential|(^|_)key$|api_?key", re.IGNORECASE)
_SECRET_VALUE: Final = re.compile(
    r"whsec_|sk_(live|test)_|-----BEGIN|AKIA[0-9A-Z]{12}|ghp_|xox[abp]-|eyJ[\w-]{10,}\."
    r"|://[^/\s:@]+:[^/\s@]+@"
)
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9+/=_-]{24,}")


def check_reference(report: Report, file: str, path: KeyPath, text: str) -> None:
    """Report a secret that is written where its name belongs; the secret is not repeated."""
    if not _REFERENCE.fullmatch(text):
        report.error(
            file,
            path,
            f"`{path[-1]}` holds a value where a reference belongs",
            "write `env:NAME` or `file:PATH`, and change the secret if it was a real one",
        )


def check_setting(report: Report, file: str, path: KeyPath, text: str) -> None:
    """Report a setting that is, or looks like, a secret."""
    if _SECRET_KEY.search(str(path[-1])):
        check_reference(report, file, path, text)
    elif not _REFERENCE.fullmatch(text) and _looks_secret(text):
        report.error(
            file,
            path,
            f"`{path[-1]}` looks like a secret",
            "write `env:NAME` or `file:PATH`, and change the secret if it was a real one",
        )


def _looks_secret(text: str) -> bool:
    if _SECRET_VALUE.search(text):
        return True
    words = _LONG_WORD.findall(text)
    # Letters of both cases with digits between them are no word of any language.
    return any(
        re.search(r"[a-z]", word) and re.search(r"[A-Z]", word) and re.search(r"\d", word)
        for word in words
    )
