"""The items of a graph's stream, in the shapes that LangGraph gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def with_events(given: Any) -> tuple[list[str], Callable[[Any], Any], bool]:
    """Return the stream's modes with the progress events', what unwraps an item, and whether events are wanted."""
    if isinstance(given, str):
        return [given, *({"custom"} - {given})], _plain, given == "custom"
    return [*given, *({"custom"} - set(given))], _as_it_is, "custom" in given


def told(item: Any) -> tuple[str, Any]:
    """Return an item's mode, and what it says."""
    if isinstance(item, dict):
        return str(item.get("type")), item.get("data")
    return str(item[-2]), item[-1]


def item_of(mode: str, value: Any, *, subgraphs: bool) -> Any:
    """Return an item of the graph's own, as it comes where several modes are streamed."""
    return ((), mode, value) if subgraphs else (mode, value)


def _as_it_is(item: Any) -> Any:
    return item


def _plain(item: Any) -> Any:
    """Return an item as it comes where only one mode is streamed."""
    if isinstance(item, dict):
        return item
    return item[-1] if len(item) == 2 else (item[0], item[-1])
