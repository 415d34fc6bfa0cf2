"""Sends spans as OTLP over HTTP, and knows what became of those that were not taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from .gate import trouble_of


class Exporter(OTLPSpanExporter):
    """The SDK's exporter, which itself tells of failures in the log alone."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._status: int | None = None
        session = requests.Session()
        session.hooks["response"].append(self._answered)
        super().__init__(session=session)

    def _answered(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._status = response.status_code

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; note why they were not taken."""
        self._status = None
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.trouble = trouble_of(self._status)
        return result
