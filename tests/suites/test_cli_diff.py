"""Story 36, policies do not drift: a change that tightens is shown, and fails without an approval."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.month import STARTED_AT, example_bundle, example_texts, play_month
from kept.core.values import HOUR
from kept.flows.play import play
from kept.ports import BrandRow
from kept.runtime.stories import read_stories
from kept.stores.sqlite import SqliteStore
from tests.e2e.command import ok, run_kept
from tests.tree import ROOT
from tests.vaults import make_vault

EXAMPLE = ROOT / "examples" / "ferrowen"
READ = ("--purpose", "contract", "--entity", "connections")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a month of the example brand's customers."""
    data = tmp_path_factory.mktemp("month")
    store = SqliteStore(data, vault=make_vault(data))
    version = example_bundle().policy.version
    with store.transaction():
        store.save_brand(BrandRow(version=version, in_force_at=STARTED_AT, texts=example_texts()))
    play_month(store, customers=40, signals=1_200, pace=2 * HOUR)
    store.close()
    return data


@pytest.fixture
def change(tmp_path: Path) -> Callable[..., Path]:
    """Return how to copy the example brand with a text of a file replaced."""

    def copy(*replaced: tuple[str, str, str]) -> Path:
        folder = tmp_path / "tried"
        shutil.copytree(EXAMPLE, folder)
        for file, before, after in replaced:
            path = folder / file
            text = path.read_text()
            assert before in text
            path.write_text(text.replace(before, after))
        return folder

    return copy


GRACE = (
    "actions/bills/gentle_help.yaml",
    "add_days(about.due_at, 22)",
    "add_days(about.due_at, 6)",
)
CAP = ("contact.yaml", "promotions_a_week: {count: 2", "promotions_a_week: {count: 4")


