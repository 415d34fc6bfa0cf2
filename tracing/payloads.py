"""What of a run's inputs, outputs and errors is sent: without secrets, and not longer than it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .settings import Tracing

MARGIN = 4096
"""Characters beyond the cut that are looked at for secrets, so that none is cut in half and missed."""

MOST = 2000
"""Items of one list or object that are sent."""

PAUSES = ("GraphInterrupt(", "GraphBubbleUp(")
"""How the errors of runs begin that wait for a person."""

STOPS = ("CancelledError(", "GraphDrained(")
"""How the errors of runs begin that were ended from outside."""

HIDDEN: dict[str, Any] = {}
"""What is sent in place of what is left out."""


class Payloads:
    """Makes what is sent of what was recorded."""

    def __init__(self, settings: Tracing) -> None:
        self._settings = settings
        self._redactor = settings.redactor()

    def renew(self) -> None:
        """Look at the environment again."""
        self._redactor = self._settings.redactor()

    def cleaned(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run, or an update of one, as it may be sent."""
        sent = dict(run)
        for name, is_hidden in (("inputs", self._settings.hides_inputs), ("outputs", self._settings.hides_outputs)):
            if sent.get(name) is not None:
                sent[name] = HIDDEN if is_hidden else as_object(self.value(sent[name]))
        status = None
        if sent.get("error"):
            status, sent["error"] = _status_of(str(sent["error"])), self._error(str(sent["error"]))
        if sent.get("name"):
            sent["name"] = self._redactor.text(str(sent["name"]))
        if status is not None and "task" in (sent.get("tags") or ()):
            sent["tags"] = [*sent["tags"], f"status:{status}"]
        for name in ("tags", "events", "serialized"):
            if sent.get(name):
                sent[name] = self.value(sent[name])
        if isinstance(extra := sent.get("extra"), Mapping):
            sent["extra"] = {key: value if key == "runtime" else self.value(value) for key, value in extra.items()}
            if status is not None:
                sent["extra"]["metadata"] = {**(sent["extra"].get("metadata") or {}), "status": status}
        return sent

    def text(self, text: str) -> str:
        """Return a text, masked and whole."""
        return self._redactor.text(text)

    def value(self, value: Any) -> Any:
        """Return a value as JSON, masked and cut."""
        if isinstance(value, str):
            return self._cut(self._redactor.text(value[: self._settings.max_chars + MARGIN]), len(value))
        masked, size = self._redactor.sized(value)
        return masked if size <= self._settings.max_chars else self._shortened(masked)

    def _shortened(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._cut(value, len(value))
        if isinstance(value, dict):
            kept = {key: self._shortened(inner) for key, inner in list(value.items())[:MOST]}
            return {**kept, "...": f"{len(value) - MOST} more"} if len(value) > MOST else kept
        if isinstance(value, list):
            items = [self._shortened(inner) for inner in value[:MOST]]
            return [*items, f"... {len(value) - MOST} more"] if len(value) > MOST else items
        return value

    def _cut(self, text: str, length: int) -> str:
        limit = self._settings.max_chars
        return text if length <= limit else f"{text[:limit]}... ({length:,} characters in all)"

    def _error(self, error: str) -> str:
        if error.startswith(PAUSES) and self._settings.hides_outputs:
            return "GraphInterrupt(): the run waits for a person"
        text: str = self.value(error)
        return text


def _status_of(error: str) -> str | None:
    """Return the status of a run whose error is none: it waits for a person, or was ended from outside."""
    if error.startswith(PAUSES):
        return "suspended" if error.startswith("GraphInterrupt(())") else "paused"
    return "cancelled" if error.startswith(STOPS) else None


def as_object(value: Any) -> dict[str, Any]:
    """Return a payload as an object, which LangSmith asks for."""
    return value if isinstance(value, dict) else {"value": value}
