"""Ask whether any locked package has a known weakness, and say plainly when nobody could be asked.

    python .ci/audit.py requirements/*.txt

Exit status: 0 if every package was asked about and none has one; 1 if one has; 3 if the advisory
service could not be asked about all of them. Runs pip-audit, which must be in the same environment.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

FOUND: Final = 1
NOT_ASKED: Final = 3
SERVICES: Final = ("pypi", "osv")
"""Where to ask: the second only about what the first could not answer."""
SECONDS_MAX: Final = 120


def judge(answers: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return a line for each weakness, and the packages that no answer speaks of.

    Args:
        answers: what each service told, as pip-audit's JSON; a later one fills the gaps of an earlier.
    """
    found: dict[str, str] = {}
    asked: set[str] = set()
    named: set[str] = set()
    for answer in answers:
        for package in answer.get("dependencies", ()):
            name = f"{package['name']} {package.get('version', '')}".strip()
            named.add(package["name"])
            if "skip_reason" in package:
                continue
            asked.add(package["name"])
            for weakness in package.get("vulns", ()):
                mended = ", ".join(weakness.get("fix_versions", ())) or "nothing yet"
                found[f"{name} {weakness['id']}"] = f"{name}: {weakness['id']}, mended in {mended}"
    return sorted(found.values()), sorted(named - asked)


def ask(lock: Path, service: str) -> dict[str, Any] | None:
    """Return what a service says of the packages of a lock file; None where it cannot be asked."""
    command = [
        sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip",
        "--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "15",
        "--vulnerability-service", service,
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        # pip-audit ends with the same status for a weakness and for a dead line; only JSON tells.
        return None
    return answer if isinstance(answer, dict) else None


def main(locks: list[Path]) -> int:
    """Ask about every lock file and return the exit status."""
    weak: set[str] = set()
    unknown: set[str] = set()
    for lock in locks:
        answers: list[dict[str, Any]] = []
        for service in SERVICES:
            answer = ask(lock, service)
            answers += [answer] if answer is not None else []
            missing = judge(answers)[1]
            if answers and not missing:
                break
        found, missing = judge(answers)
        weak.update(found)
        unknown.update(missing if answers else [f"every package of {lock.name}"])
        sys.stdout.write(
            f"{lock.name}: {len(found)} known weakness(es), {len(missing)} not asked\n"
        )
    if unknown:
        sys.stdout.write(
            "COULD NOT BE ASKED: the advisory service said nothing about what follows. This is no "
            f"clean bill of health; run it again with a network.\n  {', '.join(sorted(unknown))}\n"
        )
    for line in sorted(weak):
        sys.stdout.write(f"WEAK: {line}\n")
    if weak:
        return FOUND
    return NOT_ASKED if unknown or not locks else 0


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
