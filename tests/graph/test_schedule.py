"""The scheduler as a pure state machine, and what `explain` makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.graph import explain
from fanwise.graph.explain import certain_seconds
from fanwise.graph.schedule import Limits, Schedule
from fanwise.state import Plan


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """A random graph without cycles."""
    count = draw(st.integers(1, 25))
    return {
        f"t{i}": [f"t{j}" for j in draw(st.sets(st.integers(0, i - 1), max_size=3))] if i else [] for i in range(count)
    }


@given(graphs(), st.one_of(st.none(), st.integers(1, 4)), st.data())
def test_every_task_starts_once_after_its_dependencies_within_the_slots(
    graph: dict[str, list[str]], slots: int | None, data: st.DataObject
) -> None:
    """Whatever order tasks end in, none starts twice, early, or beyond the limit; all of them start."""
    schedule, started, ended = Schedule(Limits(slots)), list[str](), set[str]()
    for task, needs in graph.items():
        schedule.add(task, needs)
    while len(ended) < len(graph):
        for task in schedule.decide(0.0).start:
            assert set(graph[task]) <= ended
            started.append(task)
        assert slots is None or len(schedule.running) <= slots
        done = data.draw(st.sampled_from(sorted(schedule.running)))
        ended.add(done)
        schedule.settle(done, "succeeded")
    assert sorted(started) == sorted(graph)


def test_the_longest_remaining_path_goes_first() -> None:
    """With one slot, the ready task with the highest rank starts; equal ranks keep the plan's order."""
    schedule = Schedule(Limits(1))
    for order, (task, rank) in enumerate([("low", 1.0), ("high", 5.0), ("also high", 5.0)]):
        schedule.add(task, rank=rank, order=order)
    assert schedule.decide(0.0).start == ["high"]
    schedule.settle("high", "succeeded")
    assert schedule.decide(0.0).start == ["also high"]


def test_a_task_that_can_not_run_any_more_is_skipped_at_once() -> None:
    """A dependency that failed before decides, though another one is still open."""
    schedule = Schedule(Limits(None))
    schedule.add("a", ["failed before", "open"], known={"failed before": "failed"})
    assert [skip.task_id for skip in schedule.decide(0.0).skip] == ["a"]


def test_starts_keep_their_distance() -> None:
    """With a start rate, the scheduler says when to ask again, and never starts two tasks too close."""
    schedule = Schedule(Limits(None, starts_per_s=2.0))
    schedule.add("a")
    schedule.add("b")
    first = schedule.decide(10.0)
    assert (first.start, first.wake_at) == (["a"], 10.5)
    assert schedule.decide(10.4).start == []
    assert schedule.decide(10.5).start == ["b"]


def test_explain_tells_phases_path_and_times() -> None:
    """The classic diamond: two phases more than the critical path needs, and a speed-up."""
    plan = {
        "tasks": [
            {"id": "a", "specialist": "wait", "input": {"seconds": 1}},
            {"id": "b", "specialist": "wait", "input": {"seconds": 4}, "depends_on": ["a"]},
            {"id": "c", "specialist": "wait", "estimated_s": 2, "depends_on": ["a"]},
            {"id": "d", "specialist": "wait", "depends_on": ["b", "c"], "input": {"seconds": 1}},
        ]
    }
    told = explain(plan)
    assert told.phases == (("a",), ("b", "c"), ("d",))
    assert (told.critical_path, told.critical_path_s) == (("a", "b", "d"), 6.0)
    assert (told.total_s, told.expected_makespan_s, told.speedup) == (8.0, 6.0, 1.333)
    assert explain(plan, slots=1).expected_makespan_s == 8.0
    assert set(json.loads(told.model_dump_json())) >= {
        "tasks",
        "phases",
        "critical_path",
        "critical_path_s",
        "total_s",
        "lower_bound_s",
        "expected_makespan_s",
        "phased_makespan_s",
        "speedup",
    }


@given(graphs(), st.integers(1, 5), st.data())
def test_a_schedule_lies_between_its_bounds(graph: dict[str, list[str]], slots: int, data: st.DataObject) -> None:
    """List scheduling is never below the lower bound, nor above twice it (Graham, 1969)."""
    tasks: list[dict[str, Any]] = [
        {"id": task, "specialist": "wait", "depends_on": needs, "estimated_s": data.draw(st.integers(1, 9))}
        for task, needs in graph.items()
    ]
    told = explain(Plan.model_validate({"tasks": tasks}), slots=slots)
    assert told.lower_bound_s <= told.expected_makespan_s + 1e-9
    assert told.expected_makespan_s <= 2 * told.lower_bound_s + 1e-9
    assert told.expected_makespan_s <= told.phased_makespan_s * 2


