"""Metrics of a run for Prometheus: on a port while it runs, or in a file for the textfile collector."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ..schema.errors import FanwiseError
from ..tracing.metrics import RunMetrics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

REWRITE_S = 5.0
"""How often the file is written while the run goes on."""


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
