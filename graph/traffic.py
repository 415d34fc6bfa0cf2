"""What tells a board that fewer, or more, tasks may work: servers that refuse or answer, tokens, other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from weakref import WeakMethod

from ..schema.progress import PoolChanged
from .gates import Gates
from .pressure import CPU, CpuWatch, cores
from .resources import MEMORY, SLOTS
from .schedule import Schedule

Tell = Callable[[PoolChanged], None]
"""Puts a change on the run's stream, and has the schedule looked at; a bound method."""


class Traffic:
    """The pools of one schedule, as the outside world lets them be used."""

    def __init__(self, schedule: Schedule, gates: Gates, tell: Tell) -> None:
        self._schedule = schedule
        self._gates = gates
        self._tell = WeakMethod(tell)  # a strong one would keep the board alive, which holds this
        self._loop = asyncio.get_running_loop()
        self._cpu: CpuWatch | None = None

    def refused(self, task_id: str, wait_s: float) -> None:
        """Take a server's "too many requests" to a task: its pools let fewer through."""
        resources = self._schedule.resources
        for pool in self._pools(task_id):
            gate, taken = self._gates.make(pool), round(resources.taken.get(pool, 0.0))
            if gate.refused(self._loop.time(), wait_s, taken, resources.capacities.get(pool)):
                self._changed(pool, gate.limit, "the server refused")

    def passed(self, task_id: str) -> None:
        """Take a success: the pools of the task let a little more through."""
        for pool in self._pools(task_id) if self._gates else ():
            if (gate := self._gates.get(pool)) is not None and gate.passed():
                self._changed(pool, gate.limit, "the server answers")

    def spent(self, task_id: str, tokens: float) -> None:
        """Charge tokens to the pools of a task."""
        for pool in self._pools(task_id):
            if (gate := self._gates.get(pool)) is not None:
                gate.spent(tokens, self._loop.time())

    def watch_cores(self) -> None:
        """Look from now on how many cores other processes leave free."""
        if self._cpu is None:
            self._cpu = CpuWatch(self._on_free_cores)

    def stop(self) -> None:
        """Look no more."""
        if self._cpu is not None:
            self._cpu.stop()
            self._cpu = None

    def _pools(self, task_id: str) -> Iterator[str]:
        """Yield the pools that a task holds units of, the run's own apart."""
        demand = self._schedule.running.get(task_id)
        yield from (pool for pool, _ in demand.units if pool not in (SLOTS, MEMORY)) if demand is not None else ()

    def _on_free_cores(self, free: int) -> None:
        capacities = self._schedule.resources.capacities
        limit = min(float(free), self._schedule.limits.pools.get(CPU, float(free)))
        if capacities.get(CPU) != limit:
            capacities[CPU] = limit
            why = "other processes need the machine" if free < cores() else "the machine is free"
            self._changed(CPU, limit, why)

    def _changed(self, pool: str, limit: float | None, why: str) -> None:
        units = None if limit is None else int(limit)
        if (tell := self._tell()) is not None:
            tell(PoolChanged(type="pool_changed", pool=pool, limit=units, why=why))
