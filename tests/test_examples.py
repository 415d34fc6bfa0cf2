"""The examples work as their first lines say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from fanwise.graph import arun
from fanwise.state import Plan, Report

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


ENDINGS = {
    "coding.yaml": "succeeded",
    "consensus.yaml": "succeeded",
    "debug_then_fix.yaml": "succeeded",
    "dispatcher.json": "succeeded",
    "etl.yaml": "partial",  # an optional branch fails
    "generate.yaml": "succeeded",
    "mixed.yaml": "succeeded",
    "race.yaml": "succeeded",
    "release.yaml": "succeeded",
}

NEED_A_MODEL = {"debug_fix_test.yaml"}
"""They are run in `tests/llm`."""


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What each plan file comes to, all run at the same time."""

    async def scenario() -> list[Report]:
        return await asyncio.gather(*(arun(Plan.load(EXAMPLES / name)) for name in ENDINGS))

    return dict(zip(ENDINGS, asyncio.run(scenario()), strict=True))


def test_every_plan_file_is_run() -> None:
    """None is left out."""
    found = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".yaml", ".json")}
    assert found == ENDINGS.keys() | NEED_A_MODEL


@pytest.mark.parametrize("name", ENDINGS)
def test_plan_files_run(name: str, reports: dict[str, Report]) -> None:
    """Every plan file is valid and ends as it should."""
    assert reports[name].status == ENDINGS[name]


def test_the_models_agree_by_weight(reports: dict[str, Report]) -> None:
    """Two of weight 2 decide; the third, which would take half a minute, is not waited for."""
    results = reports["consensus.yaml"].results
    assert results["consensus"].output["winner"] == "Safe"
    assert results["consensus"].output["confidence"] == 0.8
    assert results["small model"].status == "cancelled"
    assert results["release"].output == {"released": True}


def test_the_branches_are_merged_deeply(reports: dict[str, Report]) -> None:
    """Without the one that failed, and without nulls."""
    assert reports["etl.yaml"].results["merged"].output == {
        "customer": {"id": 7, "name": "Ada", "segment": "gold"},
        "source": "crm",
        "checks": {"email": "ok", "phone": "ok"},
    }


def test_the_first_good_search_wins(reports: dict[str, Report]) -> None:
    """The quickest is below the floor, the last one hangs and is cancelled before its time-out."""
    results = reports["race.yaml"].results
    assert results["best"].output["winner"] == "vectors"
    assert results["sql"].status == "cancelled"
    assert results["open page"].output == {"opened": 88}


def test_what_was_found_is_mended(reports: dict[str, Report]) -> None:
    """The fix knows the cause; what has nothing to do is skipped."""
    results = reports["debug_then_fix.yaml"].results
    assert results["fix"].output == {"patched": "auth.py", "because": "clock skew between auth servers"}
    assert results["roll back"].status == "skipped"
    assert reports["mixed.yaml"].results["validate"].output == {"checked": ["auth.py", "audit.py"]}


def test_groups_follow_one_another_and_tests_run_alone(reports: dict[str, Report]) -> None:
    """The members of the first group write a file in common, so that not even they overlap."""
    results = reports["coding.yaml"].results
    spans = {name: (result.started_at or "", result.finished_at or "") for name, result in results.items()}
    begin, end = spans["tests"]
    assert all(
        last <= begin or end <= first for name, (first, last) in spans.items() if name not in ("tests", "changed files")
    )
    assert spans["user model"][1] <= spans["product model"][0]
    assert max(spans["user model"][1], spans["product model"][1]) <= min(spans["order api"][0], spans["documents"][0])
    assert len(results["changed files"].output) == 4


def test_minutes_and_titles_of_sub_tasks_are_read(reports: dict[str, Report]) -> None:
    """A run's results stand in the plan's order; minutes are what its tasks are expected to take."""
    plan = Plan.load(EXAMPLES / "coding.yaml")
    assert list(reports["coding.yaml"].results) == [task.id for task in plan.tasks]
    assert [task.estimated_s for task in plan.tasks[:2]] == [45 * 60, 45 * 60]
    assert [(task.title, task.complexity) for task in plan.tasks[:2]] == [
        ("User model", "medium"),
        ("Product model", "medium"),
    ]


def test_a_run_is_stopped_and_goes_on() -> None:
    """The program stops after the first task, and goes on with the others alone."""
    command = [sys.executable, str(EXAMPLES / "own_specialists.py")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    before, after = lines[: lines.index("stopped; going on")], lines[lines.index("stopped; going on") :]
    assert "task_finished first" in before and "task_started second" not in before
    assert "task_started first" not in after
    assert lines[-1] == "succeeded 9"
