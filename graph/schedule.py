"""The scheduler: a pure state machine that says which task may start, be skipped or must wait.

Events go in (`add`, `settle`, `requeue`, `release`), `decide(now)` says what follows. It knows no clock and no event
loop: the board runs it on real time, `explain` on a virtual clock, so that both order tasks in the same way.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .gates import Gate, Gates
from .resources import MEMORY, ONE_SLOT, SLOTS, Demand, Resources, specialist_pool
from .rules import Group, verdict


class Limits(NamedTuple):
    """What the run allows."""

    max_parallel: int | None = None
    """Tasks that work at the same time."""
    starts_per_s: float | None = None
    """At most so many starts in a second, evenly spaced."""
    pools: Mapping[str, float] = {}
    """Units of named pools."""
    rates: Mapping[str, Mapping[str, float | None]] = {}
    """Starts per second and tokens per minute, by pool. A run's gates have them; a run that is played has its own."""

    def capacities(self) -> dict[str, float]:
        """Return the units of every pool that has a limit."""
        slots = {} if self.max_parallel is None else {SLOTS: float(self.max_parallel)}
        return {**self.pools, **slots}


def limits_of(run: Mapping[str, Any]) -> Limits:
    """Return what a run's configuration allows."""
    pools = {str(name): float(units) for name, units in (run.get("pools") or {}).items()}
    pools |= {specialist_pool(name): float(slots) for name, slots in (run.get("specialist_slots") or {}).items()}
    if run.get("memory_mb") is not None:
        pools[MEMORY] = float(run["memory_mb"])
    return Limits(run.get("max_parallel"), run.get("starts_per_s"), pools, gate_rates(run))


def gate_rates(run: Mapping[str, Any]) -> dict[str, Mapping[str, float | None]]:
    """Return the configured rates by pool; a name that is no pool is a specialist's."""
    pools = run.get("pools") or {}
    return {name if name in pools else specialist_pool(name): rate for name, rate in (run.get("rates") or {}).items()}


AGE = 1000
"""A ready task gains one level of priority for each so many tasks that started since it was ready."""

PATIENCE = 16
"""A ready task that was passed over so often, because what it needs was taken, has it kept for it."""


AT_WORK = 1_000_000
"""Levels of priority that a task has above others once it is at work."""


class Skip(NamedTuple):
    """A task that must not run, and why."""

    task_id: str
    reason: str
    no_occasion: bool = False
    """Whether there is nothing for it to do."""


@dataclass(slots=True)
class _Entry:
    task_id: str
    depends_on: Sequence[str]
    run_if: str
    rank: float
    order: int
    demand: Demand
    priority: int
    group: Group | None = None
    missing: int = 0
    """Dependencies that are open; -1 once the task was decided on."""
    behind: int = 0
    """Tasks that it must not overlap with, and that go first, which are open."""
    key: tuple[int, float, int] = (0, 0.0, 0)
    passed: int = 0
    """How often another task started while this one stood first but did not fit."""


@dataclass(slots=True)
class Decision:
    """What `decide` found: tasks that became ready, that start now, that are skipped; when to ask again."""

    ready: list[str] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    skip: list[Skip] = field(default_factory=list)
    wake_at: float | None = None


