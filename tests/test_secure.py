"""House rules of security that no tool holds: what may run code, talk outside, answer, and be logged."""

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from kept.web.pages import SECURITY_HEADERS
from tests.tree import ROOT, imports_of, parse, python_files, show

RUNS_CODE: Final = frozenset(
    {"eval", "exec", "compile", "__import__", "import_module", "system", "popen", "spawn"}
)
UNPACKS_OBJECTS: Final = frozenset({"pickle", "marshal", "shelve", "dill", "jsonpickle", "xml"})
MAY_RUN: Final = {
    "src/kept/core/generate.py": {"exec", "compile"},  # the policy, from trees that were checked
    "src/kept/core/policy/evaluate.py": {"eval"},  # one condition, from the same
    "src/kept/analytics/spark_session.py": {"import_module"},  # pyspark, which is an extra
    "src/kept/stores/postgres/driver.py": {"import_module"},  # asyncpg, which is an extra
}
"""Who may run generated code: only the compiler of the condition language; and load what is an extra."""
MAY_START: Final = {"src/kept/cli/demo.py"}
"""Who may start a process: the demo starts a server of its own."""
TALKS: Final = frozenset({"socket", "httpx", "smtplib", "http.client", "urllib.request", "ssl"})
MAY_TALK: Final = {
    "src/kept/analytics/spark_session.py": "looks whether the cluster that the operator named is there",
    "src/kept/channels/address.py": "judges every address that is posted to",
    "src/kept/channels/post.py": "posts to an address that was judged",
    "src/kept/channels/smtp.py": "speaks with the relay that the operator named",
    "src/kept/channels/webhook.py": "judges, then posts",
    "src/kept/cli/client.py": "calls the operator's own server",
    "src/kept/cli/consent_log.py": "reads the log of a server that the operator names",
    "src/kept/cli/demo.py": "calls the demo's own server",
    "src/kept/cli/living.py": "calls the demo's own server",
    "src/kept/cli/person.py": "signs in to the operator's own server",
    "src/kept/stores/postgres/driver.py": "knows when TLS to the operator's database fails",
    "src/kept/stores/vault/transit.py": "asks the key service that the operator named",
    "src/kept/web/provider.py": "asks the identity provider that the operator named",
    "src/kept/web/server.py": "listens",
}
"""Who may open a connection, and to where. A new one goes through channels/address.py."""
PERSONAL: Final = re.compile(
    r"identifier|value|payload|body|raw\b|email|phone|address|propert|traits?\b|headers?\b"
    r"|token|secret|password|cookie|\bkey\b|subject|\btext\b|html|\bevent\b|customer\b|question"
)
"""Names of what a line of the log may not hold."""
CONSTANT: Final = (ast.Constant, ast.Name, ast.Attribute, ast.Subscript)
"""What a statement may be: itself, or a name that its type (`LiteralString`) vouches for."""
LOGS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
SECRETS: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]|AKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}|\b[sr]k_live_[0-9A-Za-z]{16,}|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.|\bwhsec_[A-Za-z0-9+/]{24,}|\bglpat-[\w-]{20}"
    r"|\w://[^/\s:@{}]+:(?!password@|pass@|secret@|y@|b@)[^/\s@{}]{3,}@[\w.-]+"
)
NO_SECRETS: Final = {
    "docs/tutorial/first-brand.md": "the base64 of words, for a trial on one machine",
    "tests/unit/web/wire/test_signature.py": "the example of the Standard Webhooks specification",
    "tests/contract/loopback.pem": "the certificate of 127.0.0.1 in tests, trusted by nobody else",
}
"""Files that hold what looks like a secret and opens nothing."""


MADE_OF_CONSTANTS: Final = (
    "src/kept/stores/sqlite/migrations.py",
    "src/kept/stores/postgres/migrations.py",
    "src/kept/stores/postgres/driver.py",  # settings of a session, quoted
    "src/kept/stores/postgres/vault_database.py",  # the name of a database, quoted
    "src/kept/analytics/",
)
"""Whose statements are put together: from files of ours, or of names and paths that cannot be parameters."""


