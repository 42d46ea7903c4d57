"""Files of history, and what their columns mean."""

import contextlib
import tempfile
from pathlib import Path
from typing import Final

from kept.cli.history import Refused, _read_items, open_file
from kept.core.mapping import find_value
from kept.core.touchpoint_item import parse_item
from kept.errors import KeptError
from tests.fuzz.target import CANARY, fuzz

_FOLDER: Final = Path(tempfile.mkdtemp(prefix="kept-fuzz-"))
_PEOPLE: Final = Path(__file__).parents[2] / "examples" / "people"
_MAPPING: Final = _PEOPLE / "bills.mapping.yaml"


def read_file(name: str, data: bytes, mapping: Path | None) -> None:
    """Read a file of history as `kept import` does, up to what it would send."""
    path = _FOLDER / name
    path.write_bytes(data)
    try:
        reading = open_file(path, mapping)
        items = list(_read_items(reading, after=0))
    except KeptError as error:
        assert CANARY not in str(error)
        return
    refused = [item.told for item in items if isinstance(item.told, Refused)]
    assert not any(CANARY in each.detail for each in refused)


@fuzz(
    "jsonl",
    "kept.cli.history",
    f'{{"type":"track","event":"A","userId":"{CANARY}"}}\n\n[1]\n',
    "{\n\xff",
)
def run_jsonl(data: bytes) -> None:
    """History as lines of JSON."""
    read_file("a.jsonl", data, None)


@fuzz(
    "csv",
    "kept.cli.history",
    (_PEOPLE / "bills.csv").read_bytes()[:1_000],
    b'a,b\n"x,\0\n',
    b"a\n1,2,3\n",
)
def run_csv(data: bytes) -> None:
    """History as a table, read by a mapping."""
    read_file("a.csv", data, _MAPPING)


@fuzz("import-mapping", "kept.cli.history", _MAPPING.read_bytes())
def run_mapping(data: bytes) -> None:
    """What the columns of a file mean."""
    path = _FOLDER / "mapping.yaml"
    path.write_bytes(data)
    (_FOLDER / "b.csv").write_text("bill_no,customer_no\n1,2\n")
    with contextlib.suppress(KeptError):
        reading = open_file(_FOLDER / "b.csv", path)
        list(_read_items(reading, after=0))


@fuzz("path", "kept.core.mapping", 'body.a.0.b\n{"body":{"a":[{"b":1}]}}', "body.-1\n[]")
def run_path(data: bytes) -> None:
    """A path into a foreign payload."""
    path, _, document = data.partition(b"\n")
    with contextlib.suppress(KeptError):
        item = parse_item(document)
        find_value(getattr(item, "properties", {}), path.decode("utf-8", "replace"))
