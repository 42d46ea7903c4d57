"""Which field feeds which policy of the example brand, under which basis, and who is given it."""

import pytest

from tests.golden.data_map_files import FILES, FOLDER, load_example


@pytest.mark.parametrize("name", FILES)
def test_the_map_is_the_golden_one(name: str) -> None:
    """A use of somebody's data neither begins nor ends without being seen."""
    golden = (FOLDER / name).read_text(encoding="utf-8")
    assert FILES[name](load_example()) == golden


def test_no_use_is_without_a_basis() -> None:
    """Every field that is read is read for a purpose of the folder, or because a law obliges."""
    brand = load_example()
    rows = FILES["data_map.csv"](brand).splitlines()
    assert len(rows) > 100
    bases = {purpose.basis for purpose in brand.consent.purposes.values()} | {"legal_obligation"}
    assert not [row for row in rows[1:] if "()" in row]
    assert all(any(f"({basis})" in row for basis in bases) or "nothing" in row for row in rows[1:])
