"""`kept demo`: two commands on a fresh machine, and it lives."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.e2e.command import wait_for

TIMEOUT_SECONDS = 120


def demo(folder: Path, seconds: int) -> "subprocess.Popen[str]":
    """Start a demo with few people."""
    command = [sys.executable, "-m", "kept", "demo", "--seconds", str(seconds), "--port", "0"]
    command += ["--people", "30", "--data", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_the_demo_lives_and_stops_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    """It hears real events, decides, says something, and leaves nothing running behind."""
    process = demo(tmp_path, 0)
    try:
        url = wait_for(lambda: _address(tmp_path, process))
        wait_for(lambda: _lives(url))
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, out[-3000:]
    assert "Stopped cleanly" in out
    assert "curl -u" in out
    try:
        httpx.get(f"{url}/health", timeout=2)
    except httpx.TransportError:
        gone = True
    else:
        gone = False
    assert gone, "the server goes on without its demo"
    log = (tmp_path / "server.log").read_text()
    assert not re.search(r'"level": "(error|critical)"|Traceback', log), log[-3000:]


def _address(folder: Path, process: "subprocess.Popen[str]") -> str:
    assert process.poll() is None, "the demo ended by itself"
    file = folder / "server-address"
    return file.read_text().strip() if file.exists() else ""


def _lives(url: str) -> bool:
    try:
        status = json.loads(httpx.get(f"{url}/status.json", timeout=10).text)
    except httpx.TransportError:
        # It is announced a moment before it answers.
        return False
    return bool(status["heard"] > 50 and status["decided"] > 0)


def test_a_demo_of_some_seconds_ends_by_itself(tmp_path: Path) -> None:
    """And what it acknowledged is kept: the next one goes on with it."""
    process = demo(tmp_path, 2)
    out, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, out[-3000:]
    assert "Stopped cleanly" in out
