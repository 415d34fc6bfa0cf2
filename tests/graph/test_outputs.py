"""Large outputs are kept apart, once, and read where they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore

from fanwise.graph import build_graph, specialist
from fanwise.graph.again import fork, retry
from fanwise.graph.checkpoints import open_database
from fanwise.graph.run import execute, report
from fanwise.nodes.outputs import outputs_namespace
from fanwise.state import Task, TaskResult

LIMIT = 1_000
LARGE = "x\u0000\U0001f600" * 1_000

PLAN = {
    "tasks": [
        {"id": "big", "specialist": "make"},
        {"id": "same", "specialist": "make"},
        {"id": "small", "specialist": "size", "depends_on": ["big", "same"]},
        {"id": "later", "specialist": "fails", "depends_on": ["big", "small"], "required": False},
    ]
}


class Bench:
    """Specialists that make a large output, measure what they are given, and fail until they are mended."""

    def __init__(self) -> None:
        self.mended = False
        self.specialists = [
            specialist("make")(self.make),
            specialist("size")(self.size),
            specialist("fails")(self.last),
        ]

    async def make(self, task: Task) -> Any:
        """Return much."""
        return {"text": LARGE}

    async def size(self, task: Task, results: Mapping[str, TaskResult]) -> Any:
        """Return how much was given."""
        return {need: len(result.output["text"]) for need, result in results.items() if result.output}

    async def last(self, task: Task, results: Mapping[str, TaskResult]) -> Any:
        """Fail, or return how much was given."""
        if not self.mended:
            raise ValueError("not yet")
        return len(results["big"].output["text"])


def test_a_large_output_is_kept_once_and_read_by_who_needs_it(tmp_path: Path) -> None:
    """Dependents get it in the same run, in a later process, and in a fork; the state has its address only."""

    async def check() -> None:
        bench, db = Bench(), str(tmp_path / "runs.db")
        async with open_database(db) as base:
            graph = build_graph(bench.specialists, checkpointer=base.saver, store=base.store, keep_apart=LIMIT)
            first = await execute(graph, {"plan": PLAN}, "t.1")
            assert first.status == "partial"
            assert first.results["big"].output == {"text": LARGE} and first.results["big"].output_ref is None
            assert first.results["small"].output == {"big": len(LARGE), "same": len(LARGE)}
            assert base.store is not None
            assert len(await base.store.asearch(outputs_namespace("t.1"))) == 1
        assert (tmp_path / "runs.db").stat().st_size < 500_000
        bench.mended = True
        async with open_database(db) as base:
            graph = build_graph(bench.specialists, checkpointer=base.saver, store=base.store, keep_apart=LIMIT)
            await fork(graph, "t.1", "copy")
            for thread in ("t.1", "copy"):
                assert await retry(graph, thread) == ["later"]
                assert (await execute(graph, None, thread)).results["later"].output == len(LARGE)
            seen = await report(graph, "copy", whole=False)
            ref = seen.results["big"].output_ref
            assert seen.results["big"].output is None and ref is not None and ref.bytes > len(LARGE)

    asyncio.run(check())


def test_a_lost_output_is_told_and_its_task_can_run_again() -> None:
    """Without the store's entry a dependent fails with a reason, a report warns, and retrying the task mends it."""

    async def check() -> None:
        bench, store = Bench(), InMemoryStore()
        graph = build_graph(bench.specialists, checkpointer=InMemorySaver(), store=store, keep_apart=LIMIT)
        await execute(graph, {"plan": PLAN}, "t")
        bench.mended = True
        for item in await store.asearch(outputs_namespace("t")):
            await store.adelete(item.namespace, item.key)
        seen = await report(graph, "t")
        assert seen.results["big"].output is None and any("'big'" in text for text in seen.warnings)
        await retry(graph, "t")
        failed = await execute(graph, None, "t")
        assert "fanwise retry" in (failed.results["later"].error or "") and "'big'" in failed.summary.text
        assert await retry(graph, "t", tasks=["big", "same"]) == ["big", "same", "later"]
        assert (await execute(graph, None, "t")).status == "succeeded"

    asyncio.run(check())


def test_a_reviewed_output_is_shown_whole() -> None:
    """The question holds the output; what is approved is kept apart again."""

    async def check() -> None:
        bench, store = Bench(), InMemoryStore()
        graph = build_graph(bench.specialists, checkpointer=InMemorySaver(), store=store, keep_apart=LIMIT)
        plan = {"tasks": [{"id": "big", "specialist": "make", "review": "after"}]}
        asked = await execute(graph, {"plan": plan}, "t")
        assert asked.interrupts[0].value["action_requests"][0]["args"] == {"text": LARGE}
        done = await execute(graph, None, "t", answers={asked.interrupts[0].id: "approve"})
        assert done.status == "succeeded" and done.results["big"].output == {"text": LARGE}
        assert (await report(graph, "t", whole=False)).results["big"].output is None

    asyncio.run(check())


def test_without_a_store_every_output_stays_in_its_result() -> None:
    """Nothing is kept apart where there is no place for it."""
    graph = build_graph(Bench().specialists, keep_apart=LIMIT)
    out = asyncio.run(graph.ainvoke({"plan": PLAN}))
    assert out["results"]["big"]["output"] == {"text": LARGE}
