"""Cycles in a dependency graph: one shortest cycle for each knot of tasks that wait for each other.

A knot is a strongly connected component (Tarjan, 1972); it is found without recursion, so that a chain of any length
does. Cycles are never enumerated: there can be exponentially many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

WORK = 2_000_000
"""Edges looked at in search of the shortest cycle of a knot; in a larger knot it is the shortest through one task."""


def find_cycles(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return a shortest cycle of each knot, its tasks in the order in which each waits for the next.

    Args:
        graph: task id -> ids that it waits for; other ids, and a task's own, are passed over.

    Returns:
        Cycles in the order of the graph's keys, each starting with its first task in that order.
    """
    position = {task: index for index, task in enumerate(graph)}
    cycles = [_rotated(_shortest_cycle(graph, knot), position) for knot in _knots(graph)]
    return sorted(cycles, key=lambda cycle: position[cycle[0]])


def _knots(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            task, needs = work[-1]
            for need in needs:
                if need not in graph:
                    continue
                if need not in index:
                    index[need] = low[need] = len(index)
                    stack.append(need)
                    on_stack.add(need)
                    work.append((need, iter(graph[need])))
                    break
                if need in on_stack:
                    low[task] = min(low[task], index[need])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[task])
                if low[task] == index[task]:
                    knot = [stack.pop()]
                    while knot[-1] != task:
                        knot.append(stack.pop())
                    on_stack.difference_update(knot)
                    if len(knot) > 1:
                        found.append(knot[::-1])
    return found


def _shortest_cycle(graph: Mapping[str, Sequence[str]], knot: Sequence[str]) -> list[str]:
    members = set(knot)
    inside = {task: [n for n in dict.fromkeys(graph[task]) if n in members and n != task] for task in knot}
    edges = sum(map(len, inside.values()))
    best: list[str] = []
    for start in list(inside)[: max(1, WORK // edges)]:
        cycle = _cycle_through(inside, start, len(best) - 1 if best else len(inside))
        best = cycle or best
        if len(best) == 2:
            break
    return best


def _cycle_through(graph: Mapping[str, Sequence[str]], start: str, at_most: int) -> list[str]:
    """Return the shortest cycle through `start` of up to `at_most` tasks, else an empty list (breadth first)."""
    came_from: dict[str, str | None] = {start: None}
    level = deque([(start, 1)])
    while level:
        task, length = level.popleft()
        if length > at_most:
            return []
        for need in graph[task]:
            if need == start:
                return _walked(came_from, task)
            if need not in came_from:
                came_from[need] = task
                level.append((need, length + 1))
    return []


def _walked(came_from: Mapping[str, str | None], last: str) -> list[str]:
    path: list[str] = []
    task: str | None = last
    while task is not None:
        path.append(task)
        task = came_from[task]
    return path[::-1]


def _rotated(cycle: list[str], position: Mapping[str, int]) -> list[str]:
    first = cycle.index(min(cycle, key=position.__getitem__))
    return cycle[first:] + cycle[:first]
