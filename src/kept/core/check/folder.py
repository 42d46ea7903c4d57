"""Checks a whole folder: its form first, then everything that its parts say to each other."""

from collections.abc import Iterable, Mapping

from kept.core.brand.load import read_brand
from kept.core.brand.model import Brand
from kept.core.brand.positions import Positions
from kept.core.check.actions import check_actions
from kept.core.check.company import check_company
from kept.core.check.consent import check_consent
from kept.core.check.contact import check_contact
from kept.core.check.events import supply_of
from kept.core.check.expressions import check_expressions
from kept.core.check.facts import check_facts
from kept.core.check.names import check_names
from kept.core.check.notices import check_notices
from kept.core.check.offers import check_offers
from kept.core.check.privacy import check_privacy
from kept.core.check.reach import check_reach
from kept.core.check.recipients import check_recipients
from kept.core.check.report import Key, Report
from kept.core.check.sensitive import check_sensitive
from kept.core.check.sources import check_sources
from kept.core.check.texts import check_texts
from kept.core.check.unused import note_unused
from kept.errors import Problem


def check_folder(texts: Mapping[str, str]) -> list[Problem]:
    """Return everything that is wrong with a brand folder, all at once, in order of place.

    Args:
        texts: path within the folder -> content.
    """
    reading = read_brand(texts)
    problems = list(reading.problems)
    if reading.is_whole:
        problems += check_brand(reading.brand, reading.positions, doubtful=reading.doubtful)
    return sorted(problems, key=_place)


def check_brand(
    brand: Brand, positions: Positions, *, doubtful: frozenset[Key] = frozenset()
) -> list[Problem]:
    """Return everything that is wrong with a brand whose form is right, in order of place.

    Args:
        brand: what was read.
        positions: where each key stands.
        doubtful: places that hold a stand-in for what could not be read.
    """
    report = Report(brand, positions, doubtful)
    check_names(report)
    check_company(report)
    check_sources(report)
    check_facts(report, supply_of(brand.sources))
    check_consent(report)
    check_contact(report)
    # Facts without a type are left out by now, so that expressions can be typed.
    check_expressions(report)
    check_actions(report)
    check_offers(report)
    check_texts(report)
    check_reach(report)
    check_notices(report)
    check_recipients(report)
    check_sensitive(report)
    check_privacy(report)
    note_unused(report)
    return sorted(report.problems, key=_place)


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that refuse the folder, without the notes."""
    return [problem for problem in problems if problem.severity == "error"]


def _place(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.message
