"""From a run's plan, report and history to its timeline. Pure."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..graph.history import AttemptRow, EventRow
from ..schema.dag import critical_path
from ..schema.results import RemotePlace, Report
from .figures import figures
from .layout import Layout, layout
from .model import Row, Segment, Text, Timeline
from .moments import Moments, moments, seconds
from .segments import segments

ALL_TEXT = 8_000_000
"""Characters of inputs and outputs in one timeline, about."""

LEAST_TEXT, MOST_TEXT = 1_000, 60_000
"""Characters of one input or output: so many are never cut, or are never exceeded."""


def build_timeline(
    plan: Mapping[str, Any],
    report: Report,
    attempts: Sequence[AttemptRow] = (),
    events: Sequence[EventRow] = (),
    *,
    now: float,
    with_data: bool = True,
) -> Timeline:
    """Return the timeline of a run, finished or not.

    Args:
        plan: the plan as the state holds it.
        report: how the run stands.
        attempts: the attempts of this run; where there are none, each task is drawn from its result.
        events: the events of this run.
        now: the moment of the picture, in seconds since 1970.
        with_data: whether inputs, outputs, errors and the summary go into it.
    """
    tasks = plan["tasks"]
    ids = {task["id"] for task in tasks}
    results = {task_id: result.model_dump(mode="json") for task_id, result in report.results.items()}
    run = moments(
        results,
        [row for row in attempts if row.task_id in ids],
        [row for row in events if not row.task_id or row.task_id in ids],
        now=now,
        is_live=report.status == "running",
        is_paused=report.status == "paused",
    )
    drawn = layout({task["id"]: task.get("depends_on", ()) for task in tasks})
    course = {task["id"]: segments(task, results[task["id"]], run) for task in tasks}
    path = _critical(tasks, results, course)
    most = max(LEAST_TEXT, min(MOST_TEXT, ALL_TEXT // (2 * len(tasks) or 1)))
    kept = most if with_data else None
    rows = [_row(t, results[t["id"]], course[t["id"]], run, drawn, kept, t["id"] in path) for t in tasks]
    rows, slots = with_slots(rows)
    has_begun = run.attempts or run.events or any(result.get("finished_at") for result in results.values())
    return Timeline(
        thread_id=report.thread_id,
        name=plan.get("name") or "plan",
        request=plan.get("request") or "" if with_data else "",
        status=report.status,
        started_at=datetime.fromtimestamp(run.zero, UTC).isoformat(timespec="milliseconds") if has_begun else None,
        length_s=round(run.now, 6),
        rows=tuple(rows),
        critical=tuple(path),
        slots=slots,
        max_parallel=(plan.get("config") or {}).get("max_parallel"),
        sessions=tuple(run.sessions),
        figures=figures(rows, tuple(path), run.sessions, report),
        metrics=report.metrics.model_dump(mode="json"),
        graph=drawn.graph,
        summary=report.summary.text if with_data else "",
        warnings=report.warnings if with_data else (),
        has_data=with_data,
    )


def _row(
    task: Mapping[str, Any],
    result: Mapping[str, Any],
    found: tuple[Segment, ...],
    run: Moments,
    drawn: Layout,
    most: int | None,
    is_critical: bool,
) -> Row:
    x, y = drawn.places[task["id"]]
    if most is None:
        found = tuple(segment.model_copy(update={"error": None}) for segment in found)
    attempted = [segment for segment in found if segment.kind == "attempt"]
    ended = result.get("finished_at")
    status = _status(result["status"], found)
    shown: dict[str, Any] = {}
    if most is not None:
        shown = {
            "description": task.get("description") or "",
            "error": result["error"],
            "input": None if task.get("input") in (None, {}) else as_text(task["input"], most),
            "output": _output(result, most),
            "reviews": tuple(result["reviews"]),
            "remote": str(RemotePlace.model_validate(place)) if (place := result.get("remote")) else "",
        }
    return Row(
        id=task["id"],
        title=task.get("title") or "",
        specialist=task["specialist"],
        status=status,
        phase=drawn.phase[task["id"]],
        depends_on=tuple(dict.fromkeys(task.get("depends_on") or ())),
        aggregate=(task.get("aggregate") or {}).get("strategy"),
        segments=found,
        start=attempted[0].start if attempted else None,
        end=round(seconds(ended) - run.zero, 6) if ended else None,
        queued_s=result["queued_s"],
        duration_s=result["duration_s"],
        attempts=result["attempts"] or sum(segment.status != "asked" for segment in attempted),
        critical=is_critical,
        usage=result["usage"],
        fallback=result["fallback"],
        by_choice=result["by_choice"],
        let_go=tuple(result["let_go"]),
        x=round(x, 1),
        y=round(y, 1),
        **shown,
    )


def _status(status: Any, found: Sequence[Segment]) -> Any:
    """Return a task's status: a task without a result is at work where its last segment is."""
    if status == "pending" and found and found[-1].open and found[-1].kind != "dependencies":
        return "paused" if found[-1].kind == "paused" else "running" if found[-1].kind != "queued" else "pending"
    return status


