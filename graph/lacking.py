"""What a graph lacks to go on with a run: specialists that are here, but have not what they need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..nodes.fitting import lacking
from ..schema.errors import RunError
from ..schema.words import listed, shown
from .compiled import Graph


def check_equipped(graph: Graph, thread_id: str, plan: Mapping[str, Any], open_tasks: Collection[str]) -> None:
    """Refuse to go on with a run whose open tasks would fail for what their specialists lack.

    Args:
        graph: the graph that would run them.
        thread_id: the run.
        plan: its plan.
        open_tasks: ids of the tasks that have no result yet, or are to run again.

    Raises:
        RunError: it names what is to be given.
    """
    by_lack: dict[str, list[str]] = {}
    for task in plan.get("tasks") or ():
        if task["id"] not in open_tasks:
            continue
        for name in dict.fromkeys((task["specialist"], (task.get("fallback") or {}).get("specialist"))):
            if name and (lacks := _lacking(graph, name, task.get("input", {}))):
                by_lack.setdefault(f"{shown(name)} can't be used: {lacks}", []).append(task["id"])
    if by_lack:
        told = "; ".join(f"specialist {what} (for {listed(ids, 3)})" for what, ids in by_lack.items())
        raise RunError(f"the run {thread_id!r} can't go on with what is given here, and stays as it is: {told}")


def _lacking(graph: Graph, name: str, given: Any) -> str:
    """Return what a graph's specialist lacks for an input, with what to do about it; empty where it lacks nothing."""
    node = graph.builder.nodes.get(name)
    specialist = getattr(node.runnable, "specialist", None) if node is not None else None
    return "" if specialist is None else lacking(specialist, given)
