"""What runs' progress events come to, as metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..schema.errors import FanwiseError
from ..schema.words import install

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)

NEEDED = f"--metrics-port and --metrics-file need one more package: {install('metrics')}"


class RunMetrics:
    """Counts what progress events tell, in a registry of its own."""

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError as error:
            raise FanwiseError(f"{NEEDED} ({error})") from error

        self.registry: CollectorRegistry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry, "namespace": "fanwise"}
        by_status = ("specialist", "status")
        buckets: dict[str, Any] = {**own, "labelnames": ("specialist",), "buckets": BUCKETS_S}
        self._tasks = Counter("tasks", "Tasks that ended.", by_status, **own)
        self._attempts = Counter("attempts", "Attempts that ended.", by_status, **own)
        self._duration = Histogram("attempt_duration_seconds", "What attempts took.", **buckets)
        self._queued = Histogram("queue_duration_seconds", "How long attempts waited for a slot.", **buckets)
        self._running = Gauge("tasks_running", "Tasks at work.", **own)
        self._waiting = Gauge("tasks_queued", "Tasks whose dependencies are there, and that wait for a slot.", **own)
        self._runs = Counter("runs", "Runs that ended, or stopped.", ("status",), **own)
        self._at_work: dict[str, int] = {}
        self._in_queue: set[str] = set()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event."""
        kind, task = event.get("type"), str(event.get("task_id"))
        if kind == "task_queued":
            self._in_queue.add(task)
        elif kind == "task_started":
            self._in_queue.discard(task)
            self._at_work[task] = self._at_work.get(task, 0) + 1
        elif kind == "attempt_ended":
            self._attempt(event, task)
        elif kind == "task_paused":
            self._gone(task)
        elif kind == "task_finished":
            self._gone(task)
            self._tasks.labels(str(event.get("specialist")), str(event.get("status"))).inc()
        self._running.set(len(self._at_work))
        self._waiting.set(len(self._in_queue))

    def ended(self, status: str) -> None:
        """Count the run, and nothing as running."""
        self.count(status)
        self._running.set(0)
        self._waiting.set(0)

    def count(self, status: str) -> None:
        """Count a run, one of many."""
        self._runs.labels(status).inc()

    def gone(self, task: str) -> None:
        """Count a task as neither at work nor waiting any more: its run stopped."""
        self._gone(task)
        self._running.set(len(self._at_work))
        self._waiting.set(len(self._in_queue))

    def _attempt(self, event: Mapping[str, Any], task: str) -> None:
        specialist = str(event["specialist"])
        self._attempts.labels(specialist, str(event["status"])).inc()
        self._duration.labels(specialist).observe(event["duration_s"])
        self._queued.labels(specialist).observe(event["queued_s"])
        left = self._at_work.pop(task, 1) - 1
        if left > 0:
            self._at_work[task] = left

    def _gone(self, task: str) -> None:
        self._at_work.pop(task, None)
        self._in_queue.discard(task)
