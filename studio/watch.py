"""What this process saw of its runs: the latest events and attempts of each thread, and metrics for Prometheus."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from ..graph.history import AttemptRow, EventRow, MemoryHistory
from ..graph.recorder import Recorder
from ..schema.errors import FanwiseError
from ..tracing.metrics import RunMetrics

KEPT = 200
"""Threads whose events are kept."""


class Watch:
    """Takes the progress events of all runs of the process."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._histories: OrderedDict[str, MemoryHistory] = OrderedDict()
        self._lock = threading.Lock()
        self._metrics: RunMetrics | None = None

    def run(self, thread_id: str | None) -> Watched:
        """Return what takes the events of one run."""
        history = MemoryHistory() if thread_id is None else self._history(thread_id)
        return Watched(Recorder(history, thread_id or ""), self.metrics(), thread_id or str(id(history)))

    def noted(self, thread_id: str, run_id: str) -> tuple[list[AttemptRow], list[EventRow]]:
        """Return the attempts and events of a run; none where it ran elsewhere, or long ago."""
        history = self._histories.get(thread_id)
        if history is None:
            return [], []
        return history.attempts_of(thread_id, run_id), history.events(thread_id, run_id)

    def forget(self, thread_id: str) -> None:
        """Forget a thread."""
        with self._lock:
            self._histories.pop(thread_id, None)

    def metrics(self) -> RunMetrics | None:
        """Return the metrics; `None` where the package that they take is not there."""
        with self._lock:
            if self._metrics is None:
                try:
                    self._metrics = RunMetrics()
                except FanwiseError:
                    return None
            return self._metrics

    def _history(self, thread_id: str) -> MemoryHistory:
        with self._lock:
            history = self._histories.setdefault(thread_id, MemoryHistory())
            self._histories.move_to_end(thread_id)
            while len(self._histories) > self._kept:
                self._histories.popitem(last=False)
            return history


class Watched:
    """Takes the progress events of one run."""

    def __init__(self, recorder: Recorder, metrics: RunMetrics | None, key: str) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._key = key
        self._begun: set[str] = set()
        self._status = "interrupted"

    def going_on(self, values: Mapping[str, Any]) -> None:
        """Take a run over that is there already, by its state."""
        self._recorder.going_on(values)

    def on_event(self, event: Any) -> None:
        """Take a progress event; anything else that specialists write is left alone."""
        if not isinstance(event, Mapping) or not isinstance(event.get("type"), str):
            return
        if event["type"] == "run_finished":
            self._status = str(event.get("status"))
        self._recorder.on_event(event)
        if self._metrics is not None and "task_id" in event:
            own = f"{self._key}/{event['task_id']}"  # tasks of many runs are at work, under the same names
            self._metrics.on_event({**event, "task_id": own})
            (self._begun.discard if event["type"] == "task_finished" else self._begun.add)(own)

    async def close(self, *, failed: bool = False) -> None:
        """Take the run's end, or that it stopped."""
        if self._metrics is not None:
            for task in self._begun:
                self._metrics.gone(task)
            self._metrics.count("failed" if failed else self._status)
        await self._recorder.close()


WATCH = Watch()
"""That of this process."""
