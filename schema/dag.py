"""Pure algorithms on dependency graphs: order, phases, ranks, longest paths.

A graph is a mapping from task id to the ids that it depends on; ids that the mapping does not have as keys are taken
as already done. All functions are linear in tasks and dependencies, and none recurses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]
"""Task id -> ids of the tasks that it waits for."""


def dependents(graph: Graph) -> dict[str, list[str]]:
    """Return the reversed graph: task id -> ids of the tasks that wait for it; tasks that none waits for are absent."""
    reverse: dict[str, list[str]] = {}
    for task, needs in graph.items():
        for need in dict.fromkeys(needs) if needs else ():
            if need in graph:
                reverse.setdefault(need, []).append(task)
    return reverse


def descendants(graph: Graph, tasks: Collection[str]) -> set[str]:
    """Return all that depend on any of the tasks, directly or not, without the tasks themselves."""
    reverse, found = dependents(graph), set[str]()
    left = list(tasks)
    while left:
        for dependent in reverse.get(left.pop(), ()):
            if dependent not in found:
                found.add(dependent)
                left.append(dependent)
    return found - set(tasks)


def ancestors(graph: Graph, task: str) -> set[str]:
    """Return all that a task depends on, directly or not, as far as the graph has it."""
    found, left = set[str](), [task]
    while left:
        for need in graph.get(left.pop(), ()):
            if need in graph and need not in found:
                found.add(need)
                left.append(need)
    return found


def releasable(graph: Graph, task: str) -> dict[str, list[str]]:
    """Return what a task may let go, each with the tasks that need it: its dependencies, and what only these need."""
    reverse, above = dependents(graph), ancestors(graph, task)
    found = {need: reverse[need] for need in graph[task] if need in graph}
    for other in reversed(topological({key: needs for key, needs in graph.items() if key in above})):
        if all(key == task or key in found for key in reverse[other]):
            found[other] = reverse[other]
    return found


def topological(graph: Graph) -> list[str]:
    """Return the tasks so that each stands behind its dependencies; otherwise in the graph's own order.

    Tasks on a cycle, and those behind it, are absent from the answer.
    """
    return [task for phase in phases(graph) for task in phase]


def as_written(graph: Graph) -> list[str]:
    """Return the tasks in the graph's own order, but each one's dependencies before it; without cycles in the graph.

    Other than `topological`, a task far down in the graph comes before those that the graph names after it.
    """
    done: dict[str, None] = {}
    for task in graph:
        stack = [] if task in done else [task]
        while stack:
            if stack[-1] in done:
                stack.pop()
                continue
            missing = [need for need in graph[stack[-1]] if need in graph and need not in done]
            if missing:
                stack.extend(reversed(missing))
            else:
                done[stack.pop()] = None
    return list(done)


def is_topological(graph: Graph) -> bool:
    """Tell whether each task stands behind its dependencies already."""
    seen: set[str] = set()
    for task, needs in graph.items():
        if any(need in graph and need not in seen for need in needs):
            return False
        seen.add(task)
    return True


def phases(graph: Graph) -> list[list[str]]:
    """Return the levels of the graph: every task stands in the first level in which its dependencies are done."""
    reverse = dependents(graph)
    missing = {task: sum(need in graph for need in set(needs)) if needs else 0 for task, needs in graph.items()}
    level = [task for task, count in missing.items() if count == 0]
    position = {task: index for index, task in enumerate(graph)} if len(level) < len(graph) else {}
    found: list[list[str]] = []
    while level:
        found.append(level)
        following: list[str] = []
        for task in level:
            for dependent in reverse.get(task, ()):
                missing[dependent] -= 1
                if missing[dependent] == 0:
                    following.append(dependent)
        level = sorted(following, key=position.__getitem__)
    return found


def upward_ranks(graph: Graph, seconds: Mapping[str, float], order: Sequence[str] | None = None) -> dict[str, float]:
    """Return for each task the longest remaining path, its own seconds included.

    The rank by which HEFT orders ready tasks (Topcuoglu, Hariri, Wu, 2002), without communication costs.

    Args:
        graph: the dependencies.
        seconds: each task's duration.
        order: the tasks in topological order, if it is known already.
    """
    reverse = dependents(graph)
    ranks: dict[str, float] = {}
    for task in reversed(topological(graph) if order is None else order):
        later = reverse.get(task)
        ranks[task] = seconds[task] + (max([ranks[dependent] for dependent in later]) if later else 0.0)
    return ranks


def critical_path(graph: Graph, seconds: Mapping[str, float]) -> list[str]:
    """Return the ids on the longest path, first to last; the earliest such path in the graph's order."""
    ranks = upward_ranks(graph, seconds)
    reverse = dependents(graph)
    path: list[str] = []
    candidates = [task for task, needs in graph.items() if not any(need in graph for need in needs)]
    while candidates:
        path.append(max(candidates, key=ranks.__getitem__))
        candidates = reverse.get(path[-1], [])
    return path
