"""An event loop of our own, for graphs that are invoked without one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")


_lock = threading.Lock()


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop, in the caller's context, and wait for it."""
    with _lock:  # two loops would be two boards for one superstep
        loop = _loop(os.getpid())
    return asyncio.run_coroutine_threadsafe(work, loop).result()


@lru_cache(maxsize=1)
def _loop(process: int) -> asyncio.AbstractEventLoop:
    """Return the loop of this process (a fork gets one of its own); started on first use, it ends with the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"fanwise-loop-{process}", daemon=True).start()
    return loop
