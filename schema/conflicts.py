"""Tasks that touch the same files: which must not overlap, and which of two goes first. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .dag import Graph, ancestors, as_written

Tasks = Sequence[Mapping[str, Any]]
"""Tasks as dicts, each behind its dependencies."""


class Conflict(NamedTuple):
    """Two tasks of which one writes what the other reads or writes."""

    first: str
    """The one that goes first."""
    second: str
    path: str


@dataclass(slots=True)
class _Touched:
    """Who touched a path last: hazards reach back no further than the last write."""

    writer: str | None = None
    readers: list[str] = field(default_factory=list)


class _Pattern(NamedTuple):
    text: str
    task_id: str
    writes: bool


def conflicts(tasks: Tasks) -> Iterator[Conflict]:
    """Yield the conflicts that put tasks behind others, by path; what follows from others is left out.

    Args:
        tasks: in the order in which tasks in conflict are to go; each stands behind its dependencies, so that an order
            by conflicts never makes a cycle.
    """
    touched, patterns = dict[str, _Touched](), list[_Pattern]()
    for task in tasks:
        claims = [(path, name == "writes") for name in ("reads", "writes") for path in task.get(name, ())]
        for raw, writes in claims:
            path = _normal(raw)
            for other in dict.fromkeys(_before(path, writes, touched, patterns)):
                if other != task["id"]:
                    yield Conflict(other, task["id"], raw)
        for raw, writes in claims:
            _note(_normal(raw), task["id"], writes, touched, patterns)


def goes_behind(tasks: Tasks) -> dict[str, list[str]]:
    """Return task -> the tasks that it must not overlap with and that go first, its dependencies left out."""
    needs = {task["id"]: task.get("depends_on", ()) for task in tasks}
    behind: dict[str, list[str]] = {}
    for conflict in conflicts(tasks):
        known = behind.setdefault(conflict.second, [])
        if conflict.first not in known and conflict.first not in needs[conflict.second]:
            known.append(conflict.first)
    return {task_id: others for task_id, others in behind.items() if others}


def touching(tasks: Tasks, graph: Graph) -> Tasks:
    """Return those of some tasks that name files, in the order in which tasks in conflict are to go.

    Args:
        tasks: the tasks.
        graph: the dependencies of the whole plan, in its own order: the task that it names first goes first, and what
            that depends on before it.
    """
    named = {task["id"]: task for task in tasks if task.get("reads") or task.get("writes")}
    return [named[task_id] for task_id in as_written(graph) if task_id in named] if len(named) > 1 else []


def unordered(tasks: Tasks) -> list[Conflict]:
    """Return the conflicts between tasks of which neither depends on the other, directly or not."""
    graph = {task["id"]: task.get("depends_on", ()) for task in tasks}
    above: dict[str, set[str]] = {}
    found = []
    for conflict in conflicts(touching(tasks, graph)):
        if conflict.second not in above:
            above[conflict.second] = ancestors(graph, conflict.second)
        if conflict.first not in above[conflict.second]:
            found.append(conflict)
    return found


def overlap(one: str, other: str) -> bool:
    """Tell whether two paths or globs may name the same file; two globs are compared by their beginnings."""
    if one == other or _holds(one, other) or _holds(other, one):
        return True
    if _is_glob(one) and _is_glob(other):
        first, second = _beginning(one), _beginning(other)
        return first.startswith(second) or second.startswith(first)
    return (_is_glob(one) and fnmatchcase(other, one)) or (_is_glob(other) and fnmatchcase(one, other))


def _before(path: str, writes: bool, touched: Mapping[str, _Touched], patterns: Iterable[_Pattern]) -> Iterator[str]:
    """Yield the tasks whose use of a path, or of one that overlaps with it, does not go with this use."""
    if _is_glob(path) or path.endswith("/"):
        found = [last for other, last in touched.items() if overlap(path, other)]
    else:
        found = [touched[path]] if path in touched else []
    for last in found:
        if last.writer is not None:
            yield last.writer
        if writes:
            yield from last.readers
    for pattern in patterns:
        if (writes or pattern.writes) and overlap(path, pattern.text):
            yield pattern.task_id


def _note(path: str, task_id: str, writes: bool, touched: dict[str, _Touched], patterns: list[_Pattern]) -> None:
    if _is_glob(path) or path.endswith("/"):
        patterns.append(_Pattern(path, task_id, writes))
    elif writes:
        touched[path] = _Touched(task_id)
    else:
        touched.setdefault(path, _Touched()).readers.append(task_id)


def _normal(path: str) -> str:
    normal = posixpath.normpath(path.replace("\\", "/"))
    return f"{normal}/" if path.endswith("/") and normal != "/" else normal


def _is_glob(path: str) -> bool:
    return any(mark in path for mark in "*?[")


def _holds(folder: str, path: str) -> bool:
    return folder.endswith("/") and path.startswith(folder)


def _beginning(pattern: str) -> str:
    return pattern[: min((pattern.index(mark) for mark in "*?[" if mark in pattern), default=len(pattern))]
