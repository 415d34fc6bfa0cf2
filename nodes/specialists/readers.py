"""The specialists that read the log which their input names, held to the logs that they may read.

A plan's task can name a log, and so can a result that flows into its input: so each is asked at the moment when it is
called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

from ...schema.plan import Task
from ..specialist import Specialist
from .checks import CHECKS

READERS = (*(item.name for item in CHECKS), "analyst")
"""The built-in specialists that read logs."""


def held_to(item: Specialist, allowed: Callable[[Any], Any]) -> Specialist:
    """Return a specialist that reads only what it may.

    Args:
        item: the specialist; the field `events` of its input names the log.
        allowed: returns the place to read for what was named, nothing too, or raises.
    """
    work: Any = item.work
    made = _asking(work, allowed) if inspect.iscoroutinefunction(work) else _asking_in_thread(work, allowed)
    return replace(item, work=made)


def _asking(work: Callable[..., Any], allowed: Callable[[Any], Any]) -> Callable[..., Any]:
    @wraps(work)
    async def asked(**given: Any) -> Any:
        return await work(**_checked(given, allowed))

    return asked


def _asking_in_thread(work: Callable[..., Any], allowed: Callable[[Any], Any]) -> Callable[..., Any]:
    @wraps(work)
    def asked(**given: Any) -> Any:
        return work(**_checked(given, allowed))

    return asked


def _checked(given: Mapping[str, Any], allowed: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: _with_log(value, allowed) if isinstance(value, Task) else value for name, value in given.items()}


def _with_log(task: Task, allowed: Callable[[Any], Any]) -> Task:
    """Return a task whose input names a log that may be read."""
    if task.input is not None and not isinstance(task.input, Mapping):
        return task  # the specialist itself refuses it
    asked = dict(task.input or {})
    return task.model_copy(update={"input": {**asked, "events": allowed(asked.get("events"))}})
