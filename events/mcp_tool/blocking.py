"""Asynchronous work for a caller that blocks: a thread and an event loop of its own, which end with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any, Generic, TypeVar

from ..ending import Stopped, interruptible, is_stopped

Answer = TypeVar("Answer")

_LOOK_S = 0.1
"""How often it is looked whether somebody still waits."""


def wait(work: Callable[[], Coroutine[Any, Any, Answer]], may_stop: Callable[[], bool] = lambda: True) -> Answer:
    """Return what asynchronous work comes to, also where an event loop runs in this thread.

    The work is cancelled when nobody waits for it, and before the process ends; it is over, with all that it started,
    when this returns.

    Args:
        work: what is done.
        may_stop: whether it may be ended before the process is: others may wait for it.

    Raises:
        Stopped: it was cancelled.
    """
    worker = _Worker(work)
    with interruptible(worker.cancel, may_stop):
        worker.start()
        try:
            while not wait_for([worker.done], _LOOK_S).done:
                if is_stopped() and may_stop():
                    worker.cancel()
        except BaseException:  # a signal, in the main thread
            worker.cancel()
            wait_for([worker.done])
            raise
    return worker.done.result()


class _Worker(Generic[Answer]):
    def __init__(self, work: Callable[[], Coroutine[Any, Any, Answer]]) -> None:
        self.done: Future[Answer] = Future()
        self._work = work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Answer] | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin. The thread does not keep the process: its end cancels the work first; see `ending.end_all`."""
        threading.Thread(target=self._run, name="fanwise-tool-events", daemon=True).start()

    def cancel(self) -> None:
        """Cancel the work, once: a second time would cut short how it ends."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            answer = asyncio.run(self._main())
        except asyncio.CancelledError:
            self.done.set_exception(Stopped())
        except BaseException as error:
            self.done.set_exception(error)
        else:
            self.done.set_result(answer)

    async def _main(self) -> Answer:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.create_task(self._work())
            if self._cancelled:
                self._task.cancel()
        try:
            return await self._task
        finally:
            with self._lock:
                self._cancelled = True  # the loop is about to close
