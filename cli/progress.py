"""The progress of a run: what its events tell, and which display shows it."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from .job import Job

FAILURES = 3
"""Failures that are kept for showing."""


class Display(Protocol):
    """Shows the progress of a run."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event."""

    async def tick(self) -> None:
        """Draw what changes with time alone, until cancelled."""


@dataclass
class Running:
    """A task that works, or waits for its next attempt."""

    since: float
    attempt: int = 1
    note: str = ""
    """Why it waits for its next attempt; empty while it works."""
    until: float = 0.0
    """When it is tried again."""


@dataclass
class Progress:
    """Where a run stands, by the events so far. Times are given to it, never read."""

    total: int = 0
    started: float = 0.0
    finished: set[str] = field(default_factory=set)
    """Ids of tasks that have ended."""
    running: dict[str, Running] = field(default_factory=dict)
    """Tasks at work, and those that wait for their next attempt."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many ended in each status."""
    failures: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=FAILURES))
    """The last failed tasks with their errors."""

    def take(self, event: Mapping[str, Any], now: float) -> None:
        """Take an event; one of an unknown type changes nothing."""
        kind, task = event.get("type"), str(event.get("task_id", ""))
        if kind == "run_started":
            self.total = int(event.get("total", 0))
        elif kind == "task_started":
            self.running[task] = Running(now, int(event.get("attempt", 1)))
        elif kind == "attempt_failed":
            at_work = self.running.setdefault(task, Running(now))
            at_work.note = str(event.get("error") or "failed")
            at_work.until = now + float(event.get("retry_in_s") or 0)
        elif kind == "task_finished":
            self._end(task, str(event.get("status")), str(event.get("error") or ""))

    def _end(self, task: str, status: str, error: str) -> None:
        self.running.pop(task, None)
        if task in self.finished:
            return
        self.finished.add(task)
        self.counts[status] += 1
        if status in ("failed", "timed_out"):
            self.failures.append((task, error))

    @property
    def done(self) -> int:
        """How many tasks have ended."""
        return len(self.finished)

    @property
    def failed(self) -> int:
        """How many failed or timed out."""
        return self.counts["failed"] + self.counts["timed_out"]


class Silent:
    """Shows nothing."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event."""

    async def tick(self) -> None:
        """Do nothing."""


@contextmanager
def watch(progress: Progress, job: Job) -> Iterator[Display]:
    """Show a run's progress for as long as the context lasts, in the way that fits."""
    progress.started = time.monotonic()
    if job.quiet:
        yield Silent()
    elif job.verbose or not _is_live():
        from .lines import Lines

        yield Lines(progress, verbose=job.verbose)
    else:
        from .live import LiveDisplay

        with LiveDisplay(progress) as display:
            yield display


def _is_live() -> bool:
    """Tell whether standard error is a terminal that can be redrawn."""
    plain = ("NO_COLOR", "CI")
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not any(os.environ.get(name) for name in plain)
