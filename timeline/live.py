"""Following a run: what changed since the last look, and the page that draws it.

A server needs two routes: one that answers with `live_page(timeline)`, and one beside it, at `events`, that answers
with `text/event-stream` and sends what `messages(source)` yields. Both belong behind the server's own access control.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from ..schema.errors import FanwiseError
from .model import Timeline
from .page import Theme, as_data, embedded, page, policy

EVENTS = "events"
"""Where the page asks for updates, beside its own address."""

POLL_S = 0.7
"""Seconds between two looks at a run."""

BEAT_S = 15.0
"""Seconds after which something is sent even where nothing changed, so that no proxy takes the line for dead."""

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What both routes answer with."""


class TellsTimeline(Protocol):
    """Anything that has a run's timeline, such as `Source`."""

    async def timeline(self) -> Timeline:
        """Return the timeline as it stands now."""


def live_page(timeline: Timeline, *, theme: Theme = "auto", events: str = EVENTS) -> str:
    """Return the page of a run that asks for updates at `events`, relative to its own address."""
    return page(timeline, theme=theme, events=events)


def page_headers() -> dict[str, str]:
    """Return the headers that the page is sent with."""
    rules = policy(live=True) + "; frame-ancestors 'none'"
    return {**HEADERS, "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": rules}


def events_headers() -> dict[str, str]:
    """Return the headers that updates are sent with."""
    return {**HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}


MOVING = ("length_s", "sessions", "figures")
"""What moves while nothing happens."""


class Changes:
    """Tells what changed from one timeline to the next."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._rows: dict[str, Any] = {}
        self._order: list[str] = []

    def since(self, timeline: Timeline) -> dict[str, Any] | None:
        """Return the update that the page takes: all the first time, then what changed; `None` where nothing did.

        The end of what is not over, and the run's length, move all the time: they alone are no change.
        """
        data = as_data(timeline)
        rows = {row["id"]: row for row in data.pop("rows")}
        told = {task_id: row for task_id, row in rows.items() if _still(row) != self._rows.get(task_id)}
        head = {name: value for name, value in data.items() if name not in MOVING}
        order = list(rows)
        if not told and head == self._head and order == self._order:
            return None
        update: dict[str, Any] = {"head": data, "rows": list(told.values())}
        if order != self._order:
            update["order"] = order
        self._head, self._order = head, order
        self._rows = {task_id: _still(row) for task_id, row in rows.items()}
        return update


async def updates(
    source: TellsTimeline, *, poll_s: float = POLL_S, beat_s: float = BEAT_S
) -> AsyncIterator[dict[str, Any] | str | None]:
    """Yield what changes in a run, for ever: an update, a text where the run can't be read, `None` as a sign of life.

    Args:
        source: where to look.
        poll_s: seconds between two looks; a look that takes long is followed by a longer rest.
        beat_s: seconds after which there is a sign of life.
    """
    changes, told = Changes(), time.monotonic()
    trouble = ""
    while True:
        began = time.monotonic()
        try:
            found: dict[str, Any] | str | None = changes.since(await source.timeline())
            trouble = ""
        except FanwiseError as error:
            found = str(error) if str(error) != trouble else None
            trouble = str(error)
        now = time.monotonic()
        if found is not None or now - told >= beat_s:
            told = now
            yield found
        await asyncio.sleep(max(poll_s, 2 * (now - began)))


async def messages(source: TellsTimeline, *, poll_s: float = POLL_S, beat_s: float = BEAT_S) -> AsyncIterator[str]:
    """Yield what changes in a run as server-sent events: `update`, `trouble`, and comments as signs of life."""
    async for found in updates(source, poll_s=poll_s, beat_s=beat_s):
        yield message(found)


def message(found: Mapping[str, Any] | str | None) -> str:
    """Return one server-sent event."""
    if found is None:
        return ": still here\n\n"
    return f"event: {'trouble' if isinstance(found, str) else 'update'}\ndata: {embedded(found)}\n\n"


def _still(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without the moving end of what is not over."""
    segments = [{**segment, "end": None} if segment.get("open") else segment for segment in row.get("segments", ())]
    return {**row, "segments": segments}
