"""In which order ready tasks start: the longest remaining path first, and of alternatives the quickest.

Where the first of several results is enough, as in a race, only the branches that are done first are waited for. With
fewer slots than branches, the longest first would let the slowest win. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..schema.aggregate import branch_terms
from ..schema.dag import dependents, upward_ranks
from .stand_ins import is_early

Tasks = Mapping[str, Mapping[str, Any]]
"""Tasks as dicts, by id."""

Graph = Mapping[str, Sequence[str]]


def start_ranks(tasks: Tasks, graph: Graph, seconds: Mapping[str, float], order: Sequence[str]) -> dict[str, float]:
    """Return for each task of a graph the rank by which it starts, the highest first.

    That is the longest remaining path. Branches that nobody but early aggregates (races, votes, `first`) needs follow
    one another instead, from the remaining path through the slowest of those that are enough downwards: the required
    ones first, then, for a vote, the weightier, then the quicker. What only they need has their rank.

    Args:
        tasks: the plan's tasks, those too that the graph lacks since they are done.
        graph: the dependencies.
        seconds: each task's expected seconds.
        order: the graph's tasks in topological order.
    """
    ranks = upward_ranks(graph, seconds, order)
    early = {task_id for task_id in graph if is_early(tasks[task_id].get("aggregate") or {})}
    if not early:
        return ranks
    needed_by, lengths = dependents(graph), _lengths(graph, seconds, order)
    optional: set[str] = set()
    among: dict[str, dict[str, float]] = {}
    for task_id in reversed(order):
        others = needed_by.get(task_id, ())
        if others and all(other in early or other in optional for other in others):
            optional.add(task_id)
            ranks[task_id] = max(among[other][task_id] if other in early else ranks[other] for other in others)
        else:
            later = max((ranks[other] for other in others), default=0.0)
            ranks[task_id] = seconds[task_id] + later
        if task_id in early:
            among[task_id] = _of_branches(tasks, task_id, graph, lengths, ranks[task_id])
    return ranks


def _lengths(graph: Graph, seconds: Mapping[str, float], order: Sequence[str]) -> dict[str, float]:
    """Return when each task would end if nothing had to queue."""
    ends: dict[str, float] = {}
    for task_id in order:
        ends[task_id] = seconds[task_id] + max((ends[need] for need in graph[task_id] if need in ends), default=0.0)
    return ends


def _of_branches(
    tasks: Tasks, task_id: str, graph: Graph, lengths: Mapping[str, float], after: float
) -> dict[str, float]:
    """Return the ranks of an early aggregate's branches; `after` is its own."""
    task = tasks[task_id]
    spec, is_vote = task["aggregate"], task["aggregate"]["strategy"] == "vote"
    branches = [terms for terms in branch_terms(task, tasks) if terms["id"] in graph]
    branches.sort(key=lambda one: (not one["required"], -one["weight"] if is_vote else 0, lengths[one["id"]]))
    enough = _enough(spec, branches)
    longest = max((lengths[one["id"]] for one in branches[:enough]), default=0.0)
    return {one["id"]: after + longest * (1 - place / len(branches)) for place, one in enumerate(branches)}


def _enough(spec: Mapping[str, Any], branches: Sequence[Mapping[str, Any]]) -> int:
    """Return how many branches, of those that start first, are enough if all goes well."""
    required = sum(bool(one["required"]) for one in branches)
    if spec["strategy"] != "vote":
        return max(required, int(spec.get("first") or 1))
    threshold = spec.get("threshold")
    share, total = threshold if isinstance(threshold, int | float) else 0.5, sum(one["weight"] for one in branches)
    weight, count = 0.0, 0
    while count < len(branches) and weight <= share * total:
        weight, count = weight + branches[count]["weight"], count + 1
    return max(required, count)
