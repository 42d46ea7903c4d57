"""Starts `kept` without its imports: they are loaded once here, and each process is a fork.

A command on standard input is a line of JSON; so is its answer on standard output. What a fork runs
is `kept` itself, with arguments, environment and output of its own, and it is killed like any process.
"""

import gc
import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any

from kept.__main__ import main as kept


def start(
    arguments: list[str], environment: dict[str, str], out: str, err: str, *, prepare: str = ""
) -> int:
    """Fork a `kept` that writes into two files (or one); return its process id.

    `prepare` names a module of tests whose `prepare()` runs before `kept` does: only there, and never
    in `kept` itself, stands what changes a process under test.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for target, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), target)
        os.environ.update(environment)
        sys.argv = ["kept", *arguments]
        if prepare:
            import_module(prepare).prepare()
        kept()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - the end of a process: what ended it goes into its log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Nothing of the nursery's may be cleaned up twice.
        os._exit(code)


def wait(child: int) -> int:
    """Return how a server ended; the signal as a negative number."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def obey(command: dict[str, Any]) -> int:
    """Carry out one command."""
    if "wait" in command:
        return wait(command["wait"])
    return start(
        command["arguments"],
        command["environment"],
        command["out"],
        command["err"],
        prepare=command.get("prepare", ""),
    )


def main() -> None:
    """Obey until nobody commands any more."""
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)
    # What was kept out of the forks' way is given back, so that libraries find nothing left over.
    gc.unfreeze()


if __name__ == "__main__":
    main()
