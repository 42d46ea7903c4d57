"""The data map of the example brand, as reviewed.

Run `.venv/bin/python -m tests.golden.data_map_files` to write the golden files anew, and read the difference:
a line that changes is a use of somebody's data that begins or ends.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from kept.core.brand.model import Brand
from kept.core.data_map import map_data
from kept.core.data_map.write import to_csv, to_markdown
from kept.runtime.folder import load_checked, read_folder
from tests.tree import ROOT

FOLDER: Final = Path(__file__).parent


def load_example() -> Brand:
    """Return the example brand."""
    return load_checked(read_folder(ROOT / "examples" / "ferrowen"))


def _csv(brand: Brand) -> str:
    return to_csv(map_data(brand)).replace("\r\n", "\n")


def _record(brand: Brand) -> str:
    # A version is the hash of the whole folder, which changes with every word of a text.
    return to_markdown(map_data(brand), brand).replace(brand.version, "VERSION")


FILES: Final[dict[str, Callable[[Brand], str]]] = {
    "data_map.csv": _csv,
    "data_map_record.md": _record,
}


def main() -> None:
    """Write the golden files anew."""
    brand = load_example()
    for name, write in FILES.items():
        (FOLDER / name).write_text(write(brand), encoding="utf-8")


if __name__ == "__main__":
    main()
