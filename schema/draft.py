"""A plan as it was given, brought to the names and shapes of the models: synonyms read, numbers as ids made text.

Pure functions on plain data; nothing that was given is changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .aggregate import AGGREGATE
from .cycles import find_cycles
from .errors import Problem
from .estimate_names import ESTIMATE_SYNONYMS, with_estimates
from .words import Loc, got, name_text, path_text, shown

TASK_SYNONYMS = {
    "task_id": "id",
    "subtask_id": "id",
    "agent": "specialist",
    "input_data": "input",
    "dependencies": "depends_on",
}
"""Names of earlier systems, read in a task."""

PLAN_SYNONYMS = {"subtasks": "tasks"}
"""Names of earlier systems, read at the top of a plan."""

CONFIG_SYNONYMS = {"max_workers": "max_parallel", "timeout_seconds": "timeout_s"}
"""Names of earlier systems, read in a plan's `config`."""

MAX_GROUP_EDGES = 1_000_000
"""Dependencies that the groups of a plan may come to."""

MAX_DEPTH = 100
"""Levels of lists and objects in a value; checkpoints and JSON writers have limits of their own not far above."""

MAX_VALUES = 10_000_000
"""Values in one `input`; more can only be a structure that contains itself."""


@dataclass(slots=True)
class Draft:
    """A plan's data under the models' names, and what is known so far to be wrong with it."""

    data: dict[str, Any]
    """What the models are to validate."""
    tasks: list[Any] = field(default_factory=list)
    """The tasks, mostly dicts; with their own `depends_on`, even where it names a task twice."""
    written: dict[Loc, str] = field(default_factory=dict)
    """Where a synonym was used: the field's place under its own name -> the name that was written."""
    problems: list[Problem] = field(default_factory=list)

    def path(self, loc: Loc) -> str:
        """Return the path of a field with the names that were written."""
        if not self.written:
            return path_text(loc)
        return path_text(self.written.get(loc[: index + 1], part) for index, part in enumerate(loc))

    def refuse(self, loc: Loc, message: str, see: Loc = ()) -> None:
        """Note a problem."""
        self.problems.append(Problem(message, self.path(loc), see=self.path(see)))

    def drop_tasks(self) -> None:
        """Forget the tasks and what is wrong with them: there are too many to look at."""
        self.data["tasks"] = []
        self.tasks = []
        held = f"{self.path(('tasks',))}["
        self.problems = [problem for problem in self.problems if not problem.path.startswith(held)]

    def sorted_problems(self) -> list[Problem]:
        """Return the problems in the order of the fields, those of a task by its index, each once."""
        return sorted(dict.fromkeys(self.problems), key=lambda problem: _natural(problem.path))


def _natural(path: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path)
    return [(int(part[:18]), "") if index % 2 else (0, part) for index, part in enumerate(parts)]


def draft_plan(data: Mapping[Any, Any]) -> Draft:
    """Return the draft of a plan."""
    draft = Draft({})
    draft.data = dict(data) if PLAN_SYNONYMS.keys().isdisjoint(data) else _renamed(draft, (), data, PLAN_SYNONYMS)
    config = draft.data.get("config")
    if isinstance(config, Mapping):
        draft.data["config"] = _renamed(draft, ("config",), config, CONFIG_SYNONYMS)
    tasks = draft.data.get("tasks")
    if isinstance(tasks, list | tuple):
        draft.tasks = [_task(draft, index, task) for index, task in enumerate(tasks)]
        _chain_groups(draft)
        draft.data["tasks"] = [_unique_needs(task) for task in draft.tasks]
    return draft