class Schedule:
    """Dependencies, slots and the start rate of one superstep.

    A task is *waiting* (for dependencies), *ready* (for a slot and units of pools), *running* (it holds them), or
    settled. Among ready tasks the highest priority goes first, then the highest rank (longest remaining path), then
    the plan's order. One that does not fit lets others pass, but not for ever: priority grows with age, and after
    `PATIENCE` others what it needs is kept for it.
    """

    def __init__(self, limits: Limits, last_start: float | None = None, gates: Gates | None = None) -> None:
        self.limits = limits
        self.gates = gates
        self.resources = Resources(limits.capacities())
        self.running: dict[str, Demand] = {}
        self.statuses: dict[str, str] = {}
        self._entries: dict[str, _Entry] = {}
        self._dependents: dict[str, list[str]] = {}
        self._ready: dict[Demand, list[tuple[tuple[int, float, int], str]]] = {}
        self._started = 0
        self._followers: dict[str, list[str]] = {}
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
        demand: Demand = ONE_SLOT,
        priority: int = 0,
        after: Sequence[str] = (),
        at_work: bool = False,
        group: Group | None = None,
    ) -> None:
        """Register a task.

        Args:
            task_id: its id.
            depends_on: ids of its dependencies.
            known: statuses of dependencies that ended before this superstep.
            run_if: its trigger rule.
            rank: its longest remaining path.
            order: its place in the plan.
            demand: what it takes while it works.
            priority: the higher, the sooner.
            after: tasks of this superstep that it must not overlap with, and that go first, however they end.
            at_work: whether it began before it was registered: it holds what it demands from now on, or, where it has
                to wait for dependencies, goes before all others.
            group: the group behind which it stands.
        """
        entry = self._entries[task_id] = _Entry(task_id, depends_on, run_if, rank, order, demand, priority, group)
        for other in after:
            if other not in self.statuses:
                entry.behind += 1
                self._followers.setdefault(other, []).append(task_id)
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
        if at_work:
            self._go_on(entry)

    def _go_on(self, entry: _Entry) -> None:
        """Let a task that is at work hold what it demands; not while it waits for one that may need that to end."""
        if entry.missing or entry.behind:
            entry.priority += AT_WORK
        else:
            self.running[entry.task_id] = entry.demand
            self.resources.take(entry.demand)

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
        for follower in self._followers.pop(task_id, ()):
            if (entry := self._entries.get(follower)) is not None:
                entry.behind -= 1
                if not entry.behind:
                    self._fresh.append(follower)

    def release(self, task_id: str) -> None:
        """Give back what a task holds."""
        demand = self.running.pop(task_id, None)
        if demand is not None:
            self.resources.give(demand)

    def requeue(self, task_id: str) -> None:
        """Put a task that was running, and gave back what it held, among the ready ones again."""
        self._queue(self._entries[task_id])

    def take_again(self, task_id: str, name: str) -> bool:
        """Let a running task hold its demand once more under another name, if it is free and nobody waits for it."""
        demand = self.running.get(task_id)
        if demand is None or demand.exclusive or self._ready or not self.resources.fits(demand):
            return False
        self.running[name] = demand
        self.resources.take(demand)
        return True

    def drop(self, task_id: str) -> None:
        """Forget a task that will not be settled in this attempt."""
        self.release(task_id)
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
            said = verdict(entry.run_if, entry.depends_on, self.statuses, entry.group)
            if said.action == "skip":
                entry.missing = -1
                decision.skip.append(Skip(task_id, said.reason, said.no_occasion))
            elif said.action == "run" and not entry.behind:
                entry.missing = -1
                decision.ready.append(task_id)
                if task_id in self.running:
                    decision.start.append(task_id)
                else:
                    self._queue(entry)

    def _queue(self, entry: _Entry) -> None:
        entry.key = (self._started // AGE - entry.priority, -entry.rank, entry.order)
        heapq.heappush(self._ready.setdefault(entry.demand, []), (entry.key, entry.task_id))

    def _start_ready(self, decision: Decision, now: float) -> None:
        rate = self.limits.starts_per_s
        while (entry := self._next(decision, now)) is not None:
            if rate is not None and self._last_start is not None:
                earliest = self._last_start + 1.0 / rate
                if now < earliest:
                    decision.wake_at = earliest
                    return
            for gate in self._gates_of(entry.demand):
                gate.started(now)
            heapq.heappop(self._ready[entry.demand])
            self.running[entry.task_id] = entry.demand
            self.resources.take(entry.demand)
            self._started += 1
            self._last_start = now
            decision.start.append(entry.task_id)

    def _next(self, decision: Decision, now: float) -> _Entry | None:
        """Return the ready task that starts next, if any fits; note when a gate opens that keeps one back.

        Tasks that demand the same stand in one queue, so that only the first of each has to be looked at.
        """
        passed, kept = list[_Entry](), set[str]()
        for entry in sorted(self._heads(), key=lambda entry: entry.key):
            opens_at = self._opens_at(entry.demand, now)
            if opens_at > now:
                decision.wake_at = min(opens_at, decision.wake_at or opens_at)
                continue
            is_kept = bool(kept) and not kept.isdisjoint(pool for pool, _ in entry.demand.units)
            if not is_kept and self.resources.fits(entry.demand) and self._is_let_through(entry.demand):
                for other in passed:
                    other.passed += 1
                return entry
            passed.append(entry)
            if entry.passed >= PATIENCE:
                kept |= {SLOTS} if entry.demand.exclusive else self._short(entry.demand)
        return None

    def _opens_at(self, demand: Demand, now: float) -> float:
        """Return when all gates let a task start; not after `now` if they do."""
        gates = self._gates_of(demand)
        return max(gate.opens_at(now) for gate in gates) if gates else now

    def _gates_of(self, demand: Demand) -> list[Gate]:
        """Return the gates that a task has to go through."""
        if not self.gates:
            return []
        return [gate for pool, _ in demand.units if (gate := self.gates.get(pool)) is not None]

    def _is_let_through(self, demand: Demand) -> bool:
        """Tell whether what refusals have taught allows one more task of this kind."""
        if not self.gates:
            return True
        for pool, units in demand.units:
            gate, taken = self.gates.get(pool), self.resources.taken.get(pool, 0.0)
            if gate is not None and gate.limit is not None and taken > 0 and taken + units > gate.limit:
                return False
        return True

    def _heads(self) -> Iterator[_Entry]:
        for demand, queue in list(self._ready.items()):
            while queue and queue[0][1] not in self._entries:
                heapq.heappop(queue)
            if queue:
                yield self._entries[queue[0][1]]
            else:
                del self._ready[demand]

    def _short(self, demand: Demand) -> set[str]:
        """Return the pools of a demand that have a limit."""
        return {pool for pool, _ in demand.units if pool in self.resources.capacities}
