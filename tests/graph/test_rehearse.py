"""Rehearsals: plays whose outcome is known, in virtual and in real time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from fanwise.graph import arun, explain, specialist
from fanwise.graph.gates import SHARED
from fanwise.graph.history import AttemptRow, MemoryHistory
from fanwise.graph.rehearse import rehearse
from fanwise.graph.rehearse_real import arehearse
from fanwise.graph.schedule import limits_of
from fanwise.graph.simulation import Drawn, Simulation
from fanwise.state import Plan, PlanConfig


def history(*taken: tuple[str, float, str], task: str = "x", **more: Any) -> MemoryHistory:
    """Return a history of attempts: specialist, seconds, status."""
    made = MemoryHistory()
    rows = [
        AttemptRow("th", "r", "old", task, who, 1, status, None, 0.0, seconds, None, f"2026-01-01T00:00:{n:02}+00:00")
        for n, (who, seconds, status) in enumerate(taken)
    ]
    made.write([], [row._replace(**more) for row in rows])
    return made


def plan(*tasks: dict[str, Any], **config: Any) -> dict[str, Any]:
    """Return a plan of tasks that `s` does."""
    return {"tasks": [{"specialist": "s", **task} for task in tasks], "config": config}


def test_times_and_failures_come_from_history() -> None:
    """One attempt in four failed before; retries cost what they cost, usage is expected."""
    known = history(("s", 2.0, "succeeded"), ("s", 2.0, "succeeded"), ("s", 2.0, "succeeded"), ("s", 1.0, "failed"))
    known.write([], [row._replace(usage={"tokens": 100}, attempt=2) for row in known.attempts()])
    found = rehearse(plan({"id": "a"}, {"id": "b", "depends_on": ["a"]}), history=known, seed=7, draws=2000)
    assert found.sources == {"history": 2} and found.mode == "virtual" and found.draws == 2000
    assert found.statuses["succeeded"] == pytest.approx(0.75**2, abs=0.05)
    assert found.makespan_s.p90 == 4.0 and found.makespan_s.p10 == 1.0
    (one,) = found.specialists
    assert one.failures / one.attempts == pytest.approx(0.25, abs=0.03)
    assert found.usage["tokens"].p90 == 200 and 0 < found.usage["tokens"].mean < 200
    patient = plan({"id": "a"}, retry={"max_attempts": 5, "initial_s": 0})
    assert rehearse(patient, history=known, seed=7).statuses["succeeded"] > 0.95


def test_what_is_not_known_is_drawn_around_what_the_plan_says() -> None:
    """A seed makes it the same again; a task's own history wins over its specialist's."""
    tasks = plan({"id": "a", "estimated_s": 10}, {"id": "b", "specialist": "t"}, {"id": "c", "specialist": "wait"})
    found = rehearse(tasks, seed=1)
    assert found.sources == {"plan": 2, "guess": 1}
    assert found.makespan_s.p10 < 10 < found.makespan_s.p90 and 8 < found.makespan_s.p50 < 12
    assert rehearse(tasks, seed=1) == found != rehearse(tasks, seed=2)
    known = history(*[("s", 3.0, "succeeded")] * 3, *[("s", 50.0, "succeeded")] * 9, task="a")
    known.write([], [row._replace(task_id="z", duration_s=50.0, attempt=2) for row in known.attempts()])
    own = {**plan({"id": "a"}), "name": "old"}
    assert rehearse(own, history=known, seed=1).makespan_s.p10 == 3.0


def test_waits_are_as_long_as_the_plan_says() -> None:
    """`wait` tells its own time, failures and hanging; slots, pools and deadlines hold."""
    three = [{"id": f"t{n}", "specialist": "wait", "input": {"seconds": 2}} for n in range(3)]
    assert rehearse(plan(*three)).makespan_s.mean == 2.0
    assert rehearse(plan(*three), slots=1).makespan_s.mean == 6.0
    found = rehearse(plan(*three, max_parallel=2))
    assert (found.makespan_s.mean, found.slot_use, found.speedup) == (4.0, 0.75, 1.5)
    one_gpu = plan(*({**task, "needs": {"gpu": 1}} for task in three), pools={"gpu": 1})
    assert rehearse(one_gpu).makespan_s.mean == 6.0
    hangs = plan({"id": "h", "specialist": "wait", "input": {"hang": True}}, *three, timeout_s=5)
    stuck = rehearse(hangs)
    assert (stuck.makespan_s.mean, stuck.statuses, stuck.failing_tasks) == (5.0, {"failed": 1.0}, 1.0)
    again = plan({"id": "f", "specialist": "wait", "input": {"seconds": 1, "fail_times": 1}}, retry={"max_attempts": 2})
    assert rehearse(again).statuses == {"succeeded": 1.0} and 2.0 <= rehearse(again).makespan_s.mean <= 2.5
    late = rehearse(plan(*three, max_parallel=1, deadline_s=3))
    assert late.makespan_s.mean == 3.0 and late.failing_tasks == 2.0
    fast = plan({"id": "f", "specialist": "wait", "input": {"seconds": 1, "fail": "x"}}, *three, on_failure="fast")
    assert rehearse(fast).makespan_s.mean == 1.0


def test_rates_and_what_specialists_take_are_respected() -> None:
    """Starts are spaced out, exclusive tasks work alone; all ways of telling agree; tokens are said to be unknown."""
    tasks = [{"id": f"t{n}", "specialist": "wait", "input": {"seconds": 0.2}, "needs": {"api": 1}} for n in range(4)]
    rated = {"tasks": tasks, "config": {"pools": {"api": 4}, "rates": {"api": {"starts_per_s": 2}}}}
    assert explain(rated).expected_makespan_s == rehearse(rated).makespan_s.mean == pytest.approx(1.7)
    assert asyncio.run(arehearse(rated, speed=5)).makespan_s.mean == pytest.approx(1.7, abs=0.5)
    assert SHARED.get("api") is None  # real runs of the process do not notice
    by_name = {"tasks": tasks, "config": {"pools": {"api": 4}, "rates": {"wait": {"starts_per_s": 4}}}}
    assert explain(by_name).expected_makespan_s == pytest.approx(0.95) and explain(by_name).notes == ()
    tokens = {"tasks": tasks, "config": {"pools": {"api": 4}, "rates": {"api": {"tokens_per_min": 9}}}}
    assert "tokens_per_min" in explain(tokens).notes[0] and "tokens_per_min" in rehearse(tokens).notes[0]

    @specialist("pytest", tags=("test",))
    def tests(task: Any) -> None:
        raise AssertionError("it is not to be called")

    suites = plan(*({"id": f"t{n}", "specialist": "pytest", "estimated_s": 1} for n in range(3)), waiting("w", 1))
    assert explain(suites).expected_makespan_s == 1 and rehearse(suites, seed=1).makespan_s.p50 < 2
    assert explain(suites, specialists=[tests]).expected_makespan_s == 4
    assert rehearse(suites, seed=1, specialists=[tests]).makespan_s.p50 > 3
    real = asyncio.run(arehearse(suites, speed=10, seed=1, specialists={"pytest": tests}))
    assert real.makespan_s.mean > 2.5
    built_in = plan(*({"id": f"t{n}", "specialist": "tests", "estimated_s": 1} for n in range(3)))
    assert explain(built_in).expected_makespan_s == 3


def test_wait_takes_its_seconds_whatever_is_estimated() -> None:
    """One rule for all: seconds, else the estimate, else nothing."""
    for task, takes in (
        (waiting("w", 2.0, estimated_s=9), 2.0),
        ({"id": "w", "specialist": "wait", "estimated_s": 9}, 9.0),
        ({"id": "w", "specialist": "wait"}, 0.0),
    ):
        given_plan = {"tasks": [task]}
        assert explain(given_plan).expected_makespan_s == rehearse(given_plan).makespan_s.mean == takes
    other = plan({"id": "a", "fallback": {"specialist": "wait"}, "input": {"seconds": 2}, "estimated_s": 50})
    failing = history(*[("s", 1.0, "failed")] * 3)
    assert rehearse(other, history=failing).makespan_s.mean == 3.0


def test_fallbacks_and_races_are_played() -> None:
    """A fallback takes a failed task's place; a race ends with its first success."""
    fails = {"id": "a", "specialist": "wait", "input": {"fail": "x", "seconds": 1}}
    assert rehearse(plan({**fails, "fallback": {"output": 1}})).statuses == {"succeeded": 1.0}
    other = rehearse(plan({**fails, "fallback": {"specialist": "t"}}), history=history(*[("t", 5.0, "succeeded")] * 3))
    assert other.statuses == {"succeeded": 1.0} and other.makespan_s.mean == 6.0
    racing = [{"id": f"r{n}", "specialist": "wait", "input": {"seconds": n}} for n in (1, 5)]
    race = {"id": "first", "aggregate": {"strategy": "race"}, "depends_on": ["r1", "r5"]}
    made = rehearse({"tasks": [*racing, race]})
    assert made.makespan_s.mean == 1.0 and made.critical[0].share == 1.0 and made.notes != ()


