"""The progress of a run: what its events tell."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..nodes.summary.text import clean

FAILURES = 3
"""Failures that are kept for showing."""


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
    done: int = 0
    """How many tasks have ended, those of earlier invocations too."""
    started: float = 0.0
    finished: set[str] = field(default_factory=set)
    """Ids of tasks that have ended."""
    running: dict[str, Running] = field(default_factory=dict)
    """Tasks at work, and those that wait for their next attempt."""
    waiting: set[str] = field(default_factory=set)
    """Tasks that wait for a person."""
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
            self.waiting.discard(task)
        elif kind == "task_paused":
            self.running.pop(task, None)
            self.waiting.add(task)
        elif kind == "attempt_failed":
            at_work = self.running.setdefault(task, Running(now))
            at_work.note = str(event.get("error") or "failed")
            at_work.until = now + float(event.get("retry_in_s") or 0)
        elif kind == "task_finished":
            self._end(task, str(event.get("status")), str(event.get("error") or ""), int(event.get("completed") or 0))
            self.total = int(event.get("total") or self.total)  # a person may have changed the plan

    def _end(self, task: str, status: str, error: str, completed: int) -> None:
        self.running.pop(task, None)
        self.waiting.discard(task)
        if task in self.finished:
            return
        self.finished.add(task)
        self.done = max(self.done + 1, completed)
        self.counts[status] += 1
        if status in ("failed", "timed_out"):
            self.failures.append((task, error))

    @property
    def failed(self) -> int:
        """How many failed or timed out."""
        return self.counts["failed"] + self.counts["timed_out"]


def started(event: Mapping[str, Any]) -> str:
    """Return the line that tells what is about to run, and why that."""
    total = int(event.get("total", 0))
    why = clean(str(event.get("why") or ""), 400)
    return f"{clean(str(event.get('plan')), 120)}: {total} task{'s' if total != 1 else ''}{'. ' if why else ''}{why}"
