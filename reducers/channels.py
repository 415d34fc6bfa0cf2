"""Reducers of the graph's channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def merge_results(current: Mapping[str, Any] | None, writes: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Merge results by task id; a later write for a task wins, and `None` takes its result out.

    It makes no difference how writes are batched and, for writes about different tasks, in which order they come.
    """
    merged = dict(current or {})
    for write in writes:
        merged.update(write or {})
    return {task_id: result for task_id, result in merged.items() if result is not None}


def last(current: Any, writes: Sequence[Any]) -> Any:
    """Return the last write."""
    return writes[-1] if writes else current


def append_new(current: Sequence[str] | None, update: Sequence[str] | None) -> list[str]:
    """Append what is not there yet, in order."""
    return list(dict.fromkeys([*(current or ()), *(update or ())]))
