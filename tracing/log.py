"""The log: Python's own `logging`, under `fanwise`, with the run's thread and the task on each line.

A program that uses Fanwise sets up `logging` as it likes: `RunFilter` puts `run_thread` and `run_task` on its records,
`LogLines` and `JsonLines` are formatters that show them. Nothing is written where nobody has set anything up.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from .redact import Redactor
from .settings import Tracing

root = logging.getLogger("fanwise")
root.addHandler(logging.NullHandler())

logger = logging.getLogger("fanwise.run")

_THREAD: ContextVar[str] = ContextVar("fanwise_log_thread", default="")
_TASK: ContextVar[str] = ContextVar("fanwise_log_task", default="")

IMPORTANT = (
    "run_started",
    "round_started",
    "task_finished",
    "attempt_failed",
    "task_paused",
    "budget_used",
    "run_finished",
)
"""Events that are logged as INFO; all others are DEBUG."""

CLIENTS = ("langsmith", "opentelemetry")
"""Loggers of those that send traces."""

UNTOLD = ("summary_text", "task_text", "task_result")
"""Events that are parts of results, and not logged."""


@contextmanager
def at_work(thread: object = "", task: object = "") -> Iterator[None]:
    """Let what is logged inside bear a run's thread, and a task's id."""
    tokens = _THREAD.set(str(thread or "")), _TASK.set(str(task or ""))
    try:
        yield
    finally:
        _THREAD.reset(tokens[0])
        _TASK.reset(tokens[1])


def log_event(event: Mapping[str, Any]) -> None:
    """Log a progress event."""
    kind = str(event.get("type"))
    level = logging.INFO if kind in IMPORTANT else logging.DEBUG
    if kind in UNTOLD or not logger.isEnabledFor(level):
        return
    told = {name: value for name, value in event.items() if name not in ("type", "task_id") and value not in (None, "")}
    words = " ".join(f"{name}={_short(value)}" for name, value in told.items())
    extra = {"event": dict(event), **({"run_task": event["task_id"]} if "task_id" in event else {})}
    logger.log(level, "%s", f"{kind} {words}".rstrip(), extra=extra)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value and " " not in value else json.dumps(value, default=str)
    return text if len(text) <= 300 else f"{text[:297]}..."


class RunFilter(logging.Filter):
    """Puts `run_thread` and `run_task` on each record, and masks secrets in them and in its message."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._redactor = redactor or Tracing().redactor()

    def filter(self, record: logging.LogRecord) -> bool:
        """Add to a record; every record passes."""
        mask = self._redactor.text
        record.run_thread = mask(str(getattr(record, "run_thread", None) or _THREAD.get()))
        record.run_task = mask(str(getattr(record, "run_task", None) or _TASK.get()))
        masked = mask(record.getMessage())
        record.msg, record.args = masked, ()
        return True


class LogLines(logging.Formatter):
    """Shows a record as a line: time, level, logger, thread, task, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        places = (("thread", getattr(record, "run_thread", "")), ("task", getattr(record, "run_task", "")))
        about = "".join(f" {name}={value}" for name, value in places if value)
        text = f"{time} {record.levelname.lower()} {record.name}{about} {record.getMessage()}"
        return (
            f"{text}\n{Tracing().redactor().text(self.formatException(record.exc_info))}" if record.exc_info else text
        )


class JsonLines(logging.Formatter):
    """Shows a record as a JSON object on a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": getattr(record, "run_thread", "") or None,
            "task": getattr(record, "run_task", "") or None,
            "message": record.getMessage(),
        }
        if (event := getattr(record, "event", None)) is not None:
            told["event"] = Tracing().redactor().value(event)
        if record.exc_info:
            told["error"] = Tracing().redactor().text(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)


class _ToStandardError(logging.StreamHandler[Any]):
    """Writes to what standard error is at the time."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.stream = sys.stderr
        super().emit(record)


def set_up(level: int, *, as_json: bool = False) -> logging.Handler:
    """Write the log to standard error from a level on, in place of what was set up so before; return its handler."""
    for handler in list(root.handlers):
        if isinstance(handler, _ToStandardError):
            root.removeHandler(handler)
    made = _ToStandardError()
    made.setFormatter(JsonLines() if as_json else LogLines())
    made.addFilter(RunFilter())
    root.addHandler(made)
    root.setLevel(level)
    logging.getLogger("fanwise.tracing").setLevel(min(level, logging.WARNING))  # what is lost is told in any case
    for name in CLIENTS:  # they would write to standard error of themselves; what matters of it we say ourselves
        client = logging.getLogger(name)
        for handler in list(client.handlers):
            if isinstance(handler, _ToStandardError):
                client.removeHandler(handler)
        client.addHandler(made if level <= logging.DEBUG else logging.NullHandler())
    return made
