"""Runs to draw, made of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fanwise.graph.history import AttemptRow, EventRow
from fanwise.schema.results import Metrics, Report, Summary, TaskResult
from fanwise.timeline import Timeline, build_timeline

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """A moment, so many seconds after the runs of these tests began."""
    return (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def task(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    """A task of a plan."""
    return {"id": name, "specialist": "work", "depends_on": list(needs), **more}


def result(name: str, start: float | None = None, end: float | None = None, **more: Any) -> TaskResult:
    """A result; `succeeded` if it has an end."""
    given: dict[str, Any] = {"task_id": name, "specialist": "work", "status": "pending" if end is None else "succeeded"}
    if start is not None:
        given |= {"started_at": at(start), "attempts": 1}
    if end is not None:
        given |= {"finished_at": at(end), "duration_s": end - (end if start is None else start)}
    return TaskResult(**{**given, **more})


def attempt(name: str, number: int, start: float, took: float, status: str = "succeeded", **more: Any) -> AttemptRow:
    """An attempt."""
    given = {"specialist": "work", "error": None, "queued_s": 0.0, "usage": None, **more}
    return AttemptRow(
        "th", "r", "plan", name, attempt=number, status=status, duration_s=took, started=at(start), **given
    )


def event(name: str, kind: str, when: float, **details: Any) -> EventRow:
    """An event."""
    return EventRow("th", "r", name, kind, at(when), details)


def made(
    tasks: Sequence[Mapping[str, Any]],
    results: Sequence[TaskResult],
    attempts: Sequence[AttemptRow] = (),
    events: Sequence[EventRow] = (),
    *,
    status: Any = "succeeded",
    now: float = 100.0,
    summary: str = "",
    request: str = "",
    **more: Any,
) -> Timeline:
    """The timeline of a run."""
    by_id = {one.task_id: one for one in results}
    found = {t["id"]: by_id.get(t["id"]) or result(t["id"]) for t in tasks}
    report = Report(
        thread_id="th", status=status, summary=Summary(text=summary), results=found, metrics=Metrics(tasks=len(tasks))
    )
    plan = {"name": "plan", "request": request, "tasks": list(tasks), "config": {"max_parallel": 2}}
    return build_timeline(plan, report, attempts, events, now=BEGAN.timestamp() + now, **more)


def kinds(timeline: Timeline, name: str) -> list[tuple[str, float, float]]:
    """What a task did, and from when to when."""
    row = next(row for row in timeline.rows if row.id == name)
    return [(segment.kind, round(segment.start, 2), round(segment.end, 2)) for segment in row.segments]


def sample(count: int = 12) -> Timeline:
    """A run with waits, a failure, backoff, a pause, an aggregate and a skipped task."""
    tasks = [task("load", title="Load the page"), task("check", "load"), task("letter", "load", review="before")]
    tasks += [
        task("pick", "check", "letter", aggregate={"strategy": "merge"}),
        task("send", "broken"),
        task("broken", "load"),
    ]
    tasks += [task(f"more-{n:03}", "load") for n in range(count - len(tasks))]
    results = [
        result("load", 0, 1, output={"rows": 3}),
        result("check", 1, 3.5, attempts=2, duration_s=1.5),
        result("letter", 4, 5),
        result("pick", 5, 5),
        result("broken", 1, 2, status="failed", error="ValueError: no rows in <b>page</b>"),
        result("send", None, 2, status="skipped", error="dependency 'broken' failed"),
        *(result(f"more-{n:03}", 1 + n * 0.1, 1.5 + n * 0.1) for n in range(count - 6)),
    ]
    attempts = [
        attempt("load", 1, 0, 1, usage={"input_tokens": 900, "output_tokens": 100, "cost": 0.02}),
        attempt("check", 1, 1, 0.5, "failed", error="ValueError"),
        attempt("check", 2, 2.5, 1, queued_s=0.5),
        attempt("letter", 1, 4, 1),
        attempt("broken", 1, 1, 1, "failed", error="ValueError"),
        *(attempt(f"more-{n:03}", 1, 1 + n * 0.1, 0.5) for n in range(count - 6)),
    ]
    events = [event("", "began", 0), event("letter", "paused", 1), event("", "ended", 5)]
    return made(tasks, results, attempts, events, status="failed", request="Is it ready?", summary="It failed.")
