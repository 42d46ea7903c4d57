"""The master key as an operator meets it: at the first start, at a rotation, and when it is lost."""

import subprocess
import sys
from base64 import b64encode
from pathlib import Path

from tests.e2e.command import ok
from tests.e2e.served import ENVIRONMENT, Served, problem, serve


def test_the_master_key_is_rotated_while_the_server_works(own_server: Served) -> None:
    """Every key is wrapped under the new epoch before the command returns; nothing is lost."""
    user = own_server.introduce()
    before = ok("vault", "status", "--data", own_server.data)
    assert before.startswith("epoch 1: ")
    after = ok("vault", "rotate", "--data", own_server.data).splitlines()
    assert after[0].startswith("epoch 1: 0 keys")
    assert "retired" in after[0]
    assert after[1].startswith("epoch 2: ")
    found = own_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
    assert found.status_code == 200
    audit = own_server.ok(own_server.admin("GET", "/audit"))["entries"]
    assert [entry["detail"] for entry in audit if entry["verb"] == "rotate_master_key"] == [
        {"epoch": 2}
    ]


def test_a_wrong_or_lost_master_key_stops_the_start_with_a_clear_word(tmp_path: Path) -> None:
    """Nothing is made in its place, and with the right one everything is there again."""
    with serve(tmp_path) as served:
        user = served.introduce()
        data = served.data
    master = data / "master-key"
    right = master.read_bytes()
    assert master.stat().st_mode & 0o077 == 0

    master.unlink()
    assert "is missing, and everything in" in _refusal(tmp_path)
    assert not master.exists()
    master.write_text(f"1:{b64encode(bytes(32)).decode()}\n")
    told = _refusal(tmp_path)
    assert "is not the one that this store was sealed with" in told
    assert b64encode(bytes(32)).decode() not in told

    master.write_bytes(right)
    with serve(tmp_path) as served:
        found = served.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
        assert found.status_code == 200


def test_the_master_key_may_come_from_the_environment(tmp_path: Path) -> None:
    """Then no file with it lies beside the data."""
    given = {"KEPT_MASTER_KEY": "env:HARBOUR_MASTER", "HARBOUR_MASTER": f"1:{'A' * 43}="}
    with serve(tmp_path, environment=given) as served:
        served.introduce()
        assert not (served.data / "master-key").exists()
        refused = problem(served.admin("POST", "/vault/rotate"), 409, "conflict")
        assert "is changed by hand: add a line `2:`" in refused["detail"]


def _refusal(folder: Path) -> str:
    """Return what a start says that does not succeed."""
    command = [sys.executable, "-m", "kept", "serve", "--brand", str(folder / "brand")]
    command += ["--data", str(folder / "data"), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert ended.returncode == 1, ended.stderr
    return " ".join(ended.stderr.split())
