"""Plants one mistake in the sample brand and says what the check makes of it."""

from collections.abc import Mapping

from kept.core.check import check_folder, errors_of
from kept.errors import Problem
from tests.unit.core.brand.sample import SAMPLE


def with_text(file: str, old: str, new: str) -> dict[str, str]:
    """Return the sample with one piece of text exchanged, or with a text appended or a new file."""
    if not old:
        return {**SAMPLE, file: SAMPLE.get(file, "") + new}
    assert SAMPLE[file].count(old) == 1, f"{old!r} stands {SAMPLE[file].count(old)} times in {file}"
    return {**SAMPLE, file: SAMPLE[file].replace(old, new)}


def errors_in(texts: Mapping[str, str]) -> list[Problem]:
    """Return what refuses a folder."""
    return errors_of(check_folder(texts))


def notes_in(texts: Mapping[str, str]) -> list[Problem]:
    """Return what is worth knowing about a folder."""
    return [problem for problem in check_folder(texts) if problem.severity == "note"]


def at_place(texts: Mapping[str, str], problem: Problem) -> str:
    """Return the rest of the line at which a problem points."""
    if not problem.line:
        return ""
    lines = texts[problem.file].split("\n")
    return lines[problem.line - 1][problem.column - 1 :]


def assert_found(texts: Mapping[str, str], *, at: str, says: str, hint: str = "") -> None:
    """Assert that a folder has one error, at this piece of text, that says this."""
    problems = errors_in(texts)
    assert len(problems) == 1, "\n".join(map(str, problems)) or "nothing was found"
    (problem,) = problems
    assert says in problem.message
    assert hint in problem.suggestion
    file, _, piece = at.partition(" ")
    assert problem.file == file
    assert at_place(texts, problem).startswith(piece), at_place(texts, problem)
