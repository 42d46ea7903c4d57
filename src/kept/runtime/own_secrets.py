"""What the server keeps for itself: no reference of a brand folder may name it.

A folder says where its secrets stand, and what is found there is sent to a relay of its choice. Its
author may therefore name a provider's password, and neither the master key nor the operator's token.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kept.core.brand.model import Brand
from kept.errors import Problem
from kept.settings import Settings, StaffSettings, is_reference

_VARIABLES: Final = frozenset(
    f"KEPT_{name.upper()}"
    for name in (*Settings.__struct_fields__, *StaffSettings.__struct_fields__, "token")
)
"""The settings, and the token that the command line shows."""


def find_own(brand: Brand, texts: Mapping[str, str], settings: Settings) -> list[Problem]:
    """Return a problem for each reference of a brand to what belongs to the server."""
    found = sorted({text for text in _texts_in(brand) if _is_own(text, settings)})
    return [
        Problem(
            file=next((file for file, text in texts.items() if reference in text), "brand.yaml"),
            message=f"`{reference}` names a secret of the server's own",
            suggestion="name one that was made for the brand",
        )
        for reference in found
    ]


def _texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a brand, wherever it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _texts_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _texts_in(each)


def _is_own(text: str, settings: Settings) -> bool:
    """Return whether a text is a reference to a setting, a key, or a file of the data folder."""
    if not is_reference(text):
        return False
    own = {
        settings.master_key,
        settings.master_key_token,
        settings.database,
        settings.vault_database,
        settings.staff.oidc_client_secret,
    }
    kind, _, name = text.partition(":")
    if text in own or kind == "env":
        return text in own or name in _VARIABLES
    path = Path(name).resolve()
    files = {Path(each[5:]).resolve() for each in own if each.startswith("file:")}
    return path in files or path.is_relative_to(settings.data.resolve())
