"""The relays of this process, one for each way to trace."""

from __future__ import annotations

import atexit
import threading
import time

from langsmith.utils import tracing_is_enabled

from .relay import Outlet, Relay
from .settings import Tracing

AT_EXIT_S = 10.0
"""Seconds that a process waits, at its end, for a server that can be reached to take what was traced."""

_RELAYS: dict[tuple[Tracing, bool, bool], Relay] = {}
_LOCK = threading.Lock()


def relay_of(settings: Tracing) -> Relay | None:
    """Return the relay that runs go to; `None` where nothing is traced.

    Where the environment wants tracing and the settings do not, the relay has no outlet: LangGraph would make a tracer
    of its own otherwise.
    """
    langsmith, otel = settings.to_langsmith, settings.to_otel
    if not (langsmith or otel or tracing_is_enabled()):
        return None
    key = (settings, langsmith, otel)
    with _LOCK:
        if key not in _RELAYS:
            if not _RELAYS:
                _at_exit()
            _RELAYS[key] = Relay(settings, _outlets(settings, langsmith, otel))
        return _RELAYS[key]


def _outlets(settings: Tracing, langsmith: bool, otel: bool) -> list[Outlet]:
    outlets: list[Outlet] = []
    if langsmith:
        from .to_langsmith import ToLangSmith

        outlets.append(ToLangSmith(settings))
    if otel:
        from .to_otel import ToOtel

        outlets.append(ToOtel())
    return outlets


def flush_all(timeout_s: float) -> bool:
    """Wait until what was traced is sent, or the time is over; tell whether all of it was sent."""
    until = time.monotonic() + timeout_s
    sent = [relay.flush(max(0.0, until - time.monotonic())) for relay in list(_RELAYS.values())]
    return all(sent)


def close_all(timeout_s: float = AT_EXIT_S) -> bool:
    """Send what can be sent in this time, and end all threads; tell whether all was sent."""
    with _LOCK:
        relays = list(_RELAYS.values())
        _RELAYS.clear()
    until = time.monotonic() + timeout_s
    return all([relay.close(max(0.1, until - time.monotonic())) for relay in relays])


def _at_exit() -> None:
    """Close all before the interpreter waits for the threads of LangSmith's client, which end with the main thread."""
    register = getattr(threading, "_register_atexit", atexit.register)  # also what concurrent.futures does
    try:
        register(close_all)
    except RuntimeError:  # the interpreter is at its end
        pass