def _chain_groups(draft: Draft) -> None:
    """Let the members of a `parallel_group` depend on those of the group before it."""
    members: dict[int, list[str]] = {}
    for task in draft.tasks:
        group = task.get("parallel_group") if isinstance(task, dict) else None
        if type(group) is int and isinstance(task.get("id"), str):
            members.setdefault(group, []).append(task["id"])
    before = {group: members[earlier] for earlier, group in pairwise(sorted(members))}
    edges = sum(len(members[group]) * len(before[group]) for group in before)
    if edges > MAX_GROUP_EDGES:
        draft.refuse(("tasks",), f"its groups make {edges:,} dependencies; use smaller groups, or depends_on")
        return
    if before and _refuse_group_cycles(draft, before):
        return
    for index, task in enumerate(draft.tasks if before else ()):
        needs = task.get("depends_on", []) if isinstance(task, dict) else None
        if isinstance(needs, list | tuple) and (more := before.get(task.get("parallel_group"))):
            draft.tasks[index] = {**task, "depends_on": [*needs, *(need for need in more if need not in needs)]}


def _refuse_group_cycles(draft: Draft, before: Mapping[int, list[str]]) -> bool:
    """Refuse cycles that are there only with what the groups add, and tell whether there are any."""
    first: dict[str, tuple[int, dict[str, Any]]] = {}
    for index, task in enumerate(draft.tasks):
        if isinstance(task, dict) and isinstance(task.get("id"), str):
            first.setdefault(task["id"], (index, task))
    own = {name: _written_needs(task) for name, (_, task) in first.items()}
    if not any(own.values()):
        return False  # groups alone go round in no circle
    groups = {name: task.get("parallel_group") for name, (_, task) in first.items()}
    chained = {name: [*needs, *_before(groups[name], before)] for name, needs in own.items()}
    found = False
    for cycle in find_cycles(chained):
        steps = [(name, need) for name, need in pairwise([*cycle, cycle[0]]) if need not in own[name]]
        if not steps:
            continue
        found = True
        name, need = steps[0]
        names = [name_text(member) for member in (*cycle, cycle[0])]
        text = " -> ".join(names if len(names) <= CYCLE_SHOWN else [*names[:CYCLE_SHOWN], "..."])
        draft.refuse(
            ("tasks", first[name][0], "parallel_group"),
            f"cycle: {text} (each waits for the next; {name_text(name)} for {name_text(need)}, which is in the group "
            f"before its own: parallel_group {groups[need]} < {groups[name]}); change a group, or a dependency",
        )
    return found


CYCLE_SHOWN = 20
"""Tasks that a message writes out of a cycle that comes from groups."""


def _before(group: Any, before: Mapping[int, list[str]]) -> list[str]:
    return before.get(group, []) if type(group) is int else []


def _written_needs(task: Mapping[str, Any]) -> list[str]:
    needs = task.get("depends_on")
    return [need for need in needs if isinstance(need, str)] if isinstance(needs, list | tuple) else []


def _task(draft: Draft, index: int, task: Any) -> Any:
    if not isinstance(task, Mapping):
        return task
    if not TASK_SYNONYMS.keys().isdisjoint(task) or not isinstance(task, dict):
        task = _renamed(draft, ("tasks", index), task, TASK_SYNONYMS)
    if not ESTIMATE_SYNONYMS.keys().isdisjoint(task):
        task = _estimated(draft, ("tasks", index), task)
    changed: dict[str, Any] = {}
    if type(task.get("id")) is int:
        changed["id"] = _text(task["id"])
    needs = task.get("depends_on")
    if isinstance(needs, list | tuple) and any(type(need) is int for need in needs):
        changed["depends_on"] = [_text(need) if type(need) is int else need for need in needs]
    if "input" in task and not _checked(draft, ("tasks", index, "input"), task["input"]):
        changed["input"] = None
    aggregate = task.get("aggregate")
    if aggregate is not None and task.get("specialist") is None:
        changed["specialist"] = AGGREGATE
    elif aggregate is None and "aggregate" in task:
        task = {key: value for key, value in task.items() if key != "aggregate"}
    if isinstance(aggregate, Mapping) and "initial" in aggregate:
        if not _checked(draft, ("tasks", index, "aggregate", "initial"), aggregate["initial"]):
            changed["aggregate"] = {**aggregate, "initial": None}
    fallback = task.get("fallback")
    if isinstance(fallback, Mapping) and "output" in fallback:
        if not _checked(draft, ("tasks", index, "fallback", "output"), fallback["output"]):
            changed["fallback"] = {**fallback, "output": None}
    return {**task, **changed} if changed else task


