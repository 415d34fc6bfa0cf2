"""Titles, complexity, and estimates under the names of earlier systems."""

from __future__ import annotations

from typing import Any

import pytest

from fanwise.graph import explain
from fanwise.graph.estimates import estimated_seconds
from fanwise.graph.history import MemoryHistory
from fanwise.graph.rehearse import rehearse
from fanwise.reducers.outcome import run_status
from fanwise.state import Plan, PlanError, Task


def task(**fields: Any) -> Task:
    return Plan.model_validate({"tasks": [{"id": "a", "specialist": "coder", **fields}]}).tasks[0]


def refused(**fields: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        task(**fields)
    return [str(problem) for problem in caught.value.problems]


def test_a_sub_task_of_an_earlier_system_is_read() -> None:
    """Its id, title, complexity, minutes and group keep their meaning."""
    given = {
        "subtask_id": 1,
        "agent": "coder",
        "title": "Implement the user model",
        "estimated_complexity": 30.0,
        "estimated_duration_minutes": 45,
        "dependencies": [],
        "parallel_group": 1,
    }
    assert Plan.model_validate({"tasks": [given]}).to_state()["tasks"] == [
        {
            "id": "1",
            "specialist": "coder",
            "title": "Implement the user model",
            "complexity": "low",
            "estimated_s": 2700.0,
            "depends_on": [],
            "parallel_group": 1,
        }
    ]
    assert given["estimated_duration_minutes"] == 45


@pytest.mark.parametrize(("score", "word"), [(0, "low"), (30.5, "medium"), (60, "medium"), (61, "high"), (100, "high")])
def test_scores_become_words(score: float, word: str) -> None:
    """By the bands that the scores come with."""
    assert task(estimated_complexity=score).complexity == word


def test_two_names_for_an_estimate_must_agree() -> None:
    """What says the same twice is fine, null says nothing."""
    assert task(estimated_minutes=0.1, estimated_s=6).estimated_s == 6
    assert task(estimated_minutes=None, estimated_s=6).estimated_s == 6
    assert task(estimated_minutes=2, estimated_duration_minutes=2).estimated_s == 120
    assert refused(estimated_minutes=45, estimated_s=1800) == [
        "tasks[0].estimated_minutes: 'estimated_minutes' is 45, which is estimated_s 2700, but 'estimated_s' is 1800; "
        "keep one of them"
    ]
    (problem,) = refused(complexity="low", estimated_complexity=90)
    assert "'estimated_complexity' is 90, which is complexity 'high', but 'complexity' is 'low'" in problem


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"estimated_minutes": -1}, "tasks[0].estimated_minutes: must be at least 0, got -1"),
        ({"estimated_minutes": "45"}, "take the quotes away"),
        ({"estimated_minutes": 1e308}, "must be a finite number"),
        ({"estimated_minutes": True}, "expected a number, got true (a boolean)"),
        ({"estimated_minute": 1}, "did you mean 'estimated_minutes'?"),
        ({"complexity": "hihg"}, "did you mean 'high'?"),
        ({"complexity": 30}, "a score, from 0 to 100, stands in 'estimated_complexity'"),
        ({"estimated_complexity": 101}, "expected 'low', 'medium' or 'high', got 101"),
        ({"title": "a\nb"}, "must not hold line breaks"),
        ({"title": 7}, "put it in quotes"),
        ({"title": "x" * 201}, "at most 200 are allowed"),
        ({"titel": "x"}, "did you mean 'title'?"),
    ],
)
def test_what_does_not_fit_is_told_under_the_name_that_was_written(fields: dict[str, Any], message: str) -> None:
    """With what to do about it."""
    (problem,) = refused(**fields)
    assert message in problem


def test_complexity_counts_where_nothing_else_is_known() -> None:
    """It is the last resort: seconds and history go first, and what combines others takes none."""
    hard = {"id": "a", "specialist": "coder", "complexity": "high"}
    assert estimated_seconds(hard) == 2 and estimated_seconds({**hard, "complexity": "low"}) == 0.5
    assert estimated_seconds({**hard, "complexity": "medium"}) == estimated_seconds({"id": "a", "specialist": "coder"})
    assert estimated_seconds(hard, {"coder": 7.0}) == 7 and estimated_seconds({**hard, "estimated_s": 3}) == 3
    assert estimated_seconds({**hard, "specialist": "aggregate"}) == 0
    plan = Plan.model_validate({"tasks": [hard, {**hard, "id": "b", "complexity": "low"}]})
    assert explain(plan).critical_path == ("a",) and explain(plan).total_s == 2.5
    found = rehearse(plan, history=MemoryHistory(), seed=1)
    assert found.sources == {"guess": 2} and 1.5 < found.makespan_s.p50 < 2.5


def test_a_missing_result_is_a_failure() -> None:
    """It is no hole: a run without the result of a required task has failed."""
    tasks = [{"id": "a"}, {"id": "b"}]
    assert run_status(tasks, {"a": {"status": "succeeded"}}, {}) == "failed"
    assert run_status([{"id": "a"}, {"id": "b", "required": False}], {"a": {"status": "succeeded"}}, {}) == "partial"
