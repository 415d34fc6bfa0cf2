"""Metrics of a run for Prometheus: on a port while it runs, or in a file for the textfile collector."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ..schema.errors import FanwiseError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)

REWRITE_S = 5.0
"""How often the file is written while the run goes on."""

NEEDED = (
    "--metrics-port and --metrics-file need one more package: "
    "pip install 'fanwise[metrics]', or in a checkout pip install '.[metrics]'"
)


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


class Exporter:
    """Makes a run's metrics known."""

    def __init__(self, metrics: RunMetrics, path: str | None) -> None:
        self._metrics = metrics
        self._path = path
        self._written = 0.0

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event; write the file where it is due."""
        import time

        self._metrics.on_event(event)
        if self._path is not None and time.monotonic() - self._written >= REWRITE_S:
            self._written = time.monotonic()
            self._write_again()

    def ended(self, status: str) -> None:
        """Take the run's end."""
        self._metrics.ended(status)
        self._write_again()

    def _write_again(self) -> None:
        """Write the file; where that fails now, the run is worth more than its metrics."""
        from .output import say

        try:
            self.write()
        except FanwiseError as error:
            say(f"warning: {error}")
            self._path = None

    def write(self) -> None:
        """Write the file, all of it or nothing.

        Raises:
            FanwiseError: it can't be written.
        """
        if self._path is None:
            return
        from prometheus_client import write_to_textfile

        try:
            write_to_textfile(self._path, self._metrics.registry)
        except OSError as error:
            raise FanwiseError(
                f"--metrics-file {self._path}: it can't be written: {error.strerror}; its folder must be there"
            ) from error


class Nothing(Exporter):
    """Tells nobody."""

    def __init__(self) -> None:
        """Do nothing."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Do nothing."""

    def ended(self, status: str) -> None:
        """Do nothing."""


@contextmanager
def exported(address: str | None, path: str | None) -> Iterator[Exporter]:
    """Make a run's metrics known for as long as the context lasts.

    Args:
        address: `PORT` or `HOST:PORT`, where they can be scraped; nowhere if not given.
        path: the file that they are written to; none if not given.

    Raises:
        FanwiseError: the package that it takes is not there, the port is taken, or the file can't be written.
    """
    if address is None and path is None:
        yield Nothing()
        return
    metrics = RunMetrics()
    exporter = Exporter(metrics, None if path is None else os.path.abspath(path))
    exporter.write()
    with ExitStack() as stack:
        if address is not None:
            stack.enter_context(_served(address, metrics.registry))
        yield exporter


@contextmanager
def _served(address: str, registry: CollectorRegistry) -> Iterator[None]:
    from prometheus_client import start_http_server

    from .output import say

    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), addr=host or "127.0.0.1", registry=registry)
    except OSError as error:
        raise FanwiseError(
            f"--metrics-port {address}: it can't be listened on: {error.strerror}; give another one, 0 for any"
        ) from error
    say(f"metrics: http://{host or '127.0.0.1'}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
