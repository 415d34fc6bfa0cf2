"""The run as a trace: Chrome's trace event format, which ui.perfetto.dev and chrome://tracing open.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .model import Row, Segment, Timeline

SLOTS, TASKS = 1, 2
"""The trace's processes: what each slot did, and what each task did."""

NAMES = {
    "dependencies": "waits for dependencies",
    "queued": "queued",
    "backoff": "backoff",
    "paused": "waits for a person",
    "stopped": "no process at work",
}


def trace(timeline: Timeline) -> dict[str, Any]:
    """Return a run as a trace; times in it are microseconds since the run's start."""
    events = [*_names(timeline)]
    for number, row in enumerate(timeline.rows, 1):
        events += _of_task(row, number)
    events += _flows(timeline)
    events += _counters(timeline.rows)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "thread": timeline.thread_id,
            "plan": timeline.name,
            "status": timeline.status,
            "started_at": timeline.started_at,
            "critical_path": list(timeline.critical),
        },
    }


def trace_text(timeline: Timeline) -> str:
    """Return the trace as the text of a file."""
    return json.dumps(trace(timeline), ensure_ascii=True, separators=(",", ":"))


def _names(timeline: Timeline) -> Iterator[dict[str, Any]]:
    yield _meta("process_name", SLOTS, 0, name="slots")
    yield _meta("process_name", TASKS, 0, name="tasks")
    yield _meta("process_sort_index", SLOTS, 0, sort_index=1)
    yield _meta("process_sort_index", TASKS, 0, sort_index=2)
    for slot in range(1, timeline.slots + 1):
        yield _meta("thread_name", SLOTS, slot, name=f"slot {slot}")
        yield _meta("thread_sort_index", SLOTS, slot, sort_index=slot)
    for number, row in enumerate(timeline.rows, 1):
        yield _meta("thread_name", TASKS, number, name=row.id)
        yield _meta("thread_sort_index", TASKS, number, sort_index=number)


def _meta(kind: str, process: int, thread: int, **told: Any) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "ts": 0, "args": told}


def _of_task(row: Row, number: int) -> Iterator[dict[str, Any]]:
    for segment in row.segments:
        if segment.kind == "attempt":
            yield _slice(
                f"attempt {segment.attempt or 1}", segment.status or "", segment, TASKS, number, _told(row, segment)
            )
            if segment.slot is not None:
                yield _slice(row.id, segment.status or "", segment, SLOTS, segment.slot, _told(row, segment))
        else:
            yield _slice(NAMES[segment.kind], segment.kind, segment, TASKS, number, {})


def _slice(
    name: str, category: str, segment: Segment, process: int, thread: int, told: dict[str, Any]
) -> dict[str, Any]:
    start = _micro(segment.start)
    took = max(0, _micro(segment.end) - start)
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": process,
        "tid": thread,
        "ts": start,
        "dur": took,
        "args": told,
    }


def _told(row: Row, segment: Segment) -> dict[str, Any]:
    told = {
        "task": row.id,
        "title": row.title,
        "specialist": segment.specialist or row.specialist,
        "status": segment.status,
        "error": segment.error,
        "usage": segment.usage,
        "critical": row.critical or None,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _flows(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield an arrow for each dependency, from the last attempt of one task to the first of the other."""
    places = {row.id: (number, row) for number, row in enumerate(timeline.rows, 1)}
    flow = 0
    for number, row in places.values():
        first = next((segment for segment in row.segments if segment.kind == "attempt"), None)
        for need in row.depends_on if first is not None else ():
            thread, other = places.get(need, (0, row))
            last = next((segment for segment in reversed(other.segments) if segment.kind == "attempt"), None)
            if not thread or last is None or first is None or last.end > first.start + 1e-6:
                continue
            flow += 1
            common = {"name": "needs", "cat": "dependency", "id": flow, "pid": TASKS}
            yield {**common, "ph": "s", "tid": thread, "ts": max(_micro(last.start), _micro(last.end) - 1)}
            yield {**common, "ph": "f", "bp": "e", "tid": number, "ts": _micro(first.start)}


def _counters(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yield how many tasks are at work, and how many queue, whenever that changes."""
    changes: dict[int, dict[str, int]] = {}
    for row in rows:
        for segment in row.segments:
            name = {"attempt": "at work", "queued": "queued"}.get(segment.kind)
            if name is not None:
                for moment, by in ((segment.start, 1), (segment.end, -1)):
                    found = changes.setdefault(_micro(moment), {})
                    found[name] = found.get(name, 0) + by
    counts = {"at work": 0, "queued": 0}
    for moment in sorted(changes):
        for name, by in changes[moment].items():
            counts[name] += by
        yield {"ph": "C", "name": "tasks", "pid": SLOTS, "tid": 0, "ts": moment, "args": dict(counts)}


def _micro(seconds: float) -> int:
    return round(seconds * 1_000_000)
