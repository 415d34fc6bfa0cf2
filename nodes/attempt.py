"""One attempt of one task: its own time-out, and an end to it whatever the specialist does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from .seat import Seat

GRACE_S = 2.0
"""Seconds that a cancelled specialist has to come to its end before it is abandoned."""


class AttemptEnded(Exception):
    """The work was ended before it came to its own end."""

    def __init__(self, abandoned: bool) -> None:
        super().__init__(abandoned)
        self.abandoned = abandoned
        """Whether it would not end when it was cancelled, and goes on without anybody waiting for it."""


class AttemptTimedOut(AttemptEnded):
    """The work took longer than its time-out."""


class AttemptCut(AttemptEnded):
    """The work was ended from outside: the run's deadline came."""


async def run_attempt(work: Coroutine[Any, Any, Any] | asyncio.Task[Any], timeout_s: float | None, seat: Seat) -> Any:
    """Run one attempt's work, end it when its time is over, and return its output.

    The work is an asyncio task of its own, so that ending it does not end the branch, and so that work which ignores
    its cancellation can be left behind.

    Raises:
        AttemptTimedOut, AttemptCut: it was ended; `abandoned` tells whether it goes on all the same.
        BaseException: whatever the work raised.
    """
    loop = asyncio.get_running_loop()
    inner = work if isinstance(work, asyncio.Task) else loop.create_task(work)  # a task: it began before
    over: asyncio.Future[None] = loop.create_future()

    def end(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    inner.add_done_callback(end)
    timer = None if timeout_s is None else loop.call_later(timeout_s, end)
    seat.working(end)
    try:
        await over
    except asyncio.CancelledError:
        await end_work(inner)
        raise
    finally:
        seat.working(None)
        if timer is not None:
            timer.cancel()
    if not inner.done():
        abandoned = not await end_work(inner)
        raise AttemptCut(abandoned) if seat.cut else AttemptTimedOut(abandoned)
    if inner.cancelled():
        raise RuntimeError("the specialist cancelled itself")
    return inner.result()


async def end_work(inner: asyncio.Future[Any]) -> bool:
    """Cancel the work and wait a little; tell whether it ended."""
    if inner.done():
        return True
    inner.cancel()
    done, _ = await asyncio.wait([inner], timeout=GRACE_S)
    if done and not inner.cancelled():
        inner.exception()  # seen: nobody else will ask for it
    if not done:
        _leave_behind(inner)
    return bool(done)


def _leave_behind(inner: asyncio.Future[Any]) -> None:
    """Let the event loop end without work that will not end: `asyncio.run` waits for all tasks that it knows."""
    if isinstance(inner, asyncio.Task):
        asyncio.tasks._unregister_task(inner)  # documented under "Extending" in asyncio's manual
        inner._log_destroy_pending = False  # type: ignore[attr-defined]  # what it would say was said as a warning
