"""Commands write what is personal for its owner alone, and find out first where they cannot write."""

from pathlib import Path
from typing import Any

import pytest

from kept.cli import breach, privacy
from kept.errors import InputError


def test_evidence_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a file stood before that anybody could read."""
    monkeypatch.setattr(breach, "fetch", lambda *_: b"a zip")
    into = tmp_path / "evidence.zip"
    into.write_bytes(b"of before")
    into.chmod(0o644)
    breach.evidence(1, tmp_path, into, personal=True, because="the authority asked")
    assert into.read_bytes() == b"a zip"
    assert into.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [into]


def test_a_proof_that_cannot_be_written_is_refused_before_anybody_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards nobody could ask for the receipt again."""
    asked: list[Any] = []
    monkeypatch.setattr(privacy, "call", lambda *told: asked.append(told))
    with pytest.raises(InputError, match=r"cannot be written .*; name another file with --proof"):
        privacy.forget("user_id:ana", tmp_path, "in person", proof=tmp_path / "none" / "proof")
    assert asked == []


def test_no_proof_is_left_of_an_erasure_that_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file would look like one; what stood there before stays as it is."""

    def refuse(*_: object) -> None:
        raise InputError("nobody of this name is known")

    monkeypatch.setattr(privacy, "call", refuse)
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(b"of before")
    for proof in (new, old):
        with pytest.raises(InputError, match="nobody"):
            privacy.forget("user_id:ana", tmp_path, "in person", proof=proof)
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_bytes() == b"of before"