def _output(result: Mapping[str, Any], most: int) -> Text | None:
    if (ref := result.get("output_ref")) is not None:
        return Text(text="", left_out=ref["bytes"])
    return None if result["output"] is None else as_text(result["output"], most)


def as_text(value: Any, most: int) -> Text:
    """Return a value as a person reads it, cut to so many characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return Text(text=text[:most], left_out=max(0, len(text) - most))


def _critical(
    tasks: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]],
    course: Mapping[str, Sequence[Segment]],
) -> dict[str, None]:
    """Return the ids on the longest chain of dependent tasks, by what they took, without what nobody waited for.

    A task that was skipped is on it where what comes after it went on all the same.
    """
    taken = {task["id"]: _took(results[task["id"]], course[task["id"]]) for task in tasks}
    if not any(taken.values()):
        return {}
    graph = {task["id"]: _waited_for(task, results) for task in tasks}
    needed = {task_id: needs for task_id, needs in graph.items() if not results[task_id].get("by_choice")}
    path = critical_path(needed, taken)
    begun = [place for place, task_id in enumerate(path) if _has_begun(course[task_id])]
    return dict.fromkeys(path[begun[0] : begun[-1] + 1]) if begun else {}


def _took(result: Mapping[str, Any], course: Sequence[Segment]) -> float:
    """Return what a task's attempts took; so far, where it is not over."""
    if result.get("finished_at"):
        return float(result["duration_s"] or 0.0)
    return sum(segment.end - segment.start for segment in course if segment.kind == "attempt")


def _has_begun(course: Sequence[Segment]) -> bool:
    return any(segment.kind == "attempt" for segment in course)


def _waited_for(task: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the dependencies that a task really waited for: those that ended before it did."""
    own = results[task["id"]]
    end, let_go = own.get("finished_at"), set(own.get("let_go") or ())
    return [
        need
        for need in task.get("depends_on") or ()
        if need in results and need not in let_go and not (end and (results[need].get("finished_at") or end) > end)
    ]


def with_slots(rows: Iterable[Row]) -> tuple[list[Row], int]:
    """Give each attempt the first slot that is free; return the rows, and how many slots were used.

    What combines others takes none.
    """
    rows = list(rows)
    worked = sorted(
        (segment.start, segment.end, index, place)
        for index, row in enumerate(rows)
        if row.aggregate is None
        for place, segment in enumerate(row.segments)
        if segment.kind == "attempt"
    )
    free, busy, count = list[int](), list[tuple[float, int]](), 0
    slots: dict[tuple[int, int], int] = {}
    for start, end, index, place in worked:
        while busy and busy[0][0] <= start + 1e-9:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            count += 1
            heapq.heappush(free, count)
        slots[index, place] = heapq.heappop(free)
        heapq.heappush(busy, (end, slots[index, place]))
    return [_with_own(row, index, slots) for index, row in enumerate(rows)], count


def _with_own(row: Row, index: int, slots: Mapping[tuple[int, int], int]) -> Row:
    own = [
        segment.model_copy(update={"slot": slots[index, place]}) if (index, place) in slots else segment
        for place, segment in enumerate(row.segments)
    ]
    return row.model_copy(update={"segments": tuple(own)})