def calls_in(path: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield each call with the name that is called, and the name of what it is called on."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node, node.func.id, ""
            elif isinstance(node.func, ast.Attribute):
                yield node, node.func.attr, ast.unparse(node.func.value)


def test_only_the_compiler_of_conditions_runs_code() -> None:
    """Whatever else looks like code stays text."""
    wrong = [
        f"{show(path)}:{call.lineno}: {on}.{name}".replace(": .", ": ")
        for path in python_files("src")
        for call, name, on in calls_in(path)
        if name in RUNS_CODE
        and on in ("", "os", "importlib", "builtins")
        and name not in MAY_RUN.get(show(path), set())
    ]
    assert not wrong


def test_nobody_unpacks_objects_or_unsafe_yaml() -> None:
    """Bytes from outside become values of a declared type, and never objects that run."""
    wrong = [
        f"{show(path)}: {name}"
        for path in python_files("src")
        for name in sorted(imports_of(path))
        if name.partition(".")[0] in UNPACKS_OBJECTS
    ]
    wrong += [
        f"{show(path)}:{call.lineno}: yaml.{name}"
        for path in python_files("src")
        for call, name, on in calls_in(path)
        if on == "yaml" and not name.startswith("safe_") and name != "parse"
    ]
    assert not wrong


def test_only_the_demo_starts_a_process_and_nothing_uses_a_shell() -> None:
    """A name that a customer chose is never an argument."""
    starters = {show(path) for path in python_files("src") if "subprocess" in imports_of(path)}
    assert starters <= MAY_START
    shells = [
        f"{show(path)}:{call.lineno}"
        for path in python_files("src", "tests", "bench")
        for call, _, _ in calls_in(path)
        for keyword in call.keywords
        if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
    ]
    assert not shells


def test_no_statement_is_put_together_from_texts() -> None:
    """Values are parameters; what stands in a statement is a constant of ours, in capitals.

    What DuckDB is asked is made of names of our own columns and of quoted paths, for it takes neither
    as a parameter; `tests/contract/test_history_files.py` gives it paths and names that bite.
    """
    wrong = []
    for path in python_files("src"):
        for call, name, _ in calls_in(path):
            if name not in {"execute", "executemany", "executescript"} or not call.args:
                continue
            statement = call.args[0]
            if isinstance(statement, ast.JoinedStr):
                inner = [each for each in statement.values if isinstance(each, ast.FormattedValue)]
                is_fixed = all(ast.unparse(each.value).isupper() for each in inner)
            else:
                is_fixed = isinstance(statement, CONSTANT)
            may_be_made = show(path).startswith(MADE_OF_CONSTANTS)
            if not is_fixed and not may_be_made:
                wrong.append(f"{show(path)}:{call.lineno}: {ast.unparse(statement)[:80]}")
    assert not wrong


def test_only_named_modules_talk_to_the_outside() -> None:
    """Each says with whom; a request to an address that somebody chose goes through the guard."""
    wrong = [
        f"{show(path)}: {name}"
        for path in python_files("src")
        for name in sorted(imports_of(path) & TALKS)
        if show(path) not in MAY_TALK
    ]
    assert not wrong
    gone = [file for file in MAY_TALK if not imports_of(ROOT / file) & TALKS]
    assert not gone


def test_whoever_posts_to_a_chosen_address_has_it_judged() -> None:
    """`post.connect` is given an address; only `webhook`, which resolves and judges, gives it one."""
    users = {
        show(path)
        for path in python_files("src")
        if {"kept.channels.post.connect", "kept.channels.post"} & imports_of(path)
    }
    assert users == {"src/kept/channels/webhook.py"}
    names = [name for _, name, _ in calls_in(ROOT / "src/kept/channels/webhook.py")]
    assert names.index("resolve") < names.index("connect")


def test_pages_are_answered_by_pages_alone() -> None:
    """So that each has the headers that let nothing else in."""
    wrong = [
        f"{show(path)}:{call.lineno}"
        for path in python_files("src/kept/web")
        for call, name, _ in calls_in(path)
        if name == "HTMLResponse"
        or any(
            keyword.arg == "media_type"
            and "html" in ast.unparse(keyword.value)
            and name.endswith("Response")
            and not any("SECURITY_HEADERS" in ast.unparse(other.value) for other in call.keywords)
            for keyword in call.keywords
        )
    ]
    assert not wrong
    policy = SECURITY_HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


def test_a_line_of_the_log_holds_no_personal_value() -> None:
    """A format that is a constant, and arguments that name nothing of a person's."""
    wrong = []
    for path in python_files("src"):
        for call, name, on in calls_in(path):
            if on not in {"_log", "logging", "logger"} or name not in LOGS:
                continue
            if not call.args or not isinstance(call.args[0], ast.Constant):
                wrong.append(f"{show(path)}:{call.lineno}: the format is no constant")
            for argument in call.args[1:]:
                text = ast.unparse(argument)
                if PERSONAL.search(text):
                    wrong.append(f"{show(path)}:{call.lineno}: {text}")
    assert not wrong


def tracked_files() -> list[Path]:
    """Return every file that is under version control, or else in the folders that would be."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, check=False).stdout.split(b"\0")
    found = [ROOT / name.decode() for name in listed if name]
    folders = ("src", "tests", "docs", "examples", "bench", "requirements")
    return found or [path for folder in folders for path in (ROOT / folder).rglob("*")]


def test_no_secret_is_in_the_tree() -> None:
    """Keys are read from the environment or from files outside; those in tests open nothing."""
    wrong = []
    for path in tracked_files():
        if not path.is_file() or show(path) in NO_SECRETS:
            continue
        text = path.read_bytes().decode("latin-1")
        wrong += [
            f"{show(path)}:{text.count(chr(10), 0, match.start()) + 1}"
            for match in SECRETS.finditer(text)
        ]
    assert not wrong


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "a1" * 18,
        "https://ana:" + "hunter22@example.org",
        "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ],
)
def test_a_planted_secret_would_be_seen(planted: str) -> None:
    """A search that finds nothing must be able to."""
    assert SECRETS.search(f"key = {planted}")


def test_what_may_look_like_a_secret_still_does() -> None:
    """An exception that nothing needs is removed."""
    assert [name for name in NO_SECRETS if not SECRETS.search((ROOT / name).read_text())] == []


def load_audit() -> Any:
    """Return .ci/audit.py as a module."""
    told = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert told is not None
    assert told.loader is not None
    module = importlib.util.module_from_spec(told)
    told.loader.exec_module(module)
    return module


def package(name: str, *weaknesses: str, skipped: bool = False) -> dict[str, Any]:
    """Return what pip-audit says of one package."""
    if skipped:
        return {"name": name, "skip_reason": "Dependency not found on PyPI"}
    vulns = [{"id": each, "fix_versions": ["2.0"]} for each in weaknesses]
    return {"name": name, "version": "1.0", "vulns": vulns}


def test_the_audit_tells_a_weakness_from_a_silence() -> None:
    """A package that nobody could be asked about is neither safe nor weak."""
    judge = load_audit().judge
    told = [{"dependencies": [package("a"), package("b", "CVE-1"), package("c", skipped=True)]}]
    assert judge(told) == (["b 1.0: CVE-1, mended in 2.0"], ["c"])
    assert judge([*told, {"dependencies": [package("c", "CVE-2")]}])[1] == []
    assert judge([]) == ([], [])
