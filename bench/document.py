"""Puts the figures of the last full run into the documentation, between two marks.

`python -m bench.document` does it again from bench/latest.json.
"""

import sys
from pathlib import Path

import msgspec

from bench.row import Latest, Row

ROOT = Path(__file__).parent.parent
LATEST = ROOT / "bench" / "latest.json"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write_page(latest: Latest, page: Path = PAGE) -> None:
    """Replace the figures on a page by these."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for figures: {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{_render(latest)}\n{END}{after}", encoding="utf-8")


def read_latest(path: Path = LATEST) -> Latest:
    """Return the figures of the last full run."""
    return msgspec.json.decode(path.read_bytes(), type=Latest)


def _render(latest: Latest) -> str:
    """Return the machine in a sentence, and the rows as a table."""
    machine = latest.machine
    measured = (
        f"Measured on {machine['measured_on']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['filesystem']}, Linux {machine['kernel']}, "
        f"Python {machine['python']}."
    )
    lines = [
        "",
        measured,
        "",
        "| what | value | unit | ratio | to |",
        "|---|---:|---|---:|---|",
        *(_render_row(row) for row in latest.rows),
        "",
    ]
    return "\n".join(lines)


def _render_row(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    return f"| {row.name} | {row.value:,.10g} | {row.unit} | {ratio} | {row.against or ''} |"


if __name__ == "__main__":
    write_page(read_latest())
    sys.stdout.write(f"written to {PAGE.relative_to(ROOT)}\n")
