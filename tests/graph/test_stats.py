"""Statistics over runs, against rows whose numbers are known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.graph import Skip, explain, specialist
from fanwise.graph.history import AttemptRow, MemoryHistory, RunRow, name_of
from fanwise.graph.one_call import arun
from fanwise.graph.run_facts import NOTICED_S, Span, critical_seconds, parallel_share, waits
from fanwise.graph.schedule import Limits, limits_of
from fanwise.graph.stats import stats
from fanwise.reducers.outcome import run_metrics
from fanwise.state import Plan, Task

NOW = datetime.now(UTC)


def ago(hours: float) -> str:
    """Return a moment."""
    return (NOW - timedelta(hours=hours)).isoformat()


def run(number: int, **more: Any) -> RunRow:
    """Return a run's row."""
    details = {"critical": {"t": 6.0, "u": 1.0}, "specialists": {"t": "s", "u": "o"}, "waits": {"slots": 2.0}}
    row = RunRow(f"th{number}", "r", "etl", status="succeeded", tasks=2, makespan_s=10.0, sequential_s=20.0)
    row = row._replace(speedup=2.0, parallel_share=0.5, started=ago(number), finished=ago(number), details=details)
    return row._replace(**more)


def attempt(number: int, task: str = "t", **more: Any) -> AttemptRow:
    """Return an attempt's row."""
    row = AttemptRow(f"th{number}", "r", "etl", task, "s", 1, "succeeded", None, 0.0, 1.0, None, ago(number))
    return row._replace(**more)


def filled() -> MemoryHistory:
    """Return a history with known numbers."""
    history = MemoryHistory()
    runs = [run(1), run(2, speedup=4.0), run(3, parallel_share=0.0, speedup=None, status="failed")]
    crashed = run(4, status="running", finished=None, makespan_s=0.0, speedup=None, details={})
    attempts = [attempt(n, duration_s=float(n), queued_s=n / 10, usage={"tokens": 10, "model": "m"}) for n in (1, 2)]
    attempts += [attempt(3, status="failed", error="KeyError", duration_s=4.0, attempt=n) for n in (1, 2)]
    attempts += [attempt(1, "u", specialist="o", status="timed_out", error="TimeoutError", duration_s=500.0)]
    attempts += [attempt(2, "u", specialist="o", status="cancelled", error="CancelledError", duration_s=5000.0)]
    history.write([*runs, crashed], attempts)
    return history


def test_what_the_graphs_own_nodes_used_is_added_up() -> None:
    """Runs of an earlier version tell nothing of it, and count as before."""
    history = filled()
    used = {"planner": {"total_tokens": 5, "by_model": {"m": {"total_tokens": 5}}}, "synthesizer": {"cost": 0.1}}
    history.write([run(5, details={"usage": used}), run(6, details={"usage": used})], [])
    found = stats(history)
    assert found.usage == {"tokens": 20, "total_tokens": 10, "cost": 0.2}
    assert found.own_usage == {"planner": {"total_tokens": 10}, "synthesizer": {"cost": 0.2}}
    assert stats(history, specialist="s").own_usage == {}
    assert stats(filled()).own_usage == {}


def test_a_lost_race_is_on_no_critical_path() -> None:
    """Nobody waited for what was cancelled by choice, though it worked as long as the winner, or longer."""
    history = MemoryHistory()
    tasks = [
        {"id": "win", "specialist": "wait", "input": {"seconds": 0.2}},
        {"id": "lose", "specialist": "wait", "input": {"seconds": 3}},
        {"id": "race", "depends_on": ["win", "lose"], "aggregate": {"strategy": "race"}},
        {"id": "use", "specialist": "wait", "depends_on": ["race"], "input": {"seconds": 0.1}},
    ]
    report = asyncio.run(arun({"name": "vr", "tasks": tasks}, history=history))
    assert report.results["lose"].by_choice and report.results["lose"].duration_s > 0.1
    assert [task.task_id for task in stats(history).critical] == ["win", "use"]
    assert not any("'lose'" in words for words in stats(history).bottlenecks)
    longer = {"win": 0.2, "lose": 5.0, "race": 0.0, "use": 0.1}
    results = {key: {"duration_s": took, "by_choice": key == "lose"} for key, took in longer.items()}
    assert critical_seconds(tasks, results) == {"win": 0.2, "use": 0.1}
    measured = {key: {"status": "succeeded", "specialist": "wait", **one} for key, one in results.items()}
    assert run_metrics(tasks, measured, 1).critical_path_s == pytest.approx(0.3)