def waiting(task_id: str, seconds: float, output: Any = None, **more: Any) -> dict[str, Any]:
    """Return a task that waits."""
    return {"id": task_id, "specialist": "wait", "input": {"seconds": seconds, "output": output}, **more}


RACES = {
    "race": (
        [
            waiting("poor", 0.2, {"q": 1}),
            waiting("good", 0.4, {"q": 3}),
            waiting("before", 0.2),
            {"id": "never", "specialist": "wait", "depends_on": ["before"], "input": {"hang": True}, "estimated_s": 9},
            {
                "id": "won",
                "depends_on": ["poor", "good", "never"],
                "aggregate": {"strategy": "race", "quality": "q", "min_quality": 2},
            },
        ],
        0.4,
        ["good", "won"],
    ),
    "vote": (
        [
            *(waiting(f"v{n}", 0.1 * n, {"a": "yes"}) for n in (2, 4)),
            waiting("late", 9, {"a": "no"}),
            {"id": "won", "depends_on": ["v2", "v4", "late"], "aggregate": {"strategy": "vote", "answer": "a"}},
        ],
        0.4,
        ["v4", "won"],
    ),
    "two": (
        [
            *(waiting(f"b{n}", 0.2 * n) for n in (1, 2, 30)),
            {"id": "one", "depends_on": ["b1", "b2", "b30"], "aggregate": {"strategy": "race"}},
            {
                "id": "two",
                "depends_on": ["b1", "b2", "b30"],
                "aggregate": {"strategy": "merge", "mode": "concat", "first": 2},
            },
        ],
        0.4,
        ["b2", "two"],
    ),
}


