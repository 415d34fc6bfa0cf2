"""The best valid part of a drafted plan that the model could not put right. All that is left out is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...schema.plan import Plan
from ...schema.references import Reference, references
from ...schema.words import listed, shown
from .checking import Checked, Checker
from .cycles import Edge, broken_cycles
from .draft import FIELDS, label

_NAMED = re.compile(r"(?:the task at tasks\[\d+\]|task '[^']*'): ")

Tasks = dict[str, dict[str, Any]]
"""Drafted tasks by id, in the order in which they are written."""


def salvaged(checker: Checker, checked: Checked, request: str) -> tuple[Plan | None, list[str]]:
    """Return the plan that can be made of a draft, if any, and what is left out of it."""
    said: list[str] = []
    before = {task["id"] for task in checked.base.tasks}
    tasks = _valid_alone(checker, checked, before, said)
    _drop_orphans(tasks, before, said)
    _break_cycles(tasks, said)
    _drop_orphans(tasks, before, said)
    _drop_surplus(tasks, checker.max_tasks - len(before), said)
    if not tasks and not before:
        return None, said
    plan, problems = checker.plan(checked.base, list(tasks.values()), request)
    said += [f"the model's plan can't be used: {problem}" for problem in problems]
    return plan, said


def _valid_alone(checker: Checker, checked: Checked, before: set[str], said: list[str]) -> Tasks:
    """Return the tasks that will do, whatever becomes of those that they depend on."""
    names = [task.get("id") for task in checked.tasks if isinstance(task, dict)]
    known = before | {name for name in names if isinstance(name, str)}
    kept: Tasks = {}
    for index, drafted in enumerate(checked.tasks):
        task = _trimmed(drafted, index, said)
        made, problems = checker.single(task, known | _needs(task), checked.base)
        if made is None:
            said.append(_left_out(drafted, index, "; ".join(dict.fromkeys(p.message for p in problems[:3]))))
        elif made.id in before or made.id in kept:
            said.append(_left_out(drafted, index, "its id is the id of an earlier task"))
        else:
            kept[made.id] = task
    return kept


def _needs(task: Any) -> set[str]:
    """Return what a task depends on, whether there is such a task or not."""
    needs = task.get("depends_on") if isinstance(task, dict) else None
    return {need for need in needs if isinstance(need, str) and need.strip()} if isinstance(needs, list) else set()


def _trimmed(task: Any, index: int, said: list[str]) -> Any:
    """Return a task without fields that it can't have, and without a dependency on itself."""
    if not isinstance(task, dict):
        return task
    extra = [name for name in task if name not in FIELDS]
    if extra:
        said.append(f"{label(task, index)} of the model's plan: {', '.join(map(shown, extra[:5]))} left out")
        task = {name: value for name, value in task.items() if name in FIELDS}
    needs = task.get("depends_on")
    if isinstance(needs, list) and isinstance(task.get("id"), str) and task["id"] in needs:
        said.append(f"{label(task, index)} of the model's plan does not wait for itself, as it said")
        task = {**task, "depends_on": [need for need in needs if need != task["id"]]}
    return task


def _drop_orphans(tasks: Tasks, before: set[str], said: list[str]) -> None:
    """Drop what depends on tasks that are not there."""
    users: dict[str, list[str]] = {}
    for name, task in tasks.items():
        for need in task.get("depends_on", ()):
            users.setdefault(need, []).append(name)
    left = [need for need in users if need not in tasks and need not in before]
    while left:
        gone = left.pop()
        for name in users.get(gone, ()):
            if name in tasks:
                del tasks[name]
                why = f"it depends on {shown(gone)}, which is not there"
                said.append(f"task {shown(name)} of the model's plan is left out: {why}")
                left.append(name)


def _break_cycles(tasks: Tasks, said: list[str]) -> None:
    graph = {name: [need for need in task.get("depends_on", ()) if need in tasks] for name, task in tasks.items()}
    fixed = {edge for name, task in tasks.items() for edge in _referred(name, task)}
    edges, lost = broken_cycles(graph, fixed)
    for name, need in edges:
        tasks[name] = {**tasks[name], "depends_on": [other for other in tasks[name]["depends_on"] if other != need]}
        said.append(
            f"task {shown(name)} of the model's plan does not wait for {shown(need)}: they would wait for each other"
        )
    for name in lost:
        del tasks[name]
        said.append(f"task {shown(name)} of the model's plan is left out: it waits, through others, for its own result")


def _referred(name: str, task: Mapping[str, Any]) -> set[Edge]:
    needs = task.get("depends_on", ())
    found = (part for _, part in references(task.get("input"), needs))
    return {(name, part.task) for part in found if isinstance(part, Reference)}


def _drop_surplus(tasks: Tasks, room: int, said: list[str]) -> None:
    """Keep as many tasks as there is room for, the first ones first, with all that they depend on."""
    if len(tasks) <= room:
        return
    kept: dict[str, None] = {}
    waiting: dict[str, list[str]] = {}
    for name, task in tasks.items():
        for need in task.get("depends_on", ()):
            if need in tasks:
                waiting.setdefault(name, []).append(need)
    ready = True
    while ready and len(kept) < room:
        ready = False
        for name in tasks:
            if name not in kept and len(kept) < room and all(need in kept for need in waiting.get(name, ())):
                kept[name] = None
                ready = True
    gone = [name for name in tasks if name not in kept]
    for name in gone:
        del tasks[name]
    said.append(f"{len(gone)} tasks of the model's plan are left out, since it has too many: {listed(gone)}")


def _left_out(task: Any, index: int, why: str) -> str:
    return f"{label(task, index)} of the model's plan is left out: {_NAMED.sub('', why) or 'it is no task'}"
