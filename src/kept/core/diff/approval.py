"""An approval of a change that worsens something: a note that a person signed, outside of the change.

It names both versions by the SHA-256 of all their files, so that it stands for this one change and
for no other, and which kinds of worsening it allows. Whose key counts is said by a list that does not
come with the change; a commit cannot approve itself.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from kept.core.checkpoint import LogKey, key_of, parse_key, read_note, sign_note
from kept.core.diff.worsening import KINDS
from kept.errors import InputError

HEADER: Final = "kept diff approval v1"
BECAUSE_LENGTH_MAX: Final = 500


class DiffApproval(msgspec.Struct, frozen=True, kw_only=True):
    """What a person approved."""

    base: str
    """The digest of the folder that it changes."""
    tried: str
    """The digest of the folder that it becomes."""
    allows: tuple[str, ...]
    because: str


def digest_folder(texts: Mapping[str, str]) -> str:
    """Return the SHA-256 of a folder: of the names and contents of all files that decide."""
    digest = sha256()
    for name, text in sorted(texts.items()):
        for piece in (name, text):
            raw = piece.encode()
            digest.update(len(raw).to_bytes(8) + raw)
    return digest.hexdigest()


def sign_approval(approval: DiffApproval, *, name: str, seed: bytes) -> str:
    """Return an approval as a signed note.

    Raises:
        InputError: it allows nothing, or says no reason.
    """
    unknown = [kind for kind in approval.allows if kind not in KINDS]
    if unknown or not approval.allows:
        raise InputError(f"an approval allows one or more of {', '.join(KINDS)}")
    because = " ".join(approval.because.split())
    if not because or len(because) > BECAUSE_LENGTH_MAX:
        raise InputError(f"say why, in at most {BECAUSE_LENGTH_MAX} characters")
    lines = (
        HEADER,
        f"base {approval.base}",
        f"tried {approval.tried}",
        f"allows {' '.join(sorted(set(approval.allows)))}",
        f"because {because}",
    )
    return sign_note("".join(f"{line}\n" for line in lines), name, seed)


def read_approval(note: str, keys: Sequence[LogKey]) -> tuple[DiffApproval, tuple[str, ...]]:
    """Return an approval, and which of the keys signed it.

    Raises:
        InputError: it is none, or a signature by one of the keys is wrong.
    """
    body, names = read_note(note, keys)
    header, *rest = body.rstrip("\n").split("\n")
    told = dict(line.partition(" ")[::2] for line in rest)
    if header != HEADER or set(told) != {"base", "tried", "allows", "because"}:
        raise InputError(f"this is no approval of a change; one begins with {HEADER!r}")
    approval = DiffApproval(
        base=told["base"],
        tried=told["tried"],
        allows=tuple(told["allows"].split()),
        because=told["because"],
    )
    return approval, names


def parse_approvers(text: str) -> list[LogKey]:
    """Return the keys in a list of approvers: one `NAME+ID+BASE64` a line, `#` begins a comment.

    Raises:
        InputError: a line is no key, or there is none.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        try:
            keys.append(parse_key(content))
        except InputError as error:
            raise InputError(f"line {number} of the approvers: {error}") from error
    if not keys:
        raise InputError("the list of approvers names nobody")
    return keys


def public_line(name: str, seed: bytes) -> str:
    """Return what an approver puts into the list of approvers."""
    return key_of(name, seed).text
