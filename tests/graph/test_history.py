"""The history of runs: what is noted, when, and that it never harms a run."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import warm
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from fanwise.graph import build_graph, specialist
from fanwise.graph.again import retry
from fanwise.graph.checkpoints import open_database, prune
from fanwise.graph.history import AttemptRow, EventRow, History, MemoryHistory, RunRow, estimates, percentile
from fanwise.graph.history_places import open_history
from fanwise.graph.history_table import SqlHistory
from fanwise.graph.one_call import arun
from fanwise.graph.run import execute
from fanwise.state import RunContext, RunError, Task

PLAN = {
    "name": "small",
    "config": {"max_parallel": 2, "retry": {"max_attempts": 2, "initial_s": 0.01}},
    "tasks": [
        {"id": "a", "specialist": "wait", "input": {"seconds": 0.02, "fail_times": 1}},
        {"id": "b", "specialist": "wait", "input": {"seconds": 0.05}},
        {"id": "c", "specialist": "wait", "input": {"seconds": 0.03}},
        {"id": "d", "specialist": "wait", "depends_on": ["a", "b"], "input": {"seconds": 0.02, "fail": "no"}},
        {"id": "e", "specialist": "wait", "depends_on": ["d"]},
    ],
}


def attempt(task: str = "t", seconds: float = 1.0, status: str = "succeeded", **more: Any) -> AttemptRow:
    """Return the row of an attempt."""
    row = AttemptRow("th", "r", "plan", task, "s", 1, status, None, 0.0, seconds, None, "2026-01-01T00:00:00+00:00")
    return row._replace(**more)


def moment(number: int) -> str:
    """Return a moment, the later the larger the number."""
    return datetime.fromtimestamp(1_000_000_000 + number, UTC).isoformat()


def test_a_run_and_its_attempts_are_noted(db: str) -> None:
    """Each attempt is a row, the retried one two; the run's row tells what it came to and what was waited for."""

    async def scenario() -> History:
        async with open_database(db) as database:
            graph = build_graph(checkpointer=database.saver)
            made = await execute(graph, {"plan": PLAN, "request": "why?"}, "one", history=database.history)
            assert made.status == "failed" and made.warnings == ()
            check(database.history)
            return database.history

    def check(history: History) -> None:
        (run,) = history.runs()
        assert (run.thread_id, run.name, run.request, run.status) == ("one", "small", "why?", "failed")
        assert (run.tasks, run.succeeded, run.failed, run.schedule, run.strategy) == (5, 3, 1, "dataflow", "continue")
        assert 0 < run.parallel_share <= 1 and run.speedup and run.started < str(run.finished)
        assert run.details["waits"]["slots"] > 0.01 and run.details["max_parallel"] == 2
        assert list(run.details["critical"])[-1] == "d"
        rows = {(row.task_id, row.attempt): row for row in history.attempts()}
        assert sorted(rows) == [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1), ("d", 2)]
        assert (rows["a", 1].status, rows["a", 1].error) == ("failed", "WaitFailed")
        assert (rows["a", 2].status, rows["a", 2].error, rows["a", 2].plan) == ("succeeded", None, "small")
        assert 0.05 <= rows["b", 1].duration_s < 1 and rows["c", 1].queued_s > 0.01
        assert {row.run_id for row in rows.values()} == {run.run_id}

    asyncio.run(scenario())
    if db != "memory":
        with open_history(db, must_exist=True) as again:
            check(again)


def test_going_on_adds_only_what_is_new(shared_db: str) -> None:
    """A retried run has one row, and attempts that were there are not written again; pruning runs leaves them."""

    async def scenario() -> None:
        async with open_database(shared_db) as database:
            graph = build_graph(checkpointer=database.saver)
            await execute(graph, {"plan": PLAN}, "one", history=database.history)
            before, (run,) = set(database.history.attempts()), database.history.runs()
            await retry(graph, "one")
            await execute(graph, None, "one", history=database.history)
            after, (again,) = set(database.history.attempts()), database.history.runs()
            assert before < after and {row.task_id for row in after - before} == {"d"} and len(after - before) == 2
            assert again.started == run.started and again.run_id == run.run_id
            assert await prune(database, timedelta(0)) == ["one"]
            assert len(database.history.runs()) == 1

    asyncio.run(scenario())


