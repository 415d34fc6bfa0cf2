"""Work that ends with the run's deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class DeadlineCame(Exception):
    """The deadline came before the work's end, and cancelled it."""


@asynccontextmanager
async def within(until: float | None, clock: Callable[[], float]) -> AsyncIterator[None]:
    """Cancel the work inside when a moment comes.

    Args:
        until: the moment, in seconds since the epoch; `None`: never.
        clock: tells the moment that it is.

    Raises:
        DeadlineCame: the work was cancelled.
    """
    try:
        async with asyncio.timeout(None if until is None else max(0.0, until - clock())) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise DeadlineCame from None
        raise
