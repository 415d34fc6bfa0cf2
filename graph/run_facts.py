"""What a run's results tell about its course: what ran beside what, what was waited for, what took longest. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

from ..reducers.outcome import needed
from ..schema.dag import critical_path
from .resources import SLOTS, Demand, demand_of
from .schedule import Limits

Results = Mapping[str, Mapping[str, Any]]
"""Task id -> `TaskResult` as a dict."""

NOTICED_S = 0.001
"""Shorter waits are the event loop's."""

EXCLUSIVE, RATE, OTHER = "exclusive tasks", "start rate", "other tasks"
"""What is waited for besides pools; `OTHER`: tasks that use the same files, and a busy process."""

LOOKED_AT = (0.5, 0.25, 0.75, 0.05)
"""Where in a wait it is looked at what was short, as shares of it before its end."""

LISTED = 200
"""Tasks of a critical path that are kept."""


class Span(NamedTuple):
    """When a task worked, its pauses between attempts included; seconds since 1970."""

    task_id: str
    start: float
    end: float


def spans(results: Results) -> list[Span]:
    """Return when tasks worked, by their start."""
    found = []
    for task_id, result in results.items():
        if result.get("started_at") and result.get("finished_at"):
            start = _seconds(result["started_at"])
            took = result.get("duration_s") or 0.0
            end = start + took if result.get("attempts", 1) <= 1 else _seconds(result["finished_at"])
            found.append(Span(task_id, start, max(start, end)))
    return sorted(found, key=lambda span: span.start)


def parallel_share(found: Sequence[Span]) -> float:
    """Return the share of the time at work in which two tasks or more worked."""
    moments = sorted([(span.start, 1) for span in found] + [(span.end, -1) for span in found])
    at_work = shared = before = 0.0
    working = 0
    for moment, change in moments:
        at_work += (moment - before) * (working > 0)
        shared += (moment - before) * (working > 1)
        working, before = working + change, moment
    return shared / at_work if at_work > 0 else 0.0


def critical_seconds(tasks: Sequence[Mapping[str, Any]], results: Results) -> dict[str, float]:
    """Return task -> seconds along the longest chain of dependent tasks, by what they really took.

    What lost a race, and what else was let go, is left out: nobody waited for it.
    """
    graph = needed(tasks, results)
    taken = {task_id: float(results.get(task_id, {}).get("duration_s") or 0.0) for task_id in graph}
    path = critical_path(graph, taken)
    return {task_id: taken[task_id] for task_id in path[:LISTED] if taken[task_id] > 0}


def waits(tasks: Sequence[Mapping[str, Any]], results: Results, limits: Limits) -> dict[str, float]:
    """Return what tasks queued for, with the seconds that they did: a pool, `slots`, exclusive tasks, the start rate.

    What was short is looked up in the middle of each wait; where nothing was, in other places of it.
    """
    worked = spans(results)
    pools = limits.capacities()
    demands = {task["id"]: demand_of(task, limits.pools) for task in tasks}
    taken = _Taken([(span, demands[span.task_id]) for span in worked if span.task_id in demands])
    found: dict[str, float] = {}
    for span in worked:
        queued = float(results[span.task_id].get("queued_s") or 0.0)
        if queued >= NOTICED_S and span.task_id in demands:
            looked = (_short(taken, span.start - queued * part, demands[span.task_id], pools) for part in LOOKED_AT)
            cause = next((cause for cause in looked if cause), RATE if limits.starts_per_s is not None else OTHER)
            found[cause] = found.get(cause, 0.0) + queued
    return found


class _Taken:
    """What was taken of each pool at each moment."""

    def __init__(self, worked: Sequence[tuple[Span, Demand]]) -> None:
        changes: dict[str, list[tuple[float, float]]] = {}
        for span, demand in worked:
            named = [*demand.units, *([(EXCLUSIVE, 1.0)] if demand.exclusive else ())]
            for pool, units in named:
                changes.setdefault(pool, []).extend(((span.start, units), (span.end, -units)))
        self._moments: dict[str, list[float]] = {}
        self._levels: dict[str, list[float]] = {}
        for pool, changed in changes.items():
            changed.sort()
            self._moments[pool] = [moment for moment, _ in changed]
            self._levels[pool] = list(accumulate(units for _, units in changed))

    def at(self, moment: float, pool: str) -> float:
        """Return the units of a pool that are taken at a moment."""
        index = bisect_right(self._moments.get(pool, []), moment)
        return self._levels[pool][index - 1] if index else 0.0


def _short(taken: _Taken, moment: float, demand: Demand, pools: Mapping[str, float]) -> str | None:
    """Return what there was too little of at a moment."""
    if taken.at(moment, EXCLUSIVE) > 0 or (demand.exclusive and taken.at(moment, SLOTS) > 0):
        return EXCLUSIVE
    short = [
        pool for pool, units in demand.units if pool in pools and taken.at(moment, pool) + units > pools[pool] + 1e-9
    ]
    return next((pool for pool in short if pool != SLOTS), SLOTS) if short else None


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
