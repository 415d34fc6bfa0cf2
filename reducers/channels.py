"""Reducers of the graph's channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def merge_results(current: dict[str, Any] | None, update: Mapping[str, Any] | None) -> dict[str, Any]:
    """Merge results by task id; a later write for a task wins, and `None` takes its result out.

    Associative and idempotent, and for writes about different tasks commutative, so that neither the order in which
    branches finish nor how they are batched makes a difference.
    """
    merged = {**(current or {}), **(update or {})}
    if update and None in update.values():
        return {task_id: result for task_id, result in merged.items() if result is not None}
    return merged


def append_new(current: Sequence[str] | None, update: Sequence[str] | None) -> list[str]:
    """Append what is not there yet, in order."""
    return list(dict.fromkeys([*(current or ()), *(update or ())]))
