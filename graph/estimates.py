"""How long a task is expected to work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN_S = 1.0
"""Seconds for a task of which nothing is known, so that ranks count hops."""


def estimated_seconds(task: Mapping[str, Any]) -> float:
    """Return a task's expected seconds: `estimated_s`, for `wait` its `seconds`, else 1."""
    given = task.get("estimated_s")
    if given is None and task.get("specialist") == "wait" and isinstance(task.get("input"), Mapping):
        given = task["input"].get("seconds", 0)
    return float(given) if isinstance(given, int | float) and given >= 0 else UNKNOWN_S
