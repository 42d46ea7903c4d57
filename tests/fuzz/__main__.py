"""Fuzz one target, guided by coverage (atheris): `python -m tests.fuzz NAME --seconds 60`.

A find is written to the folder `found` and shown; move it to `tests/fuzz/corpus/NAME/` together with
its fix, and `make test` replays it. Without atheris (another system, a newer Python) the same target
runs on mutations of its corpus alone.
"""

import argparse
import sys
import time
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# It has no types, and no wheel for every system.
atheris: Any = import_module("atheris") if find_spec("atheris") else None

LENGTH_MAX = 20_000
INPUT_SECONDS_MAX = 10
MEMORY_MEGABYTES_MAX = 1_500


def main() -> None:
    """Fuzz until the time is over or something is found; the exit status tells."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", help="the target, or `list`")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path("found"))
    parser.add_argument("--keep", type=Path, help="a folder for what reaches new code")
    told = parser.parse_args()
    if atheris is None:
        found = _targets()
    else:
        with atheris.instrument_imports(include=["kept", "liquid", "email", "csv"]):
            found = _targets()
    if told.name == "list":
        sys.stdout.write("\n".join(sorted(found)) + "\n")
        return
    told.found.mkdir(parents=True, exist_ok=True)
    if atheris is None:
        _mutate(found[told.name], told)
    else:
        _fuzz(found[told.name], told)


def _targets() -> dict[str, Any]:
    from tests.fuzz.target import targets  # noqa: PLC0415 - imported where it is instrumented

    return targets()


def _fuzz(target: Any, told: argparse.Namespace) -> None:
    """Let libFuzzer look for inputs that reach new code; it ends the process."""
    from tests.fuzz.replay import CORPUS, corpus_of  # noqa: PLC0415 - the same

    begin = told.found / f"{target.name}-seeds"
    begin.mkdir(exist_ok=True)
    for number, data in enumerate(corpus_of(target)):
        (begin / f"{number:04}").write_bytes(data)
    folders = [
        str(begin),
        *([str(CORPUS / target.name)] if (CORPUS / target.name).is_dir() else []),
    ]
    if told.keep is not None:
        told.keep.mkdir(parents=True, exist_ok=True)
        folders.insert(0, str(told.keep))
    options = [
        f"-max_total_time={told.seconds}",
        f"-max_len={LENGTH_MAX}",
        f"-timeout={INPUT_SECONDS_MAX}",
        f"-rss_limit_mb={MEMORY_MEGABYTES_MAX}",
        f"-seed={told.seed}",
        f"-artifact_prefix={told.found}/{target.name}-",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, *folders], target.run)
    atheris.Fuzz()


def _mutate(target: Any, told: argparse.Namespace) -> None:
    """Run a target on mutations until the time is over."""
    from tests.fuzz.mutate import mutations  # noqa: PLC0415 - as above
    from tests.fuzz.replay import corpus_of, try_input  # noqa: PLC0415

    until = time.monotonic() + told.seconds  # noqa: TID251 - a budget in real time
    count = 0
    for data in mutations(corpus_of(target), count=sys.maxsize, seed=told.seed):
        try:
            try_input(target, data)
        except Exception:  # noqa: BLE001 - that is what is looked for
            path = told.found / f"{target.name}-crash"
            path.write_bytes(data)
            sys.stderr.write(f"{traceback.format_exc()}\n{path}: {data[:500]!r}\n")
            sys.exit(1)
        count += 1
        if time.monotonic() > until:  # noqa: TID251 - the same
            break
    sys.stdout.write(f"{target.name}: {count} inputs, nothing found\n")


if __name__ == "__main__":
    main()
