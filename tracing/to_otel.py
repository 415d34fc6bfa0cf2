"""Sends runs to OpenTelemetry, as spans with the semantic conventions for generative AI. Needs the extra `otel`.

A process that has set a tracer provider of its own keeps it; else one is made that sends OTLP over HTTP to where the
standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT` and the like) say.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..schema.errors import FanwiseError
from ..schema.words import install
from .gate import Gate
from .semantics import attributes_of, link_ids, root_ids, span_kind, span_name

try:
    from opentelemetry import trace
    from opentelemetry.context import Context, get_current
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags
except ImportError as error:
    raise FanwiseError(f"tracing to OpenTelemetry needs its SDK: {install('otel')}") from error

DEFAULT = "http://localhost:4318"
"""Where OTLP goes over HTTP, where nothing else is said."""


class Ids(IdGenerator):
    """Makes the ids of traces and spans of the runs' ids, so that a resume, and other servers, can point to them."""

    def __init__(self) -> None:
        self.next: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """Return the id of the next trace."""
        return self.next[0] if self.next else random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        found, self.next = self.next, None
        return found[1] if found else random.getrandbits(64) or 1


class ToOtel:
    """Sends runs as spans."""

    name = "OpenTelemetry"

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._ids = Ids()
        self._gate: Gate | None = None
        self._is_own = False
        self._exporter: Any = None
        self._provider: Any = provider or self._found()
        self._tracer = self._provider.get_tracer("fanwise")
        self._spans: dict[str, Any] = {}
        self._begun: dict[str, dict[str, Any]] = {}
        self._below: dict[str, list[str]] = {}
        self._outer: dict[str, Context] = {}
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str | None:
        """What the collector did with spans that are lost."""
        return self._exporter.trouble if self._exporter is not None else None

    @trouble.setter
    def trouble(self, value: str | None) -> None:
        if self._exporter is not None:
            self._exporter.trouble = value

    def _found(self) -> Any:
        """Return the process's provider, or one of our own."""
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            return provider
        from .otlp import Exporter

        env = os.environ
        place = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT
        self._gate, self._is_own = Gate(place), True
        resource = Resource.create({} if env.get("OTEL_SERVICE_NAME") else {"service.name": "fanwise"})
        own = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._exporter = Exporter()
        own.add_span_processor(BatchSpanProcessor(self._exporter))
        return own

    def is_open(self) -> bool:
        """Tell whether the collector can be reached; a provider that is not ours is always given what there is."""
        return self._gate is None or self._gate.is_open()

    def note_root(self, run: Mapping[str, Any]) -> None:
        """Keep the span, if any, that is open where a run begins: the run stands below it."""
        with self._lock:
            self._outer[str(run.get("id"))] = get_current()

    def start(self, run: dict[str, Any]) -> None:
        """Begin a span."""
        run_id, parent = str(run["id"]), str(run.get("parent_run_id") or "")
        links: list[Link] = []
        if parent in self._spans:
            context = trace.set_span_in_context(self._spans[parent], Context())
            self._ids.next = root_ids(run_id)
        else:
            with self._lock:
                context = self._outer.pop(run_id, Context())
            self._ids.next = root_ids(run_id)
            links = [Link(_context(*ids)) for ids in link_ids(run)]
        span = self._tracer.start_span(
            span_name(run), context=context, kind=span_kind(run), links=links, start_time=_ns(run.get("start_time"))
        )
        self._ids.next = None
        self._spans[run_id], self._begun[run_id] = span, run
        self._below.setdefault(str(run.get("trace_id")), []).append(run_id)
        if run.get("end_time") is not None:
            self.end({**run, "run_id": run_id})

    def end(self, run: dict[str, Any]) -> None:
        """End a span, with what is known of the run."""
        run_id = str(run["run_id"])
        span, begun = self._spans.get(run_id), self._begun.pop(run_id, None)
        if span is None or begun is None:
            return
        whole = {**begun, **{name: value for name, value in run.items() if value is not None}}
        span.set_attributes(attributes_of(whole))
        if error := whole.get("error"):
            span.set_status(Status(StatusCode.ERROR, str(error).partition("\n")[0][:500]))
        span.end(_ns(whole.get("end_time")))
        if not whole.get("parent_run_id"):  # what ends later than the whole run does not matter any more
            for below in self._below.pop(str(whole.get("trace_id")), ()):
                self._spans.pop(below, None)
                self._begun.pop(below, None)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is sent."""
        return self.is_open() and bool(self._provider.force_flush(int(timeout_s * 1000)))

    def close(self, timeout_s: float) -> None:
        """End the provider, if it is ours."""
        if self._is_own:
            self._provider.shutdown()


def _context(trace_id: int, span_id: int) -> SpanContext:
    return NonRecordingSpan(SpanContext(trace_id, span_id, True, TraceFlags(TraceFlags.SAMPLED))).get_span_context()


def _ns(moment: Any) -> int | None:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return int(moment.timestamp() * 1e9) if isinstance(moment, datetime) else None
