"""Every parser that meets the outside, fuzzed for a while, guided by what it reaches.

`pytest tests/suites/test_fuzz.py --fuzz-seconds 600` goes on for ten minutes each.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.target import targets
from tests.tree import ROOT

START_SECONDS_MAX = 240  # code is instrumented while it is imported


@pytest.mark.parametrize("name", sorted(targets()))
def test_nothing_is_found(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A find stands in the failure, as bytes that belong into tests/fuzz/corpus."""
    seconds = request.config.getoption("--fuzz-seconds")
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds)]
    done = subprocess.run(
        [*command, "--found", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        timeout=seconds + START_SECONDS_MAX,
        check=False,
    )
    found = {
        path.name: path.read_bytes()[:4_000]
        for path in tmp_path.glob(f"{name}-*")
        if path.is_file()
    }
    assert done.returncode == 0, f"{found}\n{done.stderr.decode(errors='replace')[-3_000:]}"
    assert not found
