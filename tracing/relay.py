"""Takes runs from tracers, and hands them on from a thread of its own: the event loop waits for nothing.

A relay stands where tracers expect a LangSmith client. What it is given it masks and cuts, and gives to its outlets.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .payloads import Payloads
from .settings import Tracing

logger = logging.getLogger("fanwise.tracing")

MOST_WAITING = 100_000
"""Starts and ends of runs that wait to be sent; what comes then is dropped."""


class FeedbackError(Exception):
    """Feedback was not sent; the run itself was."""


class Outlet(Protocol):
    """Somewhere that runs are sent to."""

    name: str
    trouble: str | None
    """What it did with runs that are lost: "refused the key (401)"; whoever tells it takes it away."""

    def is_open(self) -> bool:
        """Tell whether it can be reached; must come back within a second or two."""

    def start(self, run: dict[str, Any]) -> None:
        """Send a run that has begun."""

    def end(self, run: dict[str, Any]) -> None:
        """Send what there is to add to a run that has ended."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is sent; tell whether it is."""

    def close(self, timeout_s: float) -> None:
        """End its threads."""


class Backlog:
    """An outlet, and what waits until it can be reached."""

    def __init__(self, outlet: Outlet, payloads: Payloads) -> None:
        self.outlet = outlet
        self._payloads = payloads
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_WAITING)
        self._told: set[str] = set()
        self._is_lost = False
        self.is_late = False
        """Whether the outlet took no answer in time."""

    def send(self, kind: str, run: dict[str, Any]) -> None:
        """Send, or keep, what was recorded."""
        self._waiting.append((kind, run))
        self.work_off()

    def work_off(self) -> bool:
        """Send what waits, if the outlet can be reached; tell whether nothing waits any more."""
        while self._waiting:
            if not self.outlet.is_open():
                return False
            kind, run = self._waiting.popleft()
            try:
                if kind == "start" and run.get("parent_run_id") is None:
                    self._payloads.renew()
                (self.outlet.start if kind == "start" else self.outlet.end)(self._payloads.cleaned(run))
            except FeedbackError as error:
                self._tell("feedback", f"{self.outlet.name} {error}")
            except Exception as error:  # a trace that can't be sent harms nothing
                self._tell("traces", f"{self.outlet.name}: {error}")
            self._look()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is sent; tell whether it is, and nothing was lost since this was last asked."""
        is_done = self.work_off() and self.outlet.flush(timeout_s)
        self._look()
        self.is_late = not is_done and not self._waiting
        is_lost, self._is_lost = self._is_lost, False
        return is_done and not is_lost

    def give_up(self) -> None:
        """Forget what waits, and say so."""
        self._look()
        if self._waiting:
            self._tell("traces", f"{self.outlet.name} can't be reached")
            self._waiting.clear()
        elif self.is_late:
            self._tell("traces", f"{self.outlet.name} gave no answer in time")

    def _look(self) -> None:
        """Tell what the outlet says of runs that are lost."""
        trouble, self.outlet.trouble = self.outlet.trouble, None
        if trouble is not None:
            self._is_lost = True
            self._tell("traces", f"{self.outlet.name} {trouble}")

    def _tell(self, what: str, why: str) -> None:
        if what not in self._told:
            self._told.add(what)
            logger.warning("%s %s not sent: %s", what, "was" if what == "feedback" else "were", why)


class Relay:
    """Stands in for a LangSmith client."""

    otel_exporter = None
    tracing_queue = None

    def __init__(self, settings: Tracing, outlets: Sequence[Outlet]) -> None:
        self.settings = settings
        self._backlogs = [Backlog(outlet, Payloads(settings)) for outlet in outlets]
        self._hurry = threading.Event()
        self._queue: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._dropped = 0

    def create_run(self, name: str, inputs: Mapping[str, Any], run_type: str, **rest: Any) -> None:
        """Take a run that has begun."""
        run = {"name": name, "inputs": inputs, "run_type": run_type, **rest}
        if rest.get("parent_run_id") is None:
            for backlog in self._backlogs:
                if (note := getattr(backlog.outlet, "note_root", None)) is not None:
                    note(run)
        self._put("start", run)

    def update_run(self, run_id: Any, **rest: Any) -> None:
        """Take what there is to add to a run that has ended."""
        self._put("end", {"run_id": run_id, **rest})

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was recorded is sent; tell whether it is."""
        until = time.monotonic() + (10.0 if timeout is None else timeout)
        if self._thread is None:
            return True
        done = threading.Event()
        self._hurry.set()
        self._queue.put(("flush", done))
        if not done.wait(max(0.0, until - time.monotonic())):
            return False
        self._hurry.clear()
        return all([backlog.flush(max(0.1, until - time.monotonic())) for backlog in self._backlogs])

    def close(self, timeout_s: float = 5.0) -> bool:
        """Send what can be sent in this time, and end all threads; tell whether all was sent."""
        until = time.monotonic() + timeout_s
        is_sent = self.flush(timeout_s)
        if not is_sent and (left := self._queue.qsize()):
            logger.warning("%d starts and ends of traced runs were not sent in time", left)
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(("stop", None))
            thread.join(max(0.1, until - time.monotonic()))
        for backlog in self._backlogs:
            backlog.give_up()
            backlog.outlet.close(max(0.1, until - time.monotonic()))
        return is_sent

    def _put(self, kind: str, run: dict[str, Any]) -> None:
        if not self._backlogs:
            return
        if self._queue.qsize() >= MOST_WAITING:
            self._dropped += 1
            return
        if self._thread is None:
            self._begin()
        self._queue.put((kind, run))

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="fanwise-tracing", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            kind, given = self._queue.get()
            if kind == "stop":
                return
            if kind == "flush":
                self._end_of_flush(given)
                continue
            begun = time.thread_time()
            for backlog in self._backlogs:
                backlog.send(kind, given)
            if not self._hurry.is_set():
                self._hurry.wait(time.thread_time() - begun)  # the run goes first: half of the time is its own

    def _end_of_flush(self, done: threading.Event) -> None:
        for backlog in self._backlogs:
            backlog.work_off()
        if self._dropped:
            logger.warning("%d starts and ends of traced runs were dropped: too many at once", self._dropped)
            self._dropped = 0
        done.set()
