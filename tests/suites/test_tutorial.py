"""The tutorial works as it is written: its commands are run, in order, in an empty directory."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.tree import ROOT

PAGE = ROOT / "docs" / "tutorial" / "first-brand.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
# A person takes a breath before looking for a file; a script looks again for a while.
PATIENCE = """
cat() {
  for _ in $(seq 200); do command cat "$@" 2>/dev/null && return; sleep 0.1; done
  echo "there is no $*"; return 1
}
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


def follow(folder: Path) -> str:
    """Run the page's commands in one shell; return what they print."""
    port = str(free_port())
    blocks = [
        block.replace(":8080", f":{port}") for block in BLOCK.findall(PAGE.read_text("utf-8"))
    ]
    script = PATIENCE + "".join(
        f"printf '\\n## {n}\\n'\n{block}" for n, block in enumerate(blocks, 1)
    )
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "KEPT_PORT": port,
    }
    process = subprocess.Popen(
        ["bash", "-e", "-o", "pipefail", "-c", f"{script}\nkill %1\nwait %1"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, told
    return told


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    """From `kept init` to a message, a no, another no, and a stop; each as the page says."""
    told = follow(tmp_path)
    parts = re.split(r"^## \d+\n", told, flags=re.MULTILINE)[1:]
    written, changed, _, sent, message, explained, refused, asked, decided, stopped = parts
    for told in (written, changed):
        assert "is in order: 0 note(s)" in told
        assert "0 failed" in told
    assert sent.count('"success":true') == 2
    assert "Ana, it is good to have you here." in message
    assert "Chosen at outbound: welcome by email." in explained
    assert "We had something for you." in explained
    assert "nothing worth" not in explained
    assert "comes out the same" in explained
    assert '"no_basis"' in refused
    assert '"zone_unknown"' in asked
    assert '"allowed":true' in decided or '"quiet_now"' in decided
    assert "Paused all" in stopped
    assert "Resumed all" in stopped
