"""The scheduler: a pure state machine that says which task may start, be skipped or must wait.

Events go in (`add`, `settle`, `requeue`, `release`), `decide(now)` says what follows. It knows no clock and no event
loop: the board runs it on real time, `explain` on a virtual clock, so that both order tasks in the same way.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .rules import verdict


class Limits(NamedTuple):
    """What the run allows."""

    max_parallel: int | None = None
    """Tasks that work at the same time."""
    starts_per_s: float | None = None
    """At most so many starts in a second, evenly spaced."""


class Skip(NamedTuple):
    """A task that must not run, and why."""

    task_id: str
    reason: str


@dataclass(slots=True)
class _Entry:
    depends_on: Sequence[str]
    run_if: str
    rank: float
    order: int
    missing: int = 0


@dataclass(slots=True)
class Decision:
    """What `decide` found: tasks that became ready, that start now, that are skipped; when to ask again."""

    ready: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    skip: list[Skip] = field(default_factory=list)
    wake_at: float | None = None


class Schedule:
    """Dependencies, slots and the start rate of one superstep.

    A task is *waiting* (for dependencies), *ready* (for a slot), *running* (it holds a slot), or settled. Among ready
    tasks the one with the highest rank goes first, then the one that stands first in the plan.
    """

    def __init__(self, limits: Limits, last_start: float | None = None) -> None:
        self.limits = limits
        self.running: set[str] = set()
        self.statuses: dict[str, str] = {}
        self._entries: dict[str, _Entry] = {}
        self._dependents: dict[str, list[str]] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._fresh: deque[str] = deque()
        self._last_start = last_start

    def add(
        self,
        task_id: str,
        depends_on: Sequence[str] = (),
        *,
        known: Mapping[str, str] = {},
        run_if: str = "all_success",
        rank: float = 0.0,
        order: int = 0,
    ) -> None:
        """Register a task; `known` holds the statuses of dependencies that ended before this superstep."""
        entry = self._entries[task_id] = _Entry(depends_on, run_if, rank, order)
        statuses, is_open = self.statuses, run_if == "all_success"
        for need in depends_on:
            if need in known:
                statuses[need] = known[need]
            if need not in statuses:
                entry.missing += 1
                self._dependents.setdefault(need, []).append(task_id)
            elif statuses[need] != "succeeded":
                is_open = False
        if not (is_open and entry.missing):
            self._fresh.append(task_id)

    def settle(self, task_id: str, status: str) -> None:
        """Tell how a task ended; whoever waited for it is looked at again."""
        if task_id in self.statuses:
            return
        self.statuses[task_id] = status
        self.release(task_id)
        self._entries.pop(task_id, None)
        for dependent in self._dependents.pop(task_id, ()):
            entry = self._entries.get(dependent)
            if entry is None:
                continue
            entry.missing -= 1
            if not entry.missing or status != "succeeded" or entry.run_if != "all_success":
                self._fresh.append(dependent)

    def release(self, task_id: str) -> None:
        """Give a task's slot back."""
        self.running.discard(task_id)

    def requeue(self, task_id: str) -> None:
        """Put a task that was running, and gave its slot back, among the ready ones again."""
        entry = self._entries[task_id]
        heapq.heappush(self._ready, (-entry.rank, entry.order, task_id))

    def drop(self, task_id: str) -> None:
        """Forget a task that will not be settled in this attempt."""
        self.running.discard(task_id)
        self._entries.pop(task_id, None)

    def decide(self, now: float) -> Decision:
        """Say what follows from all events so far, at the moment `now` (seconds, on any clock that never goes back)."""
        decision = Decision()
        self._look_at_fresh(decision)
        self._start_ready(decision, now)
        return decision

    def _look_at_fresh(self, decision: Decision) -> None:
        while self._fresh:
            task_id = self._fresh.popleft()
            entry = self._entries.get(task_id)
            if entry is None or entry.missing < 0:
                continue
            said = verdict(entry.run_if, entry.depends_on, self.statuses)
            if said.action == "run":
                entry.missing = -1
                decision.ready.append(task_id)
                heapq.heappush(self._ready, (-entry.rank, entry.order, task_id))
            elif said.action == "skip":
                entry.missing = -1
                decision.skip.append(Skip(task_id, said.reason))

    def _start_ready(self, decision: Decision, now: float) -> None:
        slots, rate = self.limits
        while self._ready and (slots is None or len(self.running) < slots):
            if rate is not None and self._last_start is not None:
                earliest = self._last_start + 1.0 / rate
                if now < earliest:
                    decision.wake_at = earliest
                    return
            task_id = heapq.heappop(self._ready)[2]
            if task_id not in self._entries:
                continue
            self.running.add(task_id)
            self._last_start = now
            decision.start.append(task_id)
