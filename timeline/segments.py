"""What a task did from the run's start to its end, without gaps. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .model import Segment, SegmentKind, SegmentStatus
from .moments import Event, Moments, Worked, seconds

CLOSE_S = 0.25
"""An event of a start belongs to an attempt that began so shortly before it."""

SHORTEST_S = 0.001
"""A wait that is shorter is the event loop's, and left out."""

SAME_S = 1e-5
"""Moments that are closer are the same: those of sessions are rounded."""

FINAL = ("succeeded", "failed", "timed_out", "skipped", "cancelled")


def segments(task: Mapping[str, Any], result: Mapping[str, Any], run: Moments) -> tuple[Segment, ...]:
    """Return what a task did, in order.

    Args:
        task: the plan's task.
        result: its result; one without an end, where it is not over.
        run: the run's course.
    """
    events = run.events.get(task["id"], ())
    is_final = result["status"] in FINAL
    finished = result.get("finished_at")
    end = seconds(finished) - run.zero if is_final and finished else run.now
    worked = _worked(result, events, run, end, is_final)
    found: list[Segment] = []
    turn = 1
    cursor, before = next((event.at for event in events if event.kind == "added"), 0.0), None
    for one in worked:
        ready = max(cursor, one.start - one.queued_s)
        found += _gap(cursor, ready, before, events, run)
        found += _queued(ready, one.start)
        turn += _begins_anew(one, before)
        found.append(_attempt(task, one, turn))
        cursor, before = max(cursor, one.end), one
    found += _rest(cursor, end, before, events, run, result)
    return tuple(s for s in found if s.end - s.start >= SHORTEST_S or s.kind == "attempt")


def _worked(
    result: Mapping[str, Any], events: Sequence[Event], run: Moments, end: float, is_final: bool
) -> list[Worked]:
    """Return the attempts, those too of which only the start is known."""
    noted = list(run.attempts.get(result["task_id"], ()))
    if not noted and not events and result.get("started_at"):
        start = seconds(result["started_at"]) - run.zero
        took = result["duration_s"] if result["attempts"] <= 1 and result["duration_s"] else max(0.0, end - start)
        return [Worked(start, start + took, result["queued_s"], result["status"], usage=result.get("usage"))]
    for event in events:
        if event.kind == "started" and not any(w.start <= event.at + CLOSE_S and event.at <= w.end for w in noted):
            following = min((w.start for w in noted if w.start > event.at), default=run.now)
            until = min(following, run.left(event.at), end)
            asked = next((e.at for e in events if e.kind == "paused" and event.at <= e.at <= until), None)
            noted.append(_unended(event, asked, until, events, result if is_final else None, following < run.now, run))
    return sorted(noted, key=lambda one: one.start)


def _unended(
    event: Event,
    asked: float | None,
    until: float,
    events: Sequence[Event],
    result: Mapping[str, Any] | None,
    is_followed: bool,
    run: Moments,
) -> Worked:
    status = "interrupted"
    if asked is not None:
        status = "asked"
    elif result is not None and not is_followed:
        status = result["status"]
    elif run.is_live and until >= run.now - SAME_S:
        status = "running"
    number = event.details.get("attempt")
    end = max(event.at, asked if asked is not None else until)
    return Worked(event.at, end, event.at - _ready(event.at, events, run), status, number)


def _ready(at: float, events: Sequence[Event], run: Moments) -> float:
    """Return since when an attempt that began at a moment had queued."""
    since = run.taken_up(at)
    queued = [event.at for event in events if event.kind == "queued" and since <= event.at <= at]
    return min(at, max([*queued, *_backed_off(events, since, at)], default=at))


def _backed_off(events: Sequence[Event], start: float, end: float) -> list[float]:
    """Return when waits for another attempt were over that began in a stretch of time."""
    failed = [event for event in events if event.kind == "failed" and start <= event.at <= end]
    return [event.at + (event.details.get("retry_in_s") or 0.0) for event in failed]


def _begins_anew(one: Worked, before: Worked | None) -> bool:
    """Tell whether a task's attempts are counted from 1 again, as after `fanwise retry`."""
    if before is None or before.status == "asked" or one.attempt is None or before.attempt is None:
        return False
    return one.attempt <= before.attempt


def _attempt(task: Mapping[str, Any], one: Worked, turn: int) -> Segment:
    return Segment(
        kind="attempt",
        start=_round(one.start),
        end=_round(one.end),
        open=one.status == "running",
        status=cast(SegmentStatus, one.status),
        attempt=one.attempt,
        turn=turn,
        specialist=one.specialist if one.specialist != task["specialist"] else None,
        error=one.error,
        usage=None if one.usage is None else dict(one.usage),
    )