def test_rows_are_written_once_and_found_again(db: str) -> None:
    """Writing twice is the same as once; usage, since, specialist and the latest ones are kept apart."""

    async def scenario() -> None:
        async with open_database(db) as database:
            history = database.history
            assert history.runs() == [] and history.attempts() == [] and history.latest(["s"], 5) == []
            rows = [attempt(f"t{n}", n, specialist="s" if n % 2 else "other", started=moment(n)) for n in range(10)]
            rows[3] = rows[3]._replace(usage={"tokens": 5}, error="Odd: é\u2028", status="failed")
            run = RunRow("th", "r", "plan", started=moment(0), details={"waits": {"slots": 1.5}})
            for _ in range(2):
                history.write([run], rows)
            history.write([run._replace(status="succeeded", started=moment(5))], [])
            assert history.attempts() == rows and history.runs() == [run._replace(status="succeeded")]
            assert history.attempts(since=moment(8)) == rows[8:]
            assert history.attempts(specialist="s") == rows[1::2]
            assert history.latest(["s", "none"], 2) == [rows[7], rows[9]]
            assert history.latest_of_plan("plan", 3) == rows[7:] and history.latest_of_plan("no", 3) == []
            assert history.prune(moment(4)) == (1, 4) and history.attempts() == rows[4:] and history.runs() == []

    asyncio.run(scenario())


def test_events_are_kept_beside_attempts(db: str) -> None:
    """Of one run, by their moment, once; a history from before there were any has none, and takes them."""

    async def scenario() -> None:
        async with open_database(db) as database:
            history = database.history
            found = [
                EventRow("th", "r", "", "began", moment(0)),
                EventRow("th", "r", "a", "paused", moment(1), {"review": "before"}),
                EventRow("th", "other", "a", "paused", moment(1)),
            ]
            assert history.events("th", "r") == []
            for _ in range(2):
                history.note(found[::-1])
            assert history.events("th", "r") == found[:2]
            rows = [attempt("a", 1, started=moment(1)), attempt("b", 1, started=moment(1))._replace(run_id="other")]
            history.write([], rows)
            assert history.attempts_of("th", "r") == rows[:1]
            history.prune(moment(1))
            assert history.events("th", "r") == found[1:2]
            if isinstance(history, SqlHistory):
                history.change([("DROP TABLE fanwise_events", [{}])])
        async with open_database(db) as database:
            if isinstance(database.history, SqlHistory):
                assert database.history.events("th", "r") == [] and database.history.attempts() == rows
                assert database.history.prune(moment(0)) == (0, 0)
                database.history.note(found)
                assert database.history.events("th", "r") == found[:2]

    asyncio.run(scenario())


def test_what_is_over_is_told_by_its_attempt_alone() -> None:
    """A short task leaves no event of its start; the process that ran it leaves when it came and went."""
    history = MemoryHistory()
    arun_once = asyncio.run(arun({"tasks": [{"id": "a", "specialist": "wait"}]}, thread_id="th", history=history))
    (run,) = history.runs()
    assert arun_once.status == "succeeded"
    assert [(row.task_id, row.kind) for row in history.events("th", run.run_id)] == [("", "began"), ("", "ended")]


class Broken(MemoryHistory):
    """A history that can't be written to, or only after a while."""

    def __init__(self, times: float = float("inf")) -> None:
        super().__init__()
        self.times = times

    def write(self, runs: Any, attempts: Any) -> None:
        """Fail."""
        if self.times > 0:
            self.times -= 1
            raise OSError("the disk is gone")
        super().write(runs, attempts)

    def latest(self, specialists: Any, most: int) -> list[AttemptRow]:
        """Fail too."""
        raise OSError("the disk is gone")


def test_a_history_that_fails_costs_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is as it would be; what could not be written is written with the next batch."""
    monkeypatch.setattr("fanwise.graph.recorder.FLUSH_S", 0.02)
    made = asyncio.run(arun(PLAN, history=Broken()))
    assert made.status == "failed"
    assert [text for text in made.warnings if "history" in text and "disk is gone" in text] == list(made.warnings)
    assert len(made.warnings) == 1
    late = Broken(times=2)
    assert asyncio.run(arun(PLAN, history=late)).warnings == () and len(late.attempts()) == 6


def test_a_slow_history_does_not_hold_up_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are written beside the run."""
    monkeypatch.setattr("fanwise.graph.recorder.FLUSH_S", 0.01)

    class Slow(MemoryHistory):
        def write(self, runs: Any, attempts: Any) -> None:
            time.sleep(0.2)
            super().write(runs, attempts)

    chain = [{"id": f"t{n}", "specialist": "wait", "depends_on": [f"t{n - 1}"] if n else []} for n in range(5)]
    history = Slow()
    made = asyncio.run(arun({"tasks": chain}, history=history))
    assert made.metrics.makespan_s < 0.2 and len(history.attempts()) == 5


def test_a_foreign_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    """The run goes on, with a warning that names the file."""
    place = tmp_path / "runs.history.db"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE fanwise_attempts (mine TEXT)")
    connection.close()
    before = place.read_bytes()

    async def scenario() -> None:
        async with open_database(str(tmp_path / "runs.db")) as database:
            graph = build_graph(checkpointer=database.saver)
            made = await execute(graph, {"plan": PLAN}, "one", history=database.history)
            assert len(made.warnings) == 1 and "runs.history.db" in made.warnings[0]

    asyncio.run(scenario())
    assert place.read_bytes() == before


