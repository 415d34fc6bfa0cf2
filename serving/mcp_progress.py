"""A run's events as progress notifications: one for each task that ends, and signs of life in between.

The protocol wants each notification to be further than the one before. Whole numbers are tasks that have a result; what
comes in between (a note that tasks are at work, so that clients do not give up) lies between two of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from ..nodes.summary.text import clean

ALIVE_S = 15.0
"""Seconds without a notification after which one tells what is at work."""

FLUSH_S = 5.0
"""Seconds that a slow client has, at the end, to take what was not sent yet."""

MESSAGE = 300
"""Characters of a message."""

NAMED = 5
"""Tasks at work that a message names."""

STEPS = 20
"""A notification between two tasks takes this part of the way that is left."""

Send = Callable[[float, float, str], Awaitable[None]]
"""Sends one notification: progress, total, message."""


class Notice(NamedTuple):
    """One notification."""

    progress: float
    total: float
    message: str


class Progress:
    """Sends the progress of one run, without ever holding the run up.

    Use it as an async context manager around the run.
    """

    def __init__(self, send: Send | None, alive_s: float = ALIVE_S) -> None:
        """Prepare to send.

        Args:
            send: sends a notification; `None` where the client wants none.
            alive_s: seconds between signs of life.
        """
        self._send = send
        self._alive_s = alive_s
        self._waiting: deque[Notice] = deque()
        self._news = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()
        self._at_work: dict[str, None] = {}
        self._last = -1.0
        self._total = 0
        self._sending: asyncio.Task[None] | None = None

    def begin(self, thread_id: str, completed: int = 0, total: int = 0) -> None:
        """Tell that a run goes on, and how far it is."""
        self._total = total
        self._put(completed, f"run {thread_id} goes on: {completed} of {total} tasks have a result")

    def on_event(self, event: Mapping[str, Any], thread_id: str) -> None:
        """Take an event of the run."""
        kind = event.get("type")
        if kind == "run_started":
            self._total = event["total"]
            self._put(0, f"run {thread_id}: {event['plan'] or 'plan'}, {event['total']} tasks")
        elif kind == "round_started":
            self._total = event["total"]
            self._between(f"round {event['round']}: {len(event['tasks'])} more tasks")
        elif kind == "task_started":
            self._at_work[event["task_id"]] = None
        elif kind == "attempt_failed":
            again = f"tried again in {event['retry_in_s']:.1f} s"
            self._between(f"{event['task_id']}: attempt {event['attempt']} failed ({event['error']}), {again}")
        elif kind == "task_paused":
            self._at_work.pop(event["task_id"], None)
            self._between(f"{event['task_id']} waits for a person")
        elif kind == "task_finished":
            self._finished(event)

    def _finished(self, event: Mapping[str, Any]) -> None:
        self._at_work.pop(event["task_id"], None)
        self._total = event["total"]
        error = f": {event['error']}" if event["error"] else ""
        self._put(event["completed"], f"{event['task_id']} {event['status']} in {event['duration_s']:.1f} s{error}")

    def _put(self, progress: float, message: str) -> None:
        if self._send is None or progress <= self._last:
            return
        self._last = progress
        self._waiting.append(Notice(progress, self._total, clean(message, MESSAGE)))
        self._news.set()
        self._sent.clear()

    def _between(self, message: str) -> None:
        """Tell something before the next task has ended: a small step of what is left up to there."""
        done = max(self._last, 0.0)
        step = (int(done) + 1 - done) / STEPS
        if step > 1e-9:
            self._put(done + step, message)

    async def __aenter__(self) -> Self:
        if self._send is not None:
            self._sending = asyncio.create_task(self._deliver(self._send))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sending is None:
            return
        try:
            if not isinstance(error, asyncio.CancelledError):
                await self._flushed()
        finally:
            self._sending.cancel()

    async def _flushed(self) -> None:
        """Wait until all is sent, the client is gone, or it takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._sent.wait()

    async def _deliver(self, send: Send) -> None:
        while True:
            try:
                async with asyncio.timeout(self._alive_s):
                    await self._news.wait()
            except TimeoutError:
                self._sign_of_life()
            while self._waiting:
                notice = self._waiting.popleft()
                try:
                    await send(*notice)
                except Exception:  # the client is gone; whoever waits for the run is told by the connection itself
                    self._waiting.clear()
                    self._send = None
                    self._sent.set()
                    return
            self._news.clear()
            self._sent.set()

    def _sign_of_life(self) -> None:
        names = list(self._at_work)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        self._between(f"at work: {', '.join(names[:NAMED])}{more}" if names else "the run goes on")