def diff(*arguments: Any) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the report of a diff."""
    done = run_kept("diff", *arguments, "--format", "json")
    assert done.out, done.err
    return done.code, json.loads(done.out)


def test_the_same_brand_passes() -> None:
    """Nothing changed, nothing worsens."""
    code, told = diff(EXAMPLE, EXAMPLE)
    assert (code, told["failed"], told["changes"]) == (0, False, [])


def test_shorter_grace_and_a_raised_cap_fail_without_an_approval(
    change: Callable[..., Path],
) -> None:
    """Both are said in words, with where and from what to what."""
    code, told = diff(EXAMPLE, change(GRACE, CAP))
    assert code == 1
    assert {one["kind"] for one in told["unapproved"]} == {"pressure", "hardship"}
    assert "contact.yaml: cap promotions_a_week, count: 2 → 4" in told["changes"]


def test_a_gentler_change_passes_by_itself(change: Callable[..., Path]) -> None:
    """More grace and a stricter cap need nobody."""
    code, told = diff(
        EXAMPLE,
        change(("contact.yaml", "promotions_a_week: {count: 2", "promotions_a_week: {count: 1")),
    )
    assert (code, told["unapproved"]) == (0, [])
    assert len(told["changes"]) == 1


def test_an_approval_stands_for_one_change_and_for_no_other(
    change: Callable[..., Path], tmp_path: Path
) -> None:
    """Signed by somebody on a list that does not come with the change; the next edit needs another."""
    tried = change(GRACE, CAP)
    key, approvers, notes = tmp_path / "ana.key", tmp_path / "approvers", tmp_path / "notes"
    notes.mkdir()
    approvers.write_text(ok("approver-key", key, "--by", "ana"))
    assert key.stat().st_mode & 0o077 == 0
    by = ("--key", key, "--by", "ana", "--because", "agreed with the ombudsman")
    checked = ("--approvals", notes, "--approvers", approvers)
    ok("approve-change", EXAMPLE, tried, *by, "--allow", "pressure", "--out", notes / "1.note")
    code, told = diff(EXAMPLE, tried, *checked)
    assert code == 1
    assert {one["kind"] for one in told["unapproved"]} == {"hardship"}
    ok("approve-change", EXAMPLE, tried, *by, "--allow", "hardship", "--out", notes / "2.note")
    code, told = diff(EXAMPLE, tried, *checked)
    assert (code, told["approved"]["by"]) == (0, ["ana"])

    grace = tried / "actions" / "bills" / "gentle_help.yaml"
    grace.write_text(grace.read_text().replace("about.due_at, 6)", "about.due_at, 3)"))
    assert diff(EXAMPLE, tried, *checked)[0] == 1


def test_the_how_to_works_in_a_repository_that_has_no_approvals_yet(
    change: Callable[..., Path], tmp_path: Path
) -> None:
    """Git keeps no empty folder: the check finds none, and the first approval makes it."""
    tried = change(CAP)
    approvers, notes = tmp_path / "approvers", tmp_path / "new" / "approvals"
    approvers.write_text(ok("approver-key", tmp_path / "ana.key", "--by", "ana"))
    checked = ("--approvals", notes, "--approvers", approvers)
    code, told = diff(EXAMPLE, tried, *checked)
    assert (code, {one["kind"] for one in told["unapproved"]}) == (1, {"pressure"})
    by = ("--key", tmp_path / "ana.key", "--by", "ana", "--because", "agreed with the ombudsman")
    note = notes / "2026-03.note"
    ok("approve-change", EXAMPLE, tried, *by, "--allow", "pressure", "--out", note)
    code, told = diff(EXAMPLE, tried, *checked)
    assert (code, told["approved"]["by"]) == (0, ["ana"])
    file = ("--approvals", note, "--approvers", approvers)
    assert "is no folder" in run_kept("diff", EXAMPLE, tried, *file).err
    within = ("--allow", "pressure", "--out", approvers / "1.note")
    assert "cannot be made" in run_kept("approve-change", EXAMPLE, tried, *by, *within).err


def test_nobody_approves_for_somebody_else(change: Callable[..., Path], tmp_path: Path) -> None:
    """A key that is not on the list, a note that was edited, and a list that comes with the change."""
    tried = change(CAP)
    approvers, notes = tmp_path / "approvers", tmp_path / "notes"
    notes.mkdir()
    approvers.write_text(ok("approver-key", tmp_path / "ana.key", "--by", "ana"))
    ok("approver-key", tmp_path / "eve.key", "--by", "ana")
    note = notes / "1.note"
    told = ("--by", "ana", "--because", "trust me", "--allow", "pressure", "--out", note)
    ok("approve-change", EXAMPLE, tried, "--key", tmp_path / "eve.key", *told)
    assert diff(EXAMPLE, tried, "--approvals", notes, "--approvers", approvers)[0] == 1
    note.unlink()
    ok("approve-change", EXAMPLE, tried, "--key", tmp_path / "ana.key", *told)
    note.write_text(note.read_text().replace("allows pressure", "allows hardship"))
    done = run_kept("diff", EXAMPLE, tried, "--approvals", notes, "--approvers", approvers)
    assert done.code == 1
    assert "the note was changed" in done.err
    own = tried / "approvers"
    own.write_text(approvers.read_text())
    done = run_kept("diff", EXAMPLE, tried, "--approvals", notes, "--approvers", own)
    assert "a change does not say who may approve it" in done.err


def test_on_a_record_grace_fees_caps_and_silence_are_shown_by_cohort(
    month: Path, change: Callable[..., Path]
) -> None:
    """Who loses grace is counted, by number alone; the reading says what nobody can know."""
    code, told = diff(EXAMPLE, change(GRACE, CAP), "--against", month, *READ)
    assert code == 1
    report = told["report"]
    assert report["reproduced"] == report["decisions"]["recorded"] > 100
    (newcomers,) = [one for name, one in report["cohorts"].items() if name == "newcomer"]
    assert newcomers["grace_days"]["tried"] < newcomers["grace_days"]["recorded"]
    # Nobody in their first ninety days meets a fee; what is offered more often is offered in less silence.
    assert newcomers["fees"] == {}
    assert newcomers["silence_percent"]["tried"] < newcomers["silence_percent"]["recorded"]
    assert newcomers["pressure"]["mean"]["tried"] > newcomers["pressure"]["mean"]["recorded"]
    assert report["worse_off"]["loses grace"] > 0
    assert report["examples"]
    assert any("loses grace" in one["what"] for one in told["measured"])
    assert report["violations"] == {"consent": 0, "caps": 0, "quiet hours": 0}
    for personal in ("mail.example", "Name of"):
        assert personal not in json.dumps(told)


def test_on_a_record_fees_are_counted_by_cohort(
    change: Callable[..., Path], tmp_path: Path
) -> None:
    """The loyal customer of story 1 is charged one after her grace, and none by a gentler policy."""
    story = read_stories(EXAMPLE)["stories/01-missed-bill.yaml"]
    data = tmp_path / "data"
    data.mkdir()
    store = SqliteStore(data, vault=make_vault(data))
    version = example_bundle().policy.version
    with store.transaction():
        store.save_brand(BrandRow(version=version, in_force_at=0, texts=example_texts()))
    differences, _ = play(story, example_bundle(), store)
    store.close()
    assert differences == []
    later = (
        "actions/bills/late_fee.yaml",
        "days_since(about.due_at) >= 1",
        "days_since(about.due_at) >= 60",
    )
    _, told = diff(EXAMPLE, change(later), "--against", data, *READ)
    fees = {name: one["fees"] for name, one in told["report"]["cohorts"].items()}
    assert fees["loyal"] == {"late_fee": {"recorded": 1, "tried": 0}}


def test_a_pull_request_is_told_in_a_few_lines(month: Path, change: Callable[..., Path]) -> None:
    """Markdown, with the verdict first."""
    tried = change(GRACE)
    done = run_kept("diff", EXAMPLE, tried, "--against", month, *READ, "--format", "markdown")
    assert done.code == 1
    assert done.out.startswith("### ❌ ")
    assert "Worse off: " in done.out


def test_wrong_input_is_told_all_at_once(change: Callable[..., Path], tmp_path: Path) -> None:
    """Both folders, options that lack each other, and files that are not there."""
    tried = change()
    (tried / "contact.yaml").write_text("caps: {week: {count: 0}}\n")
    assert "contact.yaml" in run_kept("diff", EXAMPLE, tried).err
    assert "there is no brand folder" in run_kept("diff", tmp_path / "no", EXAMPLE).err
    done = run_kept("diff", EXAMPLE, EXAMPLE, "--against", tmp_path)
    assert "--purpose" in done.err
    assert "--approvers" in run_kept("diff", EXAMPLE, EXAMPLE, "--approvals", tmp_path).err
    missing = ("--approvals", tmp_path, "--approvers", tmp_path / "no")
    assert "cannot be read" in run_kept("diff", EXAMPLE, EXAMPLE, *missing).err
    told = ("--by", "ana", "--allow", "pressure", "--because", "x", "--out", tmp_path / "a.note")
    done = run_kept("approve-change", EXAMPLE, EXAMPLE, "--key", EXAMPLE / "brand.yaml", *told)
    assert "holds no approver's key" in done.err
    idle = run_kept("diff", EXAMPLE, EXAMPLE, "--database", "postgresql:///kept")
    assert "--against" in idle.err
    assert idle.code == 1