def _gap(start: float, end: float, before: Worked | None, events: Sequence[Event], run: Moments) -> Iterator[Segment]:
    """Yield what a task did between two attempts, or before the first."""
    if before is not None and before.status != "asked" and (gap := run.gap(start, end)) is not None:
        yield from _left(before, start, gap, events)
        start, before = gap[1], None
    paused = next((e.at for e in events if e.kind == "paused" and start - CLOSE_S <= e.at <= end), None)
    failed = before is not None and before.status in ("failed", "timed_out")
    kind: SegmentKind = "dependencies" if before is None else "backoff" if failed else "paused"
    if before is not None and before.status == "interrupted":
        kind = "stopped"
    if paused is not None:
        yield _segment(kind, start, max(start, paused))
        start, kind = max(start, paused), "paused"
    yield _segment(kind, start, end)


def _left(before: Worked, start: float, gap: tuple[float, float], events: Sequence[Event]) -> Iterator[Segment]:
    """Yield what a task did from an attempt until its run was taken up again; nothing at first, if it was over."""
    paused = next((e.at for e in events if e.kind == "paused" and start - CLOSE_S <= e.at <= gap[1]), None)
    if paused is not None:
        yield _segment("paused", max(start, paused), gap[1])
        return
    if before.status in ("failed", "timed_out") and _backed_off(events, before.end - CLOSE_S, gap[0]):
        yield _segment("backoff", start, min(gap[0], max(_backed_off(events, before.end - CLOSE_S, gap[0]))))
    yield _segment("stopped", max(start, gap[0]), gap[1])


def _queued(start: float, end: float) -> Iterator[Segment]:
    yield _segment("queued", start, max(start, end))


def _rest(
    cursor: float,
    end: float,
    before: Worked | None,
    events: Sequence[Event],
    run: Moments,
    result: Mapping[str, Any],
) -> Iterator[Segment]:
    """Yield what a task did after its last attempt."""
    is_open = result["status"] not in FINAL
    if is_open and before is not None and before.status != "asked" and (gap := run.gap(cursor, end)) is not None:
        yield from _left(before, cursor, gap, events)
        cursor, before, events = gap[1], None, [event for event in events if event.at >= gap[1]]
    paused = next((e.at for e in events if e.kind == "paused" and e.at >= cursor - CLOSE_S), None)
    if result.get("reviews"):
        end = max([end, *(seconds(review["at"]) - run.zero for review in result["reviews"] if review["at"])])
    if paused is not None and (before is None or is_open or result.get("reviews")):
        yield _segment("dependencies" if before is None else "stopped", cursor, paused)
        yield _segment("paused", max(cursor, paused), end, is_open)
    elif before is not None and not is_open:
        return
    elif before is None and result.get("reviews") and not is_open:
        yield _segment("paused", cursor, end)
    elif before is None:
        yield from _waiting(cursor, end, events, run, is_open)
    elif run.is_live and before.status != "running":
        yield from _again(before, end, events)


def _waiting(start: float, end: float, events: Sequence[Event], run: Moments, is_open: bool) -> Iterator[Segment]:
    """Yield the waits of a task that has not begun."""
    is_open = is_open and run.is_live
    queued = next((e.at for e in reversed(events) if e.kind == "queued"), None)
    if queued is None or not is_open:
        yield _segment("dependencies", start, end, is_open)
        return
    yield _segment("dependencies", start, queued)
    yield _segment("queued", queued, end, True)


def _again(before: Worked, end: float, events: Sequence[Event]) -> Iterator[Segment]:
    """Yield the wait for the next attempt, while the run goes on."""
    if before.status not in ("failed", "timed_out"):
        return
    told = [e.at for e in events if e.kind == "queued" and e.at > before.end + CLOSE_S]
    over = [at for at in _backed_off(events, before.end - CLOSE_S, end) if at < end]
    queued = min([*told, *over], default=None)
    yield _segment("backoff", before.end, end if queued is None else queued, queued is None)
    if queued is not None:
        yield _segment("queued", queued, end, True)


def _segment(kind: SegmentKind, start: float, end: float, is_open: bool = False) -> Segment:
    return Segment(kind=kind, start=_round(start), end=_round(max(start, end)), open=is_open)


def _round(value: float) -> float:
    return round(value, 6)
