"""Specialists of one's own, run and resumed: python examples/own_specialists.py

The command takes them too: fanwise run PLAN --specialists examples/own_specialists.py
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.runtime import RunControl

from fanwise.graph import build_graph, specialist
from fanwise.state import Task, TaskResult


@specialist("count", description="Counts the words of a text")
async def count(task: Task) -> dict[str, int]:
    """An async specialist: it runs on the event loop."""
    assert isinstance(task.input, dict)
    await asyncio.sleep(0.2)
    return {"words": len(str(task.input["text"]).split())}


@specialist("total", description="Adds up the words of what it depends on")
def total(task: Task, results: Mapping[str, TaskResult]) -> int:
    """A sync specialist: it runs in a thread of its own."""
    return sum(result.output["words"] for result in results.values())  # type: ignore[index,call-overload,misc]


PLAN = {
    "request": "How many words are there?",
    "config": {"max_parallel": 1},
    "tasks": [
        {"id": "first", "specialist": "count", "input": {"text": "no barrier inside a superstep"}},
        {"id": "second", "specialist": "count", "input": {"text": "no finished task twice"}},
        {"id": "all", "specialist": "total", "depends_on": ["first", "second"]},
    ],
}


async def main() -> None:
    """Stop a run after its first task, and go on with it."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "runs.db")) as saver:
            graph = build_graph([count, total], checkpointer=saver)
            config = {"configurable": {"thread_id": "words"}}
            control = RunControl()
            asyncio.get_running_loop().call_later(0.1, control.request_drain)
            async for event in graph.astream({"plan": PLAN}, config, stream_mode="custom", control=control):
                print(event["type"], event.get("task_id", ""))
            print("stopped; going on")
            async for event in graph.astream(None, config, stream_mode="custom"):
                print(event["type"], event.get("task_id", ""))
            state = await graph.aget_state(config)
            print(state.values["status"], state.values["results"]["all"]["output"])


if __name__ == "__main__":
    asyncio.run(main())
