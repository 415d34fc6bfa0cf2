"""Estimates as earlier systems wrote them, converted: minutes become seconds, scores become words. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from .words import shown

Complexity = Literal["low", "medium", "high"]
"""How hard a task is."""

LOW, MEDIUM, HIGHEST = 30, 60, 100
"""The scores, from 0 to 100, up to which a task is low and medium, and the highest there is."""


class Converted(NamedTuple):
    """A task with the estimates under the models' names."""

    task: dict[Any, Any]
    written: dict[str, str]
    """Fields that were converted -> the names that were written."""
    problems: list[tuple[str, str]]
    """Fields, as they were written, and what is wrong with them."""


def _seconds(minutes: Any) -> Any:
    """Return seconds; what is no duration as it is, for the model to refuse."""
    return minutes * 60 if _is_number(minutes) and minutes >= 0 else minutes


def _level(score: Any) -> Any:
    """Return the word for a score; what is none as it is."""
    if not _is_number(score) or not 0 <= score <= HIGHEST:
        return score
    return "low" if score <= LOW else "medium" if score <= MEDIUM else "high"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CONVERSIONS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "estimated_minutes": ("estimated_s", _seconds),
    "estimated_duration_minutes": ("estimated_s", _seconds),
    "estimated_complexity": ("complexity", _level),
}

ESTIMATE_SYNONYMS = {written: name for written, (name, _) in _CONVERSIONS.items()}
"""Names of earlier systems -> the field that they are converted to."""


def with_estimates(task: Mapping[Any, Any]) -> Converted:
    """Return a task without the names of earlier systems; two that disagree are a problem."""
    found = Converted({k: v for k, v in task.items() if k not in _CONVERSIONS}, {}, [])
    for written in [key for key in task if key in _CONVERSIONS]:
        name, convert = _CONVERSIONS[written]
        value = convert(task[written])
        before = found.task.get(name)
        if before is None:
            found.task[name] = value
            found.written[name] = written
        elif value is not None and not _agree(before, value):
            found.problems.append((written, _clash(written, task[written], value, found.written.get(name, name), task)))
    return found


def _agree(one: Any, other: Any) -> bool:
    if _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def _clash(written: str, given: Any, value: Any, other: str, task: Mapping[Any, Any]) -> str:
    name = ESTIMATE_SYNONYMS[written]
    means = f", which is {name} {shown(value)}" if value is not given else ""
    return f"{written!r} is {shown(given)}{means}, but {other!r} is {shown(task[other])}; keep one of them"
