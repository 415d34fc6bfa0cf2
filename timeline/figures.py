"""The figures above a picture: of the whole run where it is over, of what is known up to now where it goes on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .model import Figures, Row, Session

BUSY = ("attempt", "queued", "backoff")
"""What a task does for a run that is at work."""

IDLE = ("paused", "stopped")


def figures(rows: Sequence[Row], critical: Sequence[str], sessions: Sequence[Session], report: Any) -> Figures:
    """Return a run's figures.

    Args:
        rows: the tasks.
        critical: ids along the critical path.
        sessions: when processes were at work.
        report: the run's report: its metrics count where the run is over and was at work without a break.
    """
    metrics: Mapping[str, Any] = report.metrics.model_dump()
    was_left = len(sessions) > 1 or any(segment.kind in IDLE for row in rows for segment in row.segments)
    is_over = report.status not in ("running", "paused", "interrupted")
    if is_over and not was_left and metrics["makespan_s"]:
        return Figures(
            at_work_s=metrics["makespan_s"],
            work_s=metrics["sequential_s"],
            speedup=metrics["speedup"],
            critical_path_s=metrics["critical_path_s"],
        )
    busy = sum(
        end - start for start, end in merged((s.start, s.end) for r in rows for s in r.segments if s.kind in BUSY)
    )
    work = sum(worked(row) for row in rows)
    by_id = {row.id: row for row in rows}
    return Figures(
        at_work_s=round(busy, 6),
        was_left=was_left,
        work_s=round(work, 6),
        speedup=round(work / busy, 3) if work and busy else None,
        critical_path_s=round(sum(worked(by_id[task_id]) for task_id in critical), 6),
    )


def worked(row: Row) -> float:
    """Return what a task's attempts took up to now."""
    return sum(segment.end - segment.start for segment in row.segments if segment.kind == "attempt")


def merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return stretches of time, those that touch as one."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