def test_runs_are_summed_up() -> None:
    """Runs by status, how parallel they were, rates over attempts that came to their own end."""
    found = stats(filled())
    assert found.runs == 4 and found.by_status == {"succeeded": 2, "failed": 1, "running": 1}
    assert found.parallel_runs == 0.6667 and found.parallel_share == 0.3333 and found.mean_speedup == 3.0
    assert (found.attempts, found.tasks, found.error_rate, found.timeout_rate) == (6, 5, 0.4, 0.2)
    assert (found.duration_s.n, found.duration_s.p50, found.duration_s.max) == (2, 1.5, 2.0)
    assert found.queued_s.max == 0.2 and found.usage == {"tokens": 20}
    counts = {bucket.le_s: bucket.count for bucket in found.histogram if bucket.count}
    assert counts == {1.0: 1, 3.0: 1, 10.0: 2, 1000.0: 1, None: 1}


def test_specialists_are_told_apart() -> None:
    """Who worked longest comes first; cancelled attempts say nothing about success."""
    other, own = stats(filled()).specialists
    assert (other.specialist, other.attempts, other.success_rate, other.timed_out) == ("o", 2, 0.0, 1)
    assert (own.succeeded, own.failed, own.success_rate, own.errors) == (2, 2, 0.5, {"KeyError": 2})
    assert own.work_s == 11.0 and own.usage == {"tokens": 20} and own.duration_s.p95 == 1.95


def test_bottlenecks_are_told_in_words() -> None:
    """Critical tasks with their share, what was queued for, and work that came to nothing."""
    found = stats(filled())
    first, second = found.critical
    assert (first.task_id, first.plan, first.runs, first.of_runs, first.seconds, first.share) == (
        "t",
        "etl",
        3,
        3,
        18,
        0.6,
    )
    assert second.share == 0.1
    assert [(wait.cause, wait.seconds, wait.share, wait.runs) for wait in found.waits] == [("slots", 6.0, 1.0, 3)]
    wasted, critical, failures, slots, _ = found.bottlenecks
    assert "1 time-out of specialist 'o' took 500.0 s" in wasted
    assert "'t' (specialist 's') is on the critical path in 3 of 3 runs" in critical and "up to 30%" in critical
    assert "2 failures of specialist 's'" in failures
    assert "queued 6.0 s (100% of all queueing) for slots: raise max_parallel" in slots


def test_a_specialist_and_a_time_can_be_picked() -> None:
    """Runs count where the specialist worked; older ones are left out."""
    found = stats(filled(), specialist="o")
    assert (found.runs, found.attempts, [task.task_id for task in found.critical]) == (2, 2, ["u"])
    late = stats(filled(), since=timedelta(hours=2.5))
    assert (late.runs, late.attempts) == (2, 4) and late.since is not None
    empty = stats(MemoryHistory())
    assert empty.runs == 0 and empty.mean_speedup is None and empty.bottlenecks == ()


def test_what_was_waited_for_is_found_in_a_real_run() -> None:
    """A pool that is short, slots that are short, an exclusive task."""

    def causes(config: dict[str, Any], **every: Any) -> dict[str, float]:
        history = MemoryHistory()
        tasks = [{"id": f"t{n}", "specialist": "wait", "input": {"seconds": 0.05}, **every} for n in range(3)]
        asyncio.run(arun({"tasks": tasks, "config": config}, history=history))
        waited = {wait.cause: wait.seconds for wait in stats(history).waits if wait.seconds > 0.02}
        return waited

    assert list(causes({"pools": {"gpu": 1}}, needs={"gpu": 1})) == ["gpu"]
    assert list(causes({"max_parallel": 1})) == ["slots"]
    assert list(causes({}, exclusive=True)) == ["exclusive tasks"]
    assert list(causes({"specialist_slots": {"wait": 1}})) == ["specialist wait"]
    assert list(causes({"starts_per_s": 20})) == ["start rate"]
    assert causes({}) == {}


