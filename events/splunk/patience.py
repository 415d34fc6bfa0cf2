"""Asking again what was not answered, and what Splunk says of a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..ending import Stopped
from .faults import is_busy, is_cut
from .wire import Line

TRIES = 3
"""How often a request is sent that gets no answer."""

PAUSES = (0.1, 5.0)
"""Seconds before a request is sent again: the first time, and at most."""

_T = TypeVar("_T")


def patiently(ask: Callable[[], _T], line: Line, until: float, again: Callable[[], _T] | None = None) -> _T:
    """Ask until there is an answer: as long as there is time while Splunk is busy, some times where it is cut.

    Args:
        ask: sends a request.
        line: can be broken off.
        until: by when, as `time.monotonic` tells it.
        again: asks where an answer was lost, and what was asked for may have been done.
    """
    (pause, longest), cuts = PAUSES, 0
    while True:
        try:
            return ask()
        except Stopped:
            raise
        except Exception as error:
            busy = is_busy(error)
            cuts += not busy
            if not (busy or (is_cut(error) and cuts < TRIES)) or time.monotonic() + pause > until:
                raise
            if not busy and again is not None:
                ask = again
        line.wait(pause)
        pause = min(pause * 2, longest)


def messages_of(given: Any) -> list[tuple[str, str]]:
    """Return a job's messages as kind and text: Splunk writes them by kind, each with a text or several."""
    if isinstance(given, Mapping):
        return [
            (str(kind).upper(), str(text))
            for kind, texts in given.items()
            for text in (texts if isinstance(texts, list) else [texts])
            if text
        ]
    return []
