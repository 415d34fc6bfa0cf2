"""Metrics over runs, from their history: how they went, what tasks took and waited for, what would shorten them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Any

from pydantic import Field

from ..schema.results import Record
from .bottlenecks import CriticalTask, Wait, critical_tasks, told, waited_for
from .history import AttemptRow, History, RunRow, percentile

BOUNDS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Upper ends of the histogram's buckets; the last bucket has none."""


class Spread(Record):
    """How a number of seconds is distributed."""

    n: int = 0
    p50: float = 0.0
    p95: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of some values."""
        found = (percentile(values, 50), percentile(values, 95), max(values, default=0.0))
        p50, p95, most = (round(value, 6) for value in found)
        return cls(n=len(values), p50=p50, p95=p95, max=most)


class Bucket(Record):
    """Attempts that took at most so long, and longer than the bucket before."""

    le_s: float | None
    """Its upper end; `null` for the last one."""
    count: int


class SpecialistStats(Record):
    """What became of one specialist's attempts."""

    specialist: str
    attempts: int
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    skipped: int
    """Those in which the specialist found nothing to do."""
    success_rate: float | None
    """Of the attempts that came to an end of their own, without the skipped ones; `null` where there are none."""
    duration_s: Spread
    """Of successful attempts."""
    queued_s: Spread
    work_s: float
    """All attempts together."""
    errors: dict[str, int]
    """Kind of error -> attempts, the most frequent first."""
    usage: dict[str, float]
    """What attempts used, added up: tokens, cost."""


class Stats(Record):
    """What history tells; rates are between 0 and 1, times are seconds."""

    since: str | None
    """Only runs that started then or later count; `null` for all."""
    specialist: str | None
    """Only attempts of this one, and runs that have some, count."""
    runs: int
    by_status: dict[str, int]
    """Runs by how they ended; `running` too where the process died."""
    parallel_runs: float | None
    """Share of runs in which two tasks or more worked at the same time."""
    parallel_share: float | None
    """Share of the time at work in which they did, on average."""
    mean_speedup: float | None
    tasks: int
    attempts: int
    error_rate: float | None
    """Attempts that failed, of those that came to an end of their own."""
    timeout_rate: float | None
    """The same of those that timed out."""
    queued_s: Spread
    duration_s: Spread
    """Of successful attempts."""
    histogram: tuple[Bucket, ...]
    """All attempts by what they took."""
    usage: dict[str, float]
    """What was used in all."""
    own_usage: dict[str, dict[str, float]] = Field(default_factory=dict)
    """What `planner` and `synthesizer` have used of that; nothing where only one specialist counts."""
    specialists: tuple[SpecialistStats, ...]
    """The one that worked longest first."""
    critical: tuple[CriticalTask, ...]
    """The tasks that runs spent most time on along their critical paths."""
    waits: tuple[Wait, ...]
    """What tasks queued for, the longest first."""
    bottlenecks: tuple[str, ...]
    """What would shorten the runs, in words, the most rewarding first."""


def stats(history: History, *, specialist: str | None = None, since: timedelta | None = None) -> Stats:
    """Return metrics over the runs in a history.

    Args:
        history: of an open database (`Database.history`), or what `open_history` opens.
        specialist: count only this one's attempts, and the runs in which it worked.
        since: how far to look back.
    """
    moment = "" if since is None else (datetime.now(UTC) - since).isoformat()
    attempts = history.attempts(moment, specialist)
    runs = history.runs(moment)
    if specialist is not None:
        took_part = {(row.thread_id, row.run_id) for row in attempts}
        runs = [run for run in runs if (run.thread_id, run.run_id) in took_part]
    return summed_up(runs, attempts, since=moment or None, specialist=specialist)


