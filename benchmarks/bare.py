"""Task graphs on LangGraph alone, as one would write them by hand: what Fanwise is measured against.

A planner, an edge that sends the tasks that are ready, one node, and a join from which the edge sends the next ones.
"""

from __future__ import annotations

import asyncio
import base64
import operator
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class Bare(TypedDict, total=False):
    """The state: the tasks, and their results by id."""

    tasks: list[dict[str, Any]]
    results: Annotated[dict[str, Any], operator.or_]


def output_of(task: Mapping[str, Any]) -> str | None:
    """Return text as long as the task's input says, in letters that hardly compress; none where it says nothing."""
    length = task["input"].get("bytes")
    if length is None:
        return None
    return base64.b64encode(random.Random(task["id"]).randbytes(length)).decode()[:length]


async def planner(state: Bare) -> dict[str, Any]:
    """Pass the plan on: nothing is checked."""
    return {"tasks": state["tasks"]}


def send_ready(state: Bare) -> list[Send] | str:
    """Send each task whose dependencies have results."""
    done = state.get("results") or {}
    ready = [t for t in state["tasks"] if t["id"] not in done and all(n in done for n in t.get("depends_on", ()))]
    return [Send("work", {"task": task}) for task in ready] or END


async def work(send: Mapping[str, Any]) -> dict[str, Any]:
    """Wait as long as the task says, if it says so, and return a result with the fields of a `TaskResult`."""
    task, started = send["task"], datetime.now(UTC)
    if seconds := task["input"].get("seconds"):
        await asyncio.sleep(seconds)
    finished = datetime.now(UTC)
    result = {
        "task_id": task["id"],
        "specialist": task["specialist"],
        "status": "succeeded",
        "output": output_of(task),
        "error": None,
        "attempts": 1,
        "queued_s": 0.0,
        "duration_s": round((finished - started).total_seconds(), 6),
        "started_at": started.isoformat(),
        "finished_at": finished.isoformat(),
        "usage": None,
        "fallback": False,
    }
    return {"results": {task["id"]: result}}


async def join(state: Bare) -> dict[str, Any]:
    """End a superstep."""
    return {}


def bare_graph(saver: Any) -> Any:
    """Return the graph for any tasks: a level, a join, the next level."""
    builder = StateGraph(Bare)
    builder.add_node("planner", planner)
    builder.add_node("work", work)  # type: ignore[arg-type]  # what it gets is a Send's payload, not the state
    builder.add_node("join", join)
    builder.add_edge(START, "planner")
    builder.add_conditional_edges("planner", send_ready, ["work", END])
    builder.add_edge("work", "join")
    builder.add_conditional_edges("join", send_ready, ["work", END])
    return builder.compile(checkpointer=saver)


def bare_chain(saver: Any) -> Any:
    """Return the shortest graph that can run a chain, and only a chain: no join, one superstep for each task."""
    builder = StateGraph(Bare)
    builder.add_node("planner", planner)
    builder.add_node("work", work)  # type: ignore[arg-type]  # as above
    builder.add_edge(START, "planner")
    builder.add_conditional_edges("planner", send_ready, ["work", END])
    builder.add_conditional_edges("work", send_ready, ["work", END])
    return builder.compile(checkpointer=saver)
