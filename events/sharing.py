"""Opened logs that all of a process share: one reading each, for whoever asks while it goes on and after it."""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait

from .duckdb_store import DuckDBStore
from .ending import Stopped, coming, end_all, go_on, is_stopped

KEPT = 4
"""How many opened logs a process keeps for the next call."""

_LOOK_S = 0.05
"""How often one who waits looks whether somebody still waits for it."""

MayStop = Callable[[], bool]
"""Tells whether a reading may be ended: nobody else waits for it."""


class _Reading(Future[DuckDBStore]):
    """A log that is being read, or was."""

    waiting = 0
    """How many wait for it, beside the one that reads."""
    until = math.inf
    """When it is too old to be used again, by the monotonic clock."""


_cache: OrderedDict[Hashable, _Reading] = OrderedDict()
_lock = threading.Lock()


def shared(key: Hashable, read: Callable[[MayStop], DuckDBStore], max_age_s: float = math.inf) -> DuckDBStore:
    """Return the store that a key stands for: the one that is there or is being read, or else a new one.

    Args:
        key: what the store is of; another content has another key.
        read: makes the store; see `ending.interruptible` for what it is given.
        max_age_s: seconds after its reading in which the store may be used again.

    Raises:
        Stopped: Nobody waits for the store any more; see `ending`.
        EventsError: What `read` raises; all that wait for it get the same.
    """
    while True:
        try:
            with coming():
                return _once(key, read, max_age_s)
        except Stopped:  # the one who read it was stopped, and this one was not
            go_on()


def _once(key: Hashable, read: Callable[[MayStop], DuckDBStore], max_age_s: float) -> DuckDBStore:
    with _lock:
        reading = _cache.get(key)
        if reading is None or time.monotonic() > reading.until:
            reading, mine = _Reading(), True
            _cache[key] = reading
        else:
            mine = False
            reading.waiting += not reading.done()
        _cache.move_to_end(key)
    return _read(key, reading, read, max_age_s) if mine else _awaited(reading)


def _awaited(reading: _Reading) -> DuckDBStore:
    while not wait([reading], _LOOK_S).done:
        if is_stopped():
            with _lock:
                reading.waiting -= 1
            raise Stopped
    return reading.result()


def _read(key: Hashable, reading: _Reading, read: Callable[[MayStop], DuckDBStore], max_age_s: float) -> DuckDBStore:
    try:
        store = read(lambda: not reading.waiting)
    except BaseException as raised:
        error = Stopped() if is_stopped() else raised
        with _lock:
            _cache.pop(key, None)
        reading.set_exception(error)
        raise error from None if error is not raised else error.__cause__
    reading.until = time.monotonic() + max_age_s
    reading.set_result(store)
    _forget_oldest()
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    return store


def _close_all() -> None:
    """Close what is open when the process ends: DuckDB complains aloud where a thread that was left behind holds it."""
    end_all()
    with _lock:
        opened = [future.result() for future in _cache.values() if future.done() and future.exception() is None]
        _cache.clear()
    for store in opened:
        store.close()


def _forget_oldest() -> None:
    """Drop what was used longest ago; it is freed when its last user lets go of it."""
    with _lock:
        for key in [key for key, future in _cache.items() if future.done()][: max(0, len(_cache) - KEPT)]:
            del _cache[key]