def summed_up(
    runs: Sequence[RunRow],
    attempts: Sequence[AttemptRow],
    *,
    since: str | None = None,
    specialist: str | None = None,
) -> Stats:
    """Return metrics over rows of a history."""
    ended = [run for run in runs if run.finished is not None and run.makespan_s > 0]
    speedups = [run.speedup for run in ended if run.speedup is not None]
    counts = Counter(row.status for row in attempts)
    came_to_an_end = counts["succeeded"] + counts["failed"] + counts["timed_out"]
    own = {} if specialist is not None else _own_usage(runs)
    critical = [task for task in critical_tasks(ended) if specialist in (None, task.specialist)]
    queued = waited_for(ended)
    each = _specialists(attempts)
    return Stats(
        since=since,
        specialist=specialist,
        runs=len(runs),
        by_status=dict(Counter(run.status for run in runs).most_common()),
        parallel_runs=_share(sum(run.parallel_share > 0 for run in ended), len(ended)),
        parallel_share=round(fmean(run.parallel_share for run in ended), 4) if ended else None,
        mean_speedup=round(fmean(speedups), 3) if speedups else None,
        tasks=len({(row.thread_id, row.run_id, row.task_id) for row in attempts}),
        attempts=len(attempts),
        error_rate=_share(counts["failed"], came_to_an_end),
        timeout_rate=_share(counts["timed_out"], came_to_an_end),
        queued_s=Spread.of([row.queued_s for row in attempts]),
        duration_s=Spread.of([row.duration_s for row in attempts if row.status == "succeeded"]),
        histogram=_histogram([row.duration_s for row in attempts]),
        usage=added_up([*(row.usage for row in attempts), *own.values()]),
        own_usage=own,
        specialists=tuple(each),
        critical=tuple(critical),
        waits=tuple(queued),
        bottlenecks=tuple(told(ended, critical, queued, attempts)),
    )


def _specialists(attempts: Sequence[AttemptRow]) -> list[SpecialistStats]:
    rows: dict[str, list[AttemptRow]] = {}
    for row in attempts:
        rows.setdefault(row.specialist, []).append(row)
    return sorted((_of_specialist(name, own) for name, own in rows.items()), key=lambda found: -found.work_s)


def _of_specialist(name: str, rows: Sequence[AttemptRow]) -> SpecialistStats:
    counts = Counter(row.status for row in rows)
    return SpecialistStats(
        specialist=name,
        attempts=len(rows),
        **{status: counts[status] for status in ("succeeded", "failed", "timed_out", "cancelled", "skipped")},
        success_rate=_share(counts["succeeded"], counts["succeeded"] + counts["failed"] + counts["timed_out"]),
        duration_s=Spread.of([row.duration_s for row in rows if row.status == "succeeded"]),
        queued_s=Spread.of([row.queued_s for row in rows]),
        work_s=round(sum(row.duration_s for row in rows), 6),
        errors=dict(Counter(row.error for row in rows if row.error is not None).most_common()),
        usage=added_up(row.usage for row in rows),
    )


def _own_usage(runs: Iterable[RunRow]) -> dict[str, dict[str, float]]:
    """Return what the graph's own nodes have used; runs of an earlier version do not tell."""
    told: dict[str, list[Any]] = {}
    for run in runs:
        for name, usage in (run.details.get("usage") or {}).items():
            told.setdefault(name, []).append(usage)
    return {name: added_up(usages) for name, usages in told.items()}


def added_up(usages: Iterable[Any]) -> dict[str, float]:
    """Return the numbers in usages, added up by name."""
    total: dict[str, float] = {}
    for usage in usages:
        for name, value in (usage or {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                total[name] = round(total.get(name, 0) + value, 12)
    return total


def _histogram(seconds: Sequence[float]) -> tuple[Bucket, ...]:
    counts = Counter(next((bound for bound in BOUNDS_S if taken <= bound), None) for taken in seconds)
    return tuple(Bucket(le_s=bound, count=counts[bound]) for bound in (*BOUNDS_S, None))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