@pytest.mark.parametrize("name", RACES)
def test_what_is_cancelled_by_choice_does_not_count_against_a_run(name: str) -> None:
    """Virtual and real rehearsals, `explain` and the run itself tell the same; its work ends with it."""
    tasks, takes, path = RACES[name]
    given_plan = {"tasks": [*tasks, waiting("then", 0.0, depends_on=[path[-1]], review="after")]}
    there = {"tasks": tasks}
    real = asyncio.run(arun(there))
    assert real.status == "succeeded" and real.metrics.makespan_s == pytest.approx(takes, abs=0.2)
    for found in (rehearse(given_plan), asyncio.run(arehearse(Plan.model_validate(given_plan), speed=2))):
        assert found.statuses == {"succeeded": 1.0} and found.failing_tasks == 0
        assert found.makespan_s.mean == pytest.approx(takes, abs=0.2) and found.work_s < 3 * takes + 0.6
        assert {one.failures for one in found.specialists} == {0}
    told = explain(given_plan, slots=4)
    assert told.expected_makespan_s == told.lower_bound_s == told.critical_path_s == pytest.approx(takes)
    assert list(told.critical_path) == [*path, "then"] and 1 < told.speedup <= 4


def test_outputs_that_nobody_knows_are_taken_to_be_good() -> None:
    """A race has its first success for winner, a vote waits for all; that they are guessed is said."""
    branches = plan({"id": "a", "estimated_s": 1}, {"id": "b", "estimated_s": 90})["tasks"]
    for spec, low, high in (({"strategy": "race", "valid": "x"}, 0, 9), ({"strategy": "vote", "answer": "x"}, 30, 300)):
        found = rehearse({"tasks": [*branches, {"id": "c", "depends_on": ["a", "b"], "aggregate": spec}]}, seed=1)
        assert found.statuses == {"succeeded": 1.0} and low < found.makespan_s.p50 < high
        assert any("outputs are not known" in note for note in found.notes)