def _estimated(draft: Draft, loc: Loc, task: Mapping[Any, Any]) -> dict[Any, Any]:
    found = with_estimates(task)
    draft.written.update({(*loc, name): written for name, written in found.written.items()})
    for name, message in found.problems:
        draft.refuse((*loc, name), message)
    return found.task


def _text(number: int) -> str:
    return str(number) if abs(number) < 10**200 else shown(number)


def _unique_needs(task: Any) -> Any:
    if not isinstance(task, dict):
        return task
    needs = task.get("depends_on")
    if not isinstance(needs, list | tuple) or len(needs) < 2 or not all(isinstance(need, str) for need in needs):
        return task
    unique = list(dict.fromkeys(needs))
    return task if len(unique) == len(needs) else {**task, "depends_on": unique}


def _renamed(draft: Draft, loc: Loc, given: Mapping[Any, Any], synonyms: Mapping[str, str]) -> dict[Any, Any]:
    renamed: dict[Any, Any] = {}
    for key, value in given.items():
        name = synonyms.get(key, key) if isinstance(key, str) else key
        if name != key and name in given:
            draft.refuse((*loc, key), f"{key!r} is another name for {name!r}, which is given too; keep one of them")
            continue
        if name != key:
            draft.written[(*loc, name)] = key
        renamed[name] = value
    return renamed


def _checked(draft: Draft, loc: Loc, value: Any) -> bool:
    if is_json(value):
        return True
    found = json_problems(value)
    for place, message in found:
        draft.refuse((*loc, *place), message)
    return not found


def is_json(value: Any) -> bool:
    """Tell quickly whether a value is JSON that can be stored; False also where it only needs a closer look."""
    level = [value]
    count = 0
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                if not item.isascii() and not _is_unicode(item):
                    return False
            elif kind is dict:
                if not all(type(key) is str for key in item):
                    return False
                following.extend(item)
                following.extend(item.values())
            elif kind is list:
                following.extend(item)
            elif kind is int:
                if not -(2**63) <= item < 2**64:
                    return False
            elif kind is float:
                if not math.isfinite(item):
                    return False
            elif item is not None and kind is not bool:
                return False
        count += len(following)
        if not following:
            return True
        if count > MAX_VALUES:
            return False
        level = following
    return False


def json_problems(value: Any) -> list[tuple[Loc, str]]:
    """Return what keeps a value from being JSON that can be stored, each with its place in the value."""
    problems: list[tuple[Loc, str]] = []
    stack: list[tuple[Loc, Any]] = [((), value)]
    count = 0
    while stack:
        loc, item = stack.pop()
        count += 1
        if len(loc) >= MAX_DEPTH and isinstance(item, dict | list):
            return [*problems, ((), f"is nested more than {MAX_DEPTH} levels deep; make it flatter")]
        if count > MAX_VALUES:
            return [*problems, ((), f"holds more than {MAX_VALUES:,} values; make it smaller")]
        if isinstance(item, dict):
            for key in item:
                message = "" if isinstance(key, str) and _is_unicode(key) else f"keys must be text, {got(key)}"
                if message:
                    problems.append((loc, message))
            stack.extend(((*loc, key), child) for key, child in reversed(item.items()) if isinstance(key, str))
        elif isinstance(item, list):
            stack.extend(((*loc, index), item[index]) for index in range(len(item) - 1, -1, -1))
        else:
            message = _scalar_problem(item)
            if message:
                problems.append((loc, message))
    return problems


def _scalar_problem(item: Any) -> str:
    if isinstance(item, str):
        return "" if _is_unicode(item) else f"is not valid Unicode: {shown(item)} holds half of a surrogate pair"
    if isinstance(item, float):
        return "" if math.isfinite(item) else f"{item} is not JSON; use null or text"
    if isinstance(item, int):
        fits = -(2**63) <= item < 2**64
        return "" if fits else f"{shown(item)} does not fit in 64 bits; write it as text"
    return "" if item is None else f"expected a JSON value, {got(item)}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
