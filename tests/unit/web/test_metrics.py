"""Whatever the flows count is measured, and whatever is measured is documented."""

import re
from pathlib import Path

from kept.web import metrics

ROOT = Path(__file__).parents[3]


def test_every_count_of_the_flows_is_measured() -> None:
    """A new kind of count needs a name for those who watch."""
    counted = set()
    for path in (ROOT / "src" / "kept" / "flows").glob("*.py"):
        counted |= set(re.findall(r"\.counts\[\"(\w+)\"", path.read_text()))
    assert counted
    assert counted == set(metrics._COUNTED)


def test_every_metric_is_documented() -> None:
    """In the reference, under its own name."""
    page = (ROOT / "docs" / "reference" / "http-api.md").read_text()
    source = Path(metrics.__file__).read_text()
    names = set(re.findall(r"\"(kept_\w+)\"", source))
    assert names
    assert {name for name in names if f"`{name}" not in page} == set()