def test_explain_finds_the_proven_shortest_times(shared_data: Path) -> None:
    """On everyday plans with a known shortest time, the critical path is that time."""
    rows = [json.loads(line) for line in (shared_data / "asynchow-400.jsonl").read_text().splitlines()]
    wrong = []
    for row in rows:
        tasks = [
            {"id": t["id"], "specialist": "wait", "depends_on": t["depends_on"], "estimated_s": t["duration_s"]}
            for t in row["tasks"]
        ]
        told = explain({"tasks": tasks, "config": {"max_parallel": None}})
        if told.critical_path_s != pytest.approx(row["gold_makespan_s"]):
            wrong.append(row["id"])
    assert len(rows) == 400
    assert wrong == []


def test_what_only_runs_after_failures_is_left_out() -> None:
    """It is on no path, in no bound and in no time; what depends on it alone neither; a note names it."""
    tasks = [
        {"id": "build", "specialist": "wait", "input": {"seconds": 1}},
        {"id": "ship", "specialist": "wait", "depends_on": ["build"], "input": {"seconds": 1}, "when": "results.build"},
        {"id": "alert", "specialist": "wait", "depends_on": ["ship"], "run_if": "one_failed", "input": {"seconds": 60}},
        {"id": "mail", "specialist": "wait", "depends_on": ["alert"], "input": {"seconds": 60}},
    ]
    for schedule in ("dataflow", "phased"):
        told = explain({"tasks": tasks, "config": {"schedule": schedule, "deadline_s": 1.5}})
        times = (told.expected_makespan_s, told.phased_makespan_s, told.lower_bound_s, told.critical_path_s)
        assert times == (2, 2, 2, 2) and told.total_s == 2 and told.deadline_s == 1.5
        assert told.critical_path == ("build", "ship") and told.speedup == 1
        assert told.notes[0].endswith("where others fail: alert, mail") and "`when`" in told.notes[1]


@pytest.mark.parametrize(
    ("config", "fields", "bound"),
    [
        ({"max_parallel": 2}, {}, 4),
        ({"pools": {"gpu": 1}}, {"needs": {"gpu": 1}}, 8),
        ({"memory_mb": 100}, {"memory_mb": 50}, 4),
        ({"specialist_slots": {"wait": 2}, "max_parallel": 3}, {}, 4),
        ({}, {"exclusive": True}, 8),
        ({"starts_per_s": 0.5}, {}, 6),
        ({"pools": {"api": 9}, "rates": {"api": {"starts_per_s": 0.25}}}, {"needs": {"api": 1}}, 12),
    ],
)
def test_the_lower_bound_knows_what_tasks_share(config: Any, fields: Any, bound: float) -> None:
    """Slots, pools, memory, tasks that work alone, rates: none lets the work be done sooner."""
    tasks = [{"id": f"t{n}", "specialist": "wait", "input": {"seconds": 2}, **fields} for n in range(4)]
    told = explain({"tasks": tasks, "config": config})
    assert told.lower_bound_s == bound <= told.expected_makespan_s


def test_what_a_plan_says_of_its_times_is_certain() -> None:
    """Guesses, alternatives and what a time-out ends add nothing."""
    tasks = [
        {"id": "a", "specialist": "s", "estimated_s": 3},
        {"id": "b", "specialist": "s", "depends_on": ["a"]},
        {"id": "c", "specialist": "wait", "depends_on": ["b"], "input": {"seconds": 9}, "timeout_s": 2},
        {"id": "quick", "specialist": "wait", "depends_on": ["c"], "input": {"seconds": 1}},
        {"id": "slow", "specialist": "wait", "depends_on": ["c"], "input": {"seconds": 50}},
        {"id": "race", "depends_on": ["quick", "slow"], "aggregate": {"strategy": "race"}},
        {"id": "undo", "specialist": "s", "depends_on": ["race"], "run_if": "one_failed", "estimated_s": 99},
    ]
    assert certain_seconds(Plan.model_validate({"tasks": tasks})) == 6
    assert certain_seconds(Plan.model_validate({"tasks": tasks[:3]})) == 5
