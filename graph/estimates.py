"""How long a task is expected to work: what it says itself, what history knows, or a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schema.aggregate import AGGREGATE

UNKNOWN_S = 1.0
"""Seconds for a task of which nothing is known, so that ranks count hops."""

GUESSED_S = {"low": UNKNOWN_S / 2, "medium": UNKNOWN_S, "high": 2 * UNKNOWN_S}
"""The same by a task's complexity."""


def estimated_seconds(task: Mapping[str, Any], known: Mapping[str, float] = {}) -> float:
    """Return a task's expected seconds: for `wait` its `seconds`, else `estimated_s`, else what is known, or a guess.

    Args:
        task: its id, specialist, input, `estimated_s` and `complexity`.
        known: seconds by specialist, and by `task_key` for tasks that are unlike the rest of their specialist's.
    """
    given = task.get("estimated_s")
    if task.get("specialist") == "wait" and isinstance(task.get("input", {}), Mapping):
        given = task.get("input", {}).get("seconds", given or 0)  # it sleeps so long, whatever is estimated
    if isinstance(given, int | float) and given >= 0:
        return float(given)
    specialist = str(task.get("specialist"))
    own = known.get(task_key(specialist, str(task.get("id"))))
    return own if own is not None else known.get(specialist, 0.0 if specialist == AGGREGATE else guessed_seconds(task))


def guessed_seconds(task: Mapping[str, Any]) -> float:
    """Return what to expect of a task of which nothing but its complexity is known, if that: about a second."""
    return GUESSED_S.get(str(task.get("complexity")), UNKNOWN_S)


def task_key(specialist: str, task_id: str) -> str:
    """Return the key of one task's own estimate; no specialist's name has a colon."""
    return f"{specialist}:{task_id}"


def known_seconds(estimates: Mapping[str, Mapping[str, float]] | None) -> dict[str, float]:
    """Return the medians of estimates, as `estimated_seconds` takes them."""
    return {key: float(estimate["p50"]) for key, estimate in (estimates or {}).items()}
