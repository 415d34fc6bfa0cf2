"""A second attempt beside a slow first one; the first answer wins.

Dean and Barroso, "The Tail at Scale" (CACM 56, 2013): a copy that is sent after the 95th percentile of what answers
take cuts the tail, and costs a few percent more work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from .seat import Seat

LOOK_S = 0.05
"""How often it is looked whether there is room for the second attempt, in seconds."""

Start = Callable[[], Coroutine[Any, Any, Any]]
"""Starts an attempt's work."""


async def hedged(first: Start, second: Start, after_s: float, seat: Seat) -> Any:
    """Run work, and the same once more if it has not answered in time and there is room; return the first answer.

    An attempt that fails does not end the other one; the last error is raised.

    Args:
        first: starts the work.
        second: starts it once more.
        after_s: seconds before that.
        seat: gives room beside the task's own, if there is any.
    """
    running = {asyncio.create_task(first())}
    room = False
    try:
        await asyncio.wait(running, timeout=after_s)
        while not room and not any(work.done() for work in running):
            if room := seat.take_more():
                running.add(asyncio.create_task(second()))
            else:
                await asyncio.wait(running, timeout=LOOK_S)
        return await _first_answer(running)
    finally:
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if room:
            seat.give_more()


async def _first_answer(running: Collection[asyncio.Task[Any]]) -> Any:
    left = set(running)
    while True:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        answered = [work for work in done if not work.cancelled() and work.exception() is None]
        if answered:
            return answered[0].result()
        if not left:
            return next(iter(done)).result()
