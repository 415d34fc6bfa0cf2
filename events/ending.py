"""Ending what is at work in DuckDB: where nobody waits for it any more, and before the process ends.

A thread that is inside DuckDB when the interpreter ends takes the process down with it.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakSet

from ..schema.errors import EventsError

END_S = 5.0
"""Seconds that the end of the process waits for what it interrupts, at most."""

LEAVE_S = 1.5
"""Seconds that it waits for threads that were in DuckDB and may hold what is DuckDB's, at most."""

_EVERY_S = 0.02
"""How often it interrupts: what comes between two statements is lost."""


class Stopped(EventsError):
    """The work was interrupted, since nobody waits for it any more."""

    def __init__(self) -> None:
        super().__init__("reading the log was interrupted: nobody waits for it any more")


class Stop:
    """Says to the work of one thread that nobody waits for it any more."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """Interrupt what is at work, and let nothing further begin."""
        self.is_set = True
        with _lock:
            for use in _uses:
                if use.stop is self and use.may_stop():
                    use.break_off()


STOP: ContextVar[Stop | None] = ContextVar("fanwise_stop", default=None)
"""What may stop the work that runs here."""


@dataclass(eq=False, frozen=True, slots=True)
class _Use:
    interrupt: Callable[[], None]
    may_stop: Callable[[], bool]
    thread: threading.Thread
    stop: Stop | None

    def break_off(self) -> None:
        with suppress(Exception):  # it has just ended by itself
            self.interrupt()


_uses: set[_Use] = set()
_visitors: WeakSet[threading.Thread] = WeakSet()
"""Threads of work that was in DuckDB."""
_lock = threading.Lock()
_is_ending = False


def is_stopped() -> bool:
    """Tell whether nobody waits for the work that runs here."""
    if _is_ending and threading.current_thread() is not threading.main_thread():
        return True
    stop = STOP.get()
    return stop is not None and stop.is_set


def go_on() -> None:
    """Do nothing, as long as somebody waits.

    Raises:
        Stopped: nobody does.
    """
    if is_stopped():
        raise Stopped


@contextmanager
def interruptible(interrupt: Callable[[], None], may_stop: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Be in DuckDB, where `interrupt` ends what is at work; its connection has to stay open as long.

    Args:
        interrupt: a connection's.
        may_stop: whether it may be ended before the process is: others may wait for it.

    Raises:
        Stopped: nobody waits for it.
    """
    go_on()
    use = _Use(interrupt, may_stop, threading.current_thread(), STOP.get())
    with _lock:
        _uses.add(use)
        if use.stop is not None:
            _visitors.add(use.thread)
    try:
        yield
    finally:
        with _lock:
            _uses.discard(use)


def coming() -> AbstractContextManager[None]:
    """Be on the way into DuckDB: to import it, or to make ready what it is to read; see `interruptible`."""
    return interruptible(lambda: None)


@atexit.register
def end_all(seconds: float = END_S) -> None:
    """End all that other threads do in DuckDB, and wait for it; nothing further begins there."""
    global _is_ending
    _is_ending = True
    until, mine = time.monotonic() + seconds, threading.current_thread()
    while time.monotonic() < until:
        with _lock:
            left = [use for use in _uses if use.thread is not mine]
            for use in left:
                use.break_off()
        if not left:
            break
        time.sleep(_EVERY_S)
    until = time.monotonic() + LEAVE_S
    with _lock:
        visitors = [thread for thread in _visitors if thread is not mine]
    for thread in visitors:
        thread.join(max(0.0, until - time.monotonic()))
