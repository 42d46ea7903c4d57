"""A brand folder is read as it was at one instant."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kept.errors import InvalidBrandError
from kept.runtime import folder as module
from kept.runtime.folder import read_settled, stamp_of


@pytest.fixture
def meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Iterator[Callable[[], object]]], None]:
    """Give what lets something happen to the folder while it is read, each time something else."""
    (tmp_path / "brand.yaml").write_text("a: 1")
    (tmp_path / "contact.yaml").write_text("b: 1")
    read = module.read_folder

    def happen(steps: Iterator[Callable[[], object]]) -> None:
        def read_and_change(folder: Path) -> dict[str, str]:
            texts = read(folder)
            next(steps, lambda: None)()
            return texts

        monkeypatch.setattr(module, "read_folder", read_and_change)

    return happen


def test_a_folder_that_changes_while_it_is_read_is_read_again(
    meanwhile: Callable[[Iterator[Callable[[], object]]], None], tmp_path: Path
) -> None:
    """Half of the one and half of the other would be a brand that nobody wrote."""
    contact = tmp_path / "contact.yaml"
    meanwhile(
        iter([lambda: contact.write_text("b: 22"), contact.unlink, lambda: contact.write_text("")])
    )
    texts, stamp = read_settled(tmp_path)
    assert texts == {"brand.yaml": "a: 1", "contact.yaml": ""}
    assert stamp == stamp_of(tmp_path)


def test_a_folder_that_never_rests_is_refused(
    meanwhile: Callable[[Iterator[Callable[[], object]]], None], tmp_path: Path
) -> None:
    """Whoever asked for it hears why; nobody waits for good."""
    brand = tmp_path / "brand.yaml"
    meanwhile(iter([lambda n=n: brand.write_text("a" * n) for n in range(9)]))  # type: ignore[misc]
    with pytest.raises(InvalidBrandError, match="changed whenever it was read"):
        read_settled(tmp_path)


def test_a_link_that_leads_nowhere_is_no_file_of_the_folder(tmp_path: Path) -> None:
    """Some editors lock a file with one."""
    (tmp_path / "brand.yaml").write_text("a: 1")
    (tmp_path / ".#brand.yaml").symlink_to("ana@desk.4711")
    assert read_settled(tmp_path)[0] == {"brand.yaml": "a: 1"}