def test_a_speed_at_which_the_graph_itself_takes_longest_is_told() -> None:
    """Real overhead is told as many times as long."""
    quick = Plan.model_validate(plan(waiting("a", 0.05)))
    assert any("virtual time" in note for note in asyncio.run(arehearse(quick, speed=5000)).notes)
    assert asyncio.run(arehearse(Plan.model_validate(plan(waiting("a", 0.5))), speed=1.5)).notes == ()


def test_a_rehearsal_in_real_time_runs_the_graph() -> None:
    """Events are told, times are the plan's own, failures are as they were."""
    known = history(*[("s", 3.0, "succeeded")] * 3, *[("bad", 1.0, "failed")] * 3)
    tasks = [
        {"id": "a", "specialist": "s", "review": "before"},
        {"id": "b", "specialist": "bad", "retry": {"max_attempts": 2, "initial_s": 0}, "required": False},
        {"id": "c", "specialist": "s", "depends_on": ["a"], "timeout_s": 2},
        {"id": "d", "aggregate": {"strategy": "merge"}, "depends_on": ["a", "b"]},
    ]
    events: list[Any] = []
    rehearsal = arehearse(Plan.model_validate({"tasks": tasks}), speed=20, history=known, on_event=events.append)
    found = asyncio.run(rehearsal)
    assert found.mode == "real" and found.draws == 1 and 5.0 <= found.makespan_s.mean < 8.0
    assert found.statuses == {"failed": 1.0} and found.failing_tasks == 2.0
    assert {one.specialist: (one.attempts, one.failures) for one in found.specialists} == {"s": (2, 1), "bad": (2, 2)}
    assert {event["task_id"] for event in events if event["type"] == "task_finished"} == {"a", "b", "c", "d"}


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Return a plan of quick waits, some of which fail, with dependencies, rules, pools and slots."""
    tasks = []
    for number in range(draw(st.integers(1, 8))):
        needs = draw(st.lists(st.sampled_from([f"t{n}" for n in range(number)]), unique=True)) if number else []
        tasks.append(
            {
                "id": f"t{number}",
                "specialist": "wait",
                "depends_on": needs,
                "input": {"fail": "x"} if draw(st.booleans()) else {},
                "run_if": draw(
                    st.sampled_from(["all_success", "all_done", "one_success", "one_failed", "none_failed"])
                ),
                **({"needs": {"p": 1}} if draw(st.booleans()) else {}),
            }
        )
    return {"tasks": tasks, "config": {"max_parallel": draw(st.integers(1, 3)), "pools": {"p": 1}}}


@settings(max_examples=examples(20, 200), deadline=None)
@given(plans())
def test_a_play_ends_as_the_graph_does(given_plan: dict[str, Any]) -> None:
    """The same tasks succeed, fail and are skipped."""
    real = asyncio.run(arun(given_plan))
    tasks = Plan.model_validate(given_plan).to_state()["tasks"]

    def as_told(task: Any, attempt: int, specialist: str) -> Drawn:
        return Drawn(0.0, "failed" if "fail" in (task.get("input") or {}) else "succeeded")

    config = PlanConfig.model_validate(given_plan["config"]).model_dump()
    seconds = dict.fromkeys((task["id"] for task in tasks), 0.0)
    played = Simulation(tasks, seconds, limits_of(config), as_told, dice=random.Random(1)).run()
    assert {key: (result.status, result.by_choice) for key, result in real.results.items()} == {
        key: (played.statuses[key], key in played.by_choice) for key in real.results
    }
