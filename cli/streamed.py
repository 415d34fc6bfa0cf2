"""`--progress jsonl`: what happens, as it happens, as JSON lines on standard output, for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import click

from ..tracing.settings import Tracing

MASKED = ("error", "why", "plan")
"""Fields of events in which secrets are masked. Ids stay as programs have them; results are whole."""


class EventLines:
    """Writes each event as a line of JSON to what is standard output now, whatever it becomes while tasks run."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
        self._is_open = True
        self._redactor = Tracing().redactor()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Write an event; nobody reading any more is no error."""
        if not self._is_open:
            return
        try:
            self._file.write(json.dumps(self._masked(event), ensure_ascii=False, default=str) + "\n")
            self._file.flush()
        except (OSError, ValueError):
            self._is_open = False

    def _masked(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event without secrets in what it says itself."""
        mask = self._redactor.text
        return {
            name: mask(value) if name in MASKED and isinstance(value, str) else value for name, value in event.items()
        }

    def close(self) -> None:
        """Close it."""
        try:
            self._file.close()
        except OSError:
            return


def event_lines(context: click.Context, parameter: click.Parameter, value: str | None) -> EventLines | None:
    """Return what writes the events, made before standard output is kept for the result."""
    if value is None:
        return None
    lines = EventLines()
    context.call_on_close(lines.close)
    return lines