def test_shares_of_time_at_work() -> None:
    """Two tasks that overlap for a quarter of the time; none; a run without work."""
    assert parallel_share([Span("a", 0, 2), Span("b", 1, 4)]) == 0.25
    assert parallel_share([Span("a", 0, 1), Span("b", 1, 2)]) == 0.0
    assert parallel_share([]) == 0.0
    tasks = [{"id": "a"}, {"id": "b", "depends_on": ["a"]}, {"id": "c"}]
    results = {name: {"duration_s": took} for name, took in (("a", 1.0), ("b", 2.0), ("c", 2.5))}
    assert critical_seconds(tasks, results) == {"a": 1.0, "b": 2.0}


Times = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=20)


@given(Times, st.integers(1, 4))
def test_all_queueing_has_a_cause(times: list[tuple[float, float]], slots: int) -> None:
    """What is told of causes adds up to what was queued, and a share is a share."""
    results, moment = {}, datetime(2026, 1, 1, tzinfo=UTC)
    for number, (start, took) in enumerate(times):
        ends = [moment + timedelta(seconds=seconds) for seconds in (start, start + took)]
        told = {"started_at": ends[0].isoformat(), "finished_at": ends[1].isoformat(), "duration_s": took}
        results[f"t{number}"] = {**told, "queued_s": took / 2, "attempts": 1}
    tasks = [{"id": task_id, "specialist": "s"} for task_id in results]
    queued = sum(result["queued_s"] for result in results.values() if result["queued_s"] >= NOTICED_S)
    assert sum(waits(tasks, results, Limits(slots)).values()) == pytest.approx(queued)
    found = [Span("t", start, start + took) for start, took in times]
    assert 0 <= parallel_share(found) <= 1


def test_history_feeds_what_is_explained() -> None:
    """A task's own `estimated_s` goes first, then history, then a second; pools are seen."""
    tasks = [
        {"id": "a", "specialist": "s"},
        {"id": "b", "specialist": "s", "estimated_s": 2},
        {"id": "c", "specialist": "t"},
    ]
    assert explain({"tasks": tasks}).total_s == 4
    assert explain({"tasks": tasks}, known={"s": 5.0, "t:c": 7.0}).total_s == 14
    short = {"tasks": [{**task, "needs": {"gpu": 1}} for task in tasks], "config": {"pools": {"gpu": 1}}}
    assert explain(short).expected_makespan_s == 4 and explain(short, 1).expected_makespan_s == 4
    assert limits_of({"pools": {"gpu": 1}}).capacities() == {"gpu": 1.0}


def test_a_task_that_has_nothing_to_do_is_no_error() -> None:
    """Its attempt is noted as skipped, and counts neither as a success nor as a failure."""

    @specialist("idle")
    def idle(task: Task) -> None:
        raise Skip("nothing new")

    history = MemoryHistory()
    made = asyncio.run(arun({"tasks": [{"id": "a", "specialist": "idle"}]}, specialists=[idle], history=history))
    found = stats(history)
    (one,) = found.specialists
    assert made.status == "succeeded" and (one.attempts, one.skipped, one.failed) == (1, 1, 0)
    assert one.errors == {} and one.success_rate is None and not found.error_rate


def test_plans_without_a_name_are_told_apart() -> None:
    """The history knows them by their tasks; what it learns of one counts for the same plan again."""
    history = MemoryHistory()
    plans = [{"tasks": [{"id": task_id, "specialist": "wait"}]} for task_id in ("a", "b")]
    plans.append({"tasks": [{"task_id": "a", "agent": "wait", "input": {"seconds": 0.01}}]})
    made = [asyncio.run(arun(one, history=history)) for one in plans]
    assert {report.status for report in made} == {"succeeded"}
    names = [row.name for row in history.runs()]
    assert names[0] == names[2] != names[1] and names[0] == name_of(Plan.model_validate(plans[0]).to_state())
    assert len(history.latest_of_plan(names[0], 9)) == 2
    assert name_of({"name": "etl"}) == "etl" and name_of({"tasks": 5}) == name_of({"tasks": [5]}) == "plan"
