"""What tasks take while they work: slots, units of named pools, or the whole run for themselves. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

SLOTS = "slots"
"""The pool that every task takes one unit of: tasks that work at the same time."""

MEMORY = "memory, MiB"
"""The pool of the run's memory budget."""


class Demand(NamedTuple):
    """What a task takes for as long as it works; all at once, so that two tasks never wait for each other."""

    units: tuple[tuple[str, float], ...] = ((SLOTS, 1.0),)
    """Pool -> units, sorted by pool."""
    exclusive: bool = False
    """Whether nothing else may work beside it."""

    @classmethod
    def of(cls, needs: Mapping[str, float], *, exclusive: bool = False) -> Demand:
        """Return the demand of a task that takes a slot and these units of pools."""
        return cls(tuple(sorted({SLOTS: 1.0, **needs}.items())), exclusive)


ONE_SLOT = Demand()
"""What a task takes that says nothing."""


class Resources:
    """Capacities, what is taken of them, and by how many."""

    def __init__(self, capacities: Mapping[str, float]) -> None:
        self.capacities = dict(capacities)
        """Pool -> units; what is not here has no limit."""
        self.taken: dict[str, float] = {}
        self.holders = 0
        self.is_exclusive = False

    def fits(self, demand: Demand) -> bool:
        """Tell whether a demand can be met now.

        A demand above a capacity is met where nothing else is taken of it: capacities can shrink while tasks wait.
        """
        if self.is_exclusive or (demand.exclusive and self.holders):
            return False
        for pool, units in demand.units:
            capacity, taken = self.capacities.get(pool), self.taken.get(pool, 0.0)
            if capacity is not None and taken > 0 and taken + units > capacity:
                return False
            if capacity is not None and capacity <= 0 < units:
                return False
        return True

    def take(self, demand: Demand) -> None:
        """Take all that a task demands."""
        self.holders += 1
        self.is_exclusive = demand.exclusive
        for pool, units in demand.units:
            self.taken[pool] = self.taken.get(pool, 0.0) + units

    def give(self, demand: Demand) -> None:
        """Give back all that a task took."""
        self.holders -= 1
        self.is_exclusive = False
        for pool, units in demand.units:
            left = self.taken[pool] - units
            self.taken[pool] = left if left > 1e-9 else 0.0


def demand_of(task: Mapping[str, Any], pools: Mapping[str, float]) -> Demand:
    """Return what a task takes: a slot, one of its specialist's, and what it needs of the pools that there are."""
    needs = tuple((task.get("needs") or {}).items())
    memory = float(task["memory_mb"]) if MEMORY in pools and task.get("memory_mb") else 0.0
    return _demand(task["specialist"], needs, memory, bool(task.get("exclusive")))


@lru_cache(maxsize=4096)
def _demand(specialist: str, needs: tuple[tuple[str, float], ...], memory: float, exclusive: bool) -> Demand:
    taken = {specialist_pool(specialist): 1.0, **{pool: float(units) for pool, units in needs}}
    return Demand.of({**taken, MEMORY: memory} if memory else taken, exclusive=exclusive)


def specialist_pool(name: str) -> str:
    """Return the pool of a specialist's own slots."""
    return f"specialist {name}"
