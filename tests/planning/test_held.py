"""A model's plan is held to what the user gave: logs, memories, and what is done with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fanwise.nodes.planning.checking import Base, Checker
from fanwise.nodes.planning.draft import PlanDraft
from fanwise.nodes.specialists import built_in
from fanwise.nodes.specialists.equipment import Equipment
from fanwise.plans.registry import load_workflows


@pytest.fixture
def checker(tmp_path: Path) -> Checker:
    """A checker over the built-in specialists, with a log, a workspace, and Ada's memories."""
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    equipment = Equipment(events=str(tmp_path / "logs"), workspace=tmp_path / "repo", memories=("ada",))
    return Checker(built_in(equipment), load_workflows())


def problems(checker: Checker, specialist: str, given: Any, *before: dict[str, Any], **base: Any) -> list[str]:
    """Return the problems of one drafted task."""
    task = {"id": "t", "specialist": specialist, "description": "x", "input": given}
    draft = PlanDraft(tasks=[{"id": "first", "specialist": "wait", "input": {"seconds": 0}}, task])
    return [str(p) for p in checker.check(draft, Base({"tasks": list(before)}, **base), "r").problems]


@pytest.mark.parametrize("specialist", ["analyst", "volume", "errors", "correlate"])
def test_logs(checker: Checker, tmp_path: Path, specialist: str) -> None:
    """A task names the run's log, the equipment's, what lies in them or in the workspace, and nothing else."""
    sql = {"sql": "SELECT 1"} if specialist == "analyst" else {}
    for good in ["/run/app.log", f"{tmp_path}/logs", f"{tmp_path}/logs/a.log", f"{tmp_path}/repo/b.log"]:
        assert problems(checker, specialist, {**sql, "events": good}, logs=("/run/app.log",)) == []
    for bad in [
        "/etc/passwd",
        f"{tmp_path}/logs/../other.log",
        f"{tmp_path}/repo/.git/config",
        "{{tasks.first.output}}",
        "/run/{{tasks.first.output}}",
        "~nobody-there/x\0",
        f"{tmp_path}/logs/shop.events.yaml",  # it may start programs, and a model may have written it
        f"{tmp_path}/repo/shop.events.json",
        "splunk://elsewhere",
    ]:
        told = problems(checker, specialist, {**sql, "events": bad}, logs=("/run/app.log",))
        assert len(told) == 1 and "keeps to the run's own log: it takes" in told[0]
    told = problems(checker, specialist, "{{tasks.first.output}}")
    assert any("'events' is part of an input that a reference stands for" in text for text in told)


def test_logs_of_the_plan(checker: Checker) -> None:
    """What a task of the user's plan names may be named again, by further tasks."""
    before = {"id": "own", "specialist": "volume", "input": {"events": "/mine.log"}}
    assert problems(checker, "errors", {"events": "/mine.log"}, before) == []
    assert len(problems(checker, "errors", {"events": "/other.log"}, before)) == 1
    task = {"id": "t", "specialist": "errors", "input": {"events": "/mine.log"}}
    assert checker.single(task, [], Base({"tasks": [before]}))[0] is not None
    assert checker.single(task, [])[0] is None


def test_parameters_of_a_workflow(checker: Checker) -> None:
    """A log that a model gives a workflow is held too; one that the user gives wins."""
    base, told = checker.base("health_check", {"events": "/etc/passwd"}, {}, "r")
    assert not base.data and "'events' is '/etc/passwd'" in str(told[0])
    base, told = checker.base("health_check", {"events": "/etc/passwd"}, {"events": "/app.log"}, "r")
    assert not told and base.tasks[0]["input"]["events"] == "/app.log"


def test_memories(checker: Checker) -> None:
    """Tasks of a model keep to the user's namespaces, and forget nothing; a plan of one's own is free."""
    assert problems(checker, "memory", {"query": "x"}) == problems(checker, "memory", {"namespace": "ada"}) == []
    assert "it takes ada" in problems(checker, "memory", {"namespace": "bob"})[0]
    assert "only a plan of the user's own forgets" in problems(checker, "memory", {"action": "forget", "key": "k"})[0]
    assert len(problems(checker, "memory", {"action": "{{tasks.first.output}}"})) == 1
