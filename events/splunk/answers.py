"""Answers of searches, shared: the same search over the same time is run once, also when several ask at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

from ..ending import Stopped, go_on
from .searcher import Found, Searcher

KEPT = 256
"""Answers that are kept."""

ROWS = 5_000
"""Rows of the largest answer that is kept."""

_Key = tuple[str, str, str]


class Answers:
    """Asks a searcher, each search once."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, Future[Found]] = OrderedDict()

    def get(self, spl: str, earliest: str, latest: str) -> Found:
        """Return a search's answer; see `Searcher.search`. Failures are not kept."""
        key = (spl, earliest, latest)
        while True:
            with self._lock:
                future = self._known.get(key)
                if mine := future is None:
                    future = self._known[key] = Future()
                self._known.move_to_end(key)
            assert future is not None
            if mine:
                return self._search(key, future)
            try:
                return future.result(timeout=0.05)
            except NotYet:
                go_on()
            except Stopped:  # the one who asked was stopped, and this one was not
                go_on()

    def _search(self, key: _Key, future: Future[Found]) -> Found:
        try:
            found = self._searcher.search(*key)
        except BaseException as error:
            with self._lock:
                self._known.pop(key, None)
            future.set_exception(error)
            raise
        future.set_result(found)
        with self._lock:
            if len(found.rows) > ROWS:
                self._known.pop(key, None)
            for old in [key for key, kept in self._known.items() if kept.done()][: max(0, len(self._known) - KEPT)]:
                del self._known[old]
        return found
