"""Second thoughts: retry, edit, fork, on every kind of checkpointer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from langgraph.types import interrupt

from fanwise.graph import build_graph, specialist
from fanwise.graph.again import edit, fork, history, retry
from fanwise.graph.run import execute, report
from fanwise.state import RunError, Task, TaskResult

PLAN = {
    "tasks": [
        {"id": "a", "specialist": "w"},
        {"id": "b", "specialist": "w", "input": {"fails": True}, "required": False},
        {"id": "c", "specialist": "w", "depends_on": ["a", "b"], "required": False},
        {"id": "d", "specialist": "w", "depends_on": ["b"], "run_if": "all_done"},
    ]
}


class Worker:
    """A specialist that fails where it is told to, unless it is mended, and counts."""

    def __init__(self) -> None:
        self.mended = False
        self.ran: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = {}
        self.specialist = specialist("w")(self.work)

    async def work(self, task: Task, results: Mapping[str, TaskResult], idempotency_key: str) -> Any:
        """Return the input and what it was given."""
        self.ran[task.id] += 1
        self.keys.setdefault(task.id, []).append(idempotency_key)
        if isinstance(task.input, dict) and task.input.get("fails") and not self.mended:
            raise ValueError("not yet")
        if isinstance(task.input, dict) and task.input.get("asks"):
            return interrupt("well?")
        return {"input": task.input, "given": {need: r.output for need, r in results.items()}}


def test_retry_runs_what_failed_and_what_was_skipped_for_it(open_saver: Any, go: Any) -> None:
    """Results that still hold are kept; a dependent that ran all the same is kept too, unless it is asked for."""

    async def check() -> None:
        worker = Worker()
        async with open_saver() as saver:
            graph = build_graph([worker.specialist], checkpointer=saver)
            first = await execute(graph, {"plan": PLAN}, "t")
            assert first.status == "partial"
            worker.mended = True
            assert await retry(graph, "t") == ["b", "c"]
            assert (await report(graph, "t")).status == "interrupted"
            second = await execute(graph, None, "t")
            assert second.status == "succeeded"
            assert worker.ran == {"a": 1, "b": 2, "c": 1, "d": 1}
            assert worker.keys["b"][0] != worker.keys["b"][1]
            assert await retry(graph, "t", tasks=["b"], with_dependents=True) == ["b", "c", "d"]
            assert (await execute(graph, None, "t")).status == "succeeded"
            assert worker.ran == {"a": 1, "b": 3, "c": 2, "d": 2}

    go(check())


def test_edits_run_again_what_depends_on_them(open_saver: Any, go: Any) -> None:
    """An edited output takes the result's place without running; an edited input runs with the new one."""

    async def check() -> None:
        worker = Worker()
        async with open_saver() as saver:
            graph = build_graph([worker.specialist], checkpointer=saver)
            await execute(graph, {"plan": PLAN}, "t")
            assert await edit(graph, "t", "b", output={"by": "hand"}) == ["c", "d"]
            edited = await execute(graph, None, "t")
            assert edited.status == "succeeded" and worker.ran == {"a": 1, "b": 1, "c": 1, "d": 2}
            assert edited.results["b"].output == {"by": "hand"} and edited.results["b"].error is None
            assert edited.results["b"].reviews[0].message == "edited by hand"
            assert edited.results["d"].output["given"] == {"b": {"by": "hand"}}
            assert await edit(graph, "t", "a", input=[1]) == ["a", "c"]
            again = await execute(graph, None, "t")
            assert again.results["c"].output["given"]["a"] == {"input": [1], "given": {}}
            assert worker.ran == {"a": 2, "b": 1, "c": 2, "d": 2}

    go(check())


def test_a_fork_leaves_the_original_alone(open_saver: Any, go: Any) -> None:
    """A copy of the end is over; a copy of an earlier checkpoint runs what came after it; the original stays."""

    async def check() -> None:
        worker = Worker()
        async with open_saver() as saver:
            graph = build_graph([worker.specialist], checkpointer=saver)
            original = await execute(graph, {"plan": PLAN}, "t")
            await fork(graph, "t", "end")
            assert (await report(graph, "end")).model_copy(update={"thread_id": "t"}) == original
            worker.mended = True
            assert await retry(graph, "end") == ["b", "c"]
            assert (await execute(graph, None, "end")).status == "succeeded"
            moments = await history(graph, "t")
            assert (moments[0].next, moments[0].done, moments[-1].done, moments[-1].total) == ((), 4, 0, 4)
            await fork(graph, "t", "planned", at=moments[-1].checkpoint_id)
            assert (await report(graph, "planned")).metrics.succeeded == 0
            assert (await execute(graph, None, "planned")).status == "succeeded"
            assert worker.ran["a"] == 2 and worker.keys["a"][0] != worker.keys["a"][1]
            assert await report(graph, "t") == original
            with pytest.raises(RunError, match="there is a run 'end' already"):
                await fork(graph, "t", "end")
            with pytest.raises(RunError, match="--history"):
                await fork(graph, "t", "other", at="1ef00000-0000-6000-8000-000000000000")

    go(check())


def test_what_can_not_be_changed_is_refused(go: Any) -> None:
    """Unknown runs and tasks, runs without a failure, and runs that wait for a person."""
    from langgraph.checkpoint.memory import InMemorySaver

    async def check() -> None:
        worker = Worker()
        graph = build_graph([worker.specialist], checkpointer=InMemorySaver())
        with pytest.raises(RunError, match="no planned run 'x'"):
            await retry(graph, "x")
        await execute(graph, {"plan": {"tasks": [{"id": "only", "specialist": "w"}]}}, "t")
        with pytest.raises(RunError, match="no task of the run 't' failed"):
            await retry(graph, "t")
        with pytest.raises(RunError, match="no task 'onl'; did you mean 'only'"):
            await edit(graph, "t", "onl", input=1)
        with pytest.raises(RunError, match="either"):
            await edit(graph, "t", "only")
        await execute(graph, {"plan": {"tasks": [{"id": "q", "specialist": "w", "input": {"asks": True}}]}}, "p")
        with pytest.raises(RunError, match="waits for a person"):
            await edit(graph, "p", "q", input=1)
        await fork(graph, "p", "copy")
        copied = await execute(graph, None, "copy")
        assert copied.status == "paused" and worker.ran["q"] == 2

    go(check())
