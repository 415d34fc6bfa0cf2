"""What the tests of remote specialists share: a plan run, with what it said on the way."""

from __future__ import annotations

from typing import Any

from fanwise.graph import build_graph


async def ran(specialists: Any, *tasks: dict[str, Any], text: bool = False, **options: Any) -> tuple[Any, list[Any]]:
    """Run tasks, and return the results with the run's warnings under `warnings`, and the events."""
    graph = build_graph(specialists, **options)
    config: Any = {"configurable": {"thread_id": "t", "stream_text": text}}
    events, last = [], {}
    async for mode, item in graph.astream({"plan": {"tasks": tasks}}, config, stream_mode=["custom", "values"]):
        if mode == "custom":
            events.append(item)
        else:
            last = item
    return {**last["results"], "warnings": last["warnings"]}, events


def told(events: list[Any], kind: str, **about: Any) -> list[Any]:
    """Return the events of a type, about something."""
    return [event for event in events if event["type"] == kind and about.items() <= event.items()]