CHILD = """
import asyncio, sys
from fanwise.graph import build_graph
from fanwise.graph.checkpoints import open_database
from fanwise.graph.run import execute

async def scenario():
    async with open_database(sys.argv[1]) as database:
        graph = build_graph(checkpointer=database.saver)
        tasks = [{"id": f"t{n}", "specialist": "wait", "input": {"seconds": 0.1 * n}} for n in range(30)]
        await execute(graph, {"plan": {"tasks": tasks}}, "one", history=database.history)

asyncio.run(scenario())
"""


@pytest.mark.slow
def test_a_crash_loses_at_most_the_last_second(shared_db: str) -> None:
    """What was over a second before the process was killed is there, and the run is `running`."""
    with warm.Popen([sys.executable, "-c", CHILD, shared_db]) as process, open_history(shared_db) as history:
        until = time.monotonic() + 30
        while len(history.attempts()) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1.5)
        process.kill()
        killed = time.time()
        process.wait()
        (run,) = history.runs()
        assert run.status == "running"
        seen = {row.task_id for row in history.attempts()}
        begun = datetime.fromisoformat(min(row.started for row in history.attempts())).timestamp()
        due = {f"t{n}" for n in range(30) if begun + 0.1 * n < killed - 1.5}
        assert len(due) > 5 and due <= seen


def test_estimates_are_medians_of_what_succeeded() -> None:
    """Three successes are enough; a task that is unlike its specialist's others has its own."""
    history = MemoryHistory()
    rows = [attempt("x", 1.0, started=moment(n)) for n in range(6)]
    rows += [attempt("y", 5.0, started=moment(n)) for n in range(3)]
    rows += [attempt("y", 99.0, "failed", started=moment(n + 10)) for n in range(5)]
    rows += [attempt("z", 7.0, specialist="rare", started=moment(n)) for n in range(2)]
    history.write([], rows)
    assert estimates(history, ["s", "rare", "none"]) == {"s": {"p50": 1.0, "p95": 5.0, "n": 9}}
    assert estimates(history, ["s"], "plan") == {
        "s": {"p50": 1.0, "p95": 5.0, "n": 9},
        "s:y": {"p50": 5.0, "p95": 5.0, "n": 3},
    }
    assert "s:y" not in estimates(history, ["s"], "another plan")


def test_estimates_order_what_is_ready() -> None:
    """What history says is long goes first; the state tells what was known."""

    def run(history: History, context: RunContext | None = None) -> tuple[list[str], dict[str, Any]]:
        order: list[str] = []

        async def work(task: Task) -> None:
            order.append(task.id)

        tasks = [{"id": name, "specialist": name} for name in ("short", "long")]
        graph = build_graph([specialist(t["id"])(work) for t in tasks], checkpointer=InMemorySaver())
        plan = {"plan": {"tasks": tasks, "config": {"max_parallel": 1}}}

        async def scenario() -> Any:
            await execute(graph, plan, "one", history=history, context=context)
            return (await graph.aget_state({"configurable": {"thread_id": "one"}})).values

        return order, asyncio.run(scenario())["estimates"]

    history = MemoryHistory()
    assert run(history) == (["short", "long"], {})
    known = [attempt(name, seconds, specialist=name, started=moment(n)) for n in range(3) for name, seconds in _KNOWN]
    history = MemoryHistory()
    history.write([], known)
    order, told = run(history)
    assert order == ["long", "short"] and told["long"] == {"p50": 9.0, "p95": 9.0, "n": 3} and len(told) == 2
    assert run(history, RunContext(estimates={"short": {"p50": 99, "p95": 99, "n": 3}}))[0] == ["short", "long"]


_KNOWN = (("short", 2.0), ("long", 9.0))


def test_a_database_that_is_not_there_has_no_history(tmp_path: Path) -> None:
    """Nothing is made by looking; where it must exist, that is an error."""
    with open_history(str(tmp_path / "runs.db")) as history:
        assert history.runs() == [] and list(tmp_path.iterdir()) == []
    with pytest.raises(RunError, match="no database of runs"), open_history(str(tmp_path / "no.db"), must_exist=True):
        pass
    with pytest.raises(RunError, match="mysql"), open_history("mysql://x"):
        pass


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_lie_between_the_least_and_the_most(values: list[float]) -> None:
    """They grow with the percentage; one value is all of them."""
    found = [percentile(values, percent) for percent in (1, 50, 95, 99)]
    slack = 1e-9 * max(values)
    assert min(values) - slack <= found[0] and found[-1] <= max(values) + slack
    assert all(one <= other + slack for one, other in pairwise(found))
