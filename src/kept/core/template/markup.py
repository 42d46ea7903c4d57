"""Where a value may stand in HTML: between tags and in quoted attributes, where escaping holds."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from kept.core.template.honesty import FILLER, Claim

_UNQUOTED: Final = re.compile(rf"<[^<>]*?\s([\w-]+)\s*=\s*(?=[^\s\"'<>]*{FILLER})(?![\"'])")
_LINK: Final = re.compile(rf"\b(href|src|action)\s*=\s*[\"']\s*(?={FILLER})", re.IGNORECASE)
_HANDLER: Final = re.compile(rf"\s(on\w+)\s*=\s*(\"[^\"]*{FILLER}|'[^']*{FILLER})", re.IGNORECASE)
_CODE: Final = re.compile(r"<(script|style)\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)


def find_unsafe_places(text: str, last_filters: Mapping[int, str]) -> Iterator[Claim]:
    """Yield values that stand where escaping does not make them safe.

    `text` has its Liquid filled; `last_filters` has, for each printed value, the offset where its
    filler begins and the name of its last filter.
    """
    for match in _UNQUOTED.finditer(text):
        yield Claim(
            offset=match.start(1),
            message=f"the attribute `{match[1]}` takes a value without quotes around it",
            suggestion=f'write {match[1]}="{{{{ … }}}}"',
        )
    for match in _LINK.finditer(text):
        if last_filters.get(match.end()) != "link":
            yield Claim(
                offset=match.end(),
                message=f"a value decides where `{match[1]}` leads",
                suggestion="end it with the filter `link`: only web, mail and telephone pass it",
            )
    for match in _HANDLER.finditer(text):
        yield Claim(
            offset=match.start(1),
            message=f"a value stands in `{match[1]}`, which is code",
            suggestion="leave it out; mail readers run no code",
        )
    for match in _CODE.finditer(text):
        if FILLER in match[2]:
            yield Claim(
                offset=match.start(),
                message=f"a value stands in `{match[1]}`, where escaping does not protect",
                suggestion="put values into the text or into quoted attributes",
            )
