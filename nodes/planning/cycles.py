"""Breaking the cycles of a drafted plan by taking out as few dependencies as possible. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations, islice

from ...schema.cycles import find_cycles

TRIES = 2_000
"""Sets of dependencies that are tried for each knot of tasks, the smallest first."""

Edge = tuple[str, str]
"""A task, and one that it waits for."""

Graph = Mapping[str, Sequence[str]]
"""Task id -> ids that it waits for, in the order in which the tasks are written."""


def broken_cycles(graph: Graph, fixed: Collection[Edge]) -> tuple[list[Edge], list[str]]:
    """Return the dependencies to take out, and the tasks that can't be saved so.

    Of two equally small sets, the one is taken whose tasks wait for tasks that are written after them.

    Args:
        graph: the tasks.
        fixed: dependencies that can't be taken out, since the task's input refers to the result.
    """
    held = {task: [need for need in needs if (task, need) in fixed] for task, needs in graph.items()}
    lost: list[str] = []
    while cycles := find_cycles({task: needs for task, needs in held.items() if task not in lost}):
        for cycle in cycles:
            lost += _knot(held, cycle[0])
    left = {task: list(needs) for task, needs in graph.items() if task not in lost}
    edges: list[Edge] = []
    while cycles := find_cycles(left):
        for cycle in cycles:
            members = set(_knot(left, cycle[0]))
            inside = {task: [n for n in left[task] if n in members and n != task] for task in left if task in members}
            out = _smallest(inside, fixed)
            edges += out
            left = _without(left, out)
    return edges, lost


def _smallest(inside: Graph, fixed: Collection[Edge]) -> list[Edge]:
    place = {task: index for index, task in enumerate(inside)}
    edges = [(task, need) for task, needs in inside.items() for need in needs if (task, need) not in fixed]
    edges.sort(key=lambda edge: place[edge[1]] < place[edge[0]])
    sets = (chosen for size in range(1, len(edges) + 1) for chosen in combinations(edges, size))
    for chosen in islice(sets, TRIES):
        if not find_cycles(_without(inside, chosen)):
            return list(chosen)
    return _thinned(inside, edges)


def _thinned(inside: Graph, edges: Sequence[Edge]) -> list[Edge]:
    """Take out all that may be, and put back what does no harm, backward dependencies first."""
    out = list(edges)
    for edge in reversed(edges):
        less = [other for other in out if other != edge]
        if not find_cycles(_without(inside, less)):
            out = less
    return out


def _without(graph: Graph, edges: Iterable[Edge]) -> dict[str, list[str]]:
    gone = set(edges)
    return {task: [need for need in needs if (task, need) not in gone] for task, needs in graph.items()}


def _knot(graph: Graph, start: str) -> list[str]:
    """Return the tasks that wait for a task, and that it waits for."""
    back: dict[str, list[str]] = {}
    for task, needs in graph.items():
        for need in needs:
            back.setdefault(need, []).append(task)
    members = _reached(graph, start) & _reached(back, start)
    return [task for task in graph if task in members]


def _reached(graph: Graph, start: str) -> set[str]:
    seen, left = {start}, [start]
    while left:
        for task in graph.get(left.pop(), ()):
            if task not in seen:
                seen.add(task)
                left.append(task)
    return seen
