"""What a model's plan may not choose freely: fields of a task's input that are held to what the user gave.

A model reads results, and results may hold instructions. So a task that a model planned or added names the run's own
log and the user's own places, whatever it was told; a plan that a person wrote is not held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..events.backends import is_local
from ..schema.errors import Problem
from ..schema.references import has_references
from ..schema.words import listed, shown

if TYPE_CHECKING:
    from .specialist import Specialist

OUT_OF_BOUNDS = frozenset({".git", ".hg", ".svn"})
"""Folders of a workspace that are not read; see `tools.workspace`."""


@dataclass(frozen=True, slots=True)
class Held:
    """A field of a specialist's input that a model's plan is held to."""

    values: tuple[str, ...] = ()
    """What may stand there."""
    is_log: bool = False
    """Whether it is a log's place: the run's logs, and what lies in the workspace, may stand there as well."""
    workspace: Path | None = None
    """The folder that tools read."""
    why: str = "only a plan of the user's own may give another value"
    """What is said beside what may stand there."""


LOG = Held(is_log=True, why="a model's plan keeps to the run's own log")
"""A log's place."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the tasks of a model's plan may find logs."""

    logs: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()

    @classmethod
    def of(
        cls, specialists: Mapping[str, Specialist], given: Sequence[Any] = (), tasks: Sequence[Mapping[str, Any]] = ()
    ) -> Places:
        """Return the places that the user gave.

        Args:
            specialists: the graph's, which know the equipment's log and workspace.
            given: logs of the run.
            tasks: the plan's own tasks, which are held already or the user's; what they name may be named again.
        """
        held = [field for item in specialists.values() for field in item.held.values() if field.is_log]
        logs = [*given, *(value for field in held for value in field.values)]
        for task in tasks:
            for name, field in _held(specialists, task).items():
                value = task["input"].get(name) if isinstance(task.get("input"), Mapping) else None
                if field.is_log and not has_references(value):
                    logs.append(value)
        known = tuple(dict.fromkeys(log for log in logs if isinstance(log, str) and log))
        return cls(known, tuple({field.workspace for field in held if field.workspace is not None}))

    def has(self, value: str) -> bool:
        """Tell whether a log's place is one of these, or lies in one."""
        if value in self.logs:
            return True
        if not is_local(value):  # a source file starts programs: a model may have written it
            return False
        found = _resolved(value)
        if found is None:
            return False
        if any((log := _resolved(place)) is not None and found.is_relative_to(log) for place in self.logs):
            return True
        return any(_is_in(found, folder) for folder in self.folders)


def held_problems(tasks: Sequence[Any], specialists: Mapping[str, Specialist], places: Places) -> Iterator[Problem]:
    """Yield a problem for each field of a model's tasks that is not what it is held to.

    A reference may become anything, so that none may stand in such a field, nor for the input as a whole.
    """
    for index, task in enumerate(tasks):
        if not isinstance(task, Mapping):
            continue
        given = task.get("input")
        for name, field in _held(specialists, task).items():
            if isinstance(given, str) and has_references(given):
                problem = f"is part of an input that a reference stands for; {field.why}"
            elif isinstance(given, Mapping) and given.get(name) is not None:
                problem = field_problem(field, given[name], places)
            else:
                continue
            if problem:
                message = f"task {shown(task.get('id', '?'))}: {name!r} {problem}"
                yield Problem(message, f"tasks[{index}].input.{name}")


def field_problem(field: Held, value: Any, places: Places) -> str:
    """Return why a value may not stand in a field of a model's task, or nothing."""
    allowed = places.logs if field.is_log else field.values
    otherwise = f"it takes {listed(list(allowed), 10)}" if allowed else "none is given"
    if has_references(value):
        return f"is filled in from a result; {field.why}: {otherwise}"
    if isinstance(value, str) and (places.has(value) if field.is_log else value in field.values):
        return ""
    return f"is {shown(value)}; {field.why}: {otherwise}"


def _held(specialists: Mapping[str, Specialist], task: Mapping[str, Any]) -> Mapping[str, Held]:
    name = task.get("specialist")
    return specialists[name].held if isinstance(name, str) and name in specialists else {}


def _resolved(place: str) -> Path | None:
    try:
        return Path(place).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, no home, a NUL
        return None


def _is_in(path: Path, folder: Path) -> bool:
    root = folder.expanduser().resolve()
    return path.is_relative_to(root) and not OUT_OF_BOUNDS & {part.lower() for part in path.relative_to(root).parts}
