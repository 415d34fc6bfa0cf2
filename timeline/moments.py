"""What is known of a run's course, in seconds since its start: attempts, events, and sessions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from ..graph.history import AttemptRow, EventRow
from .model import Session


class Worked(NamedTuple):
    """An attempt, or the part of one that is known."""

    start: float
    end: float
    queued_s: float
    status: Any
    attempt: int | None = None
    specialist: str | None = None
    error: str | None = None
    usage: Mapping[str, Any] | None = None


class Event(NamedTuple):
    """A moment of a task or of the run."""

    at: float
    kind: str
    details: Mapping[str, Any]


class Moments(NamedTuple):
    """A run's course."""

    zero: float
    """Its start, in seconds since 1970."""
    now: float
    """The moment of the picture."""
    attempts: Mapping[str, Sequence[Worked]]
    """By task, by their start."""
    events: Mapping[str, Sequence[Event]]
    """By task, by their moment."""
    sessions: Sequence[Session]
    is_live: bool

    def left(self, at: float) -> float:
        """Return when the process that was at work at a moment left the run."""
        return next((session.end for session in self.sessions if at <= session.end), self.now)

    def taken_up(self, at: float) -> float:
        """Return when the process that was at work at a moment took the run up."""
        return max((session.start for session in self.sessions if session.start <= at), default=0.0)

    def gap(self, start: float, end: float) -> tuple[float, float] | None:
        """Return from when to when no process was at work between two moments, from the first to the last such time."""
        known = [session.start for session in self.sessions if start < session.start <= end]
        return (max(start, min(self.left(start), known[-1])), known[-1]) if known else None


def moments(
    results: Mapping[str, Mapping[str, Any]],
    attempts: Sequence[AttemptRow],
    events: Sequence[EventRow],
    *,
    now: float,
    is_live: bool,
    is_paused: bool = False,
) -> Moments:
    """Put what is known of a run on one clock, which begins with the run.

    Args:
        results: task id -> `TaskResult` as a dict.
        attempts: those of this run, in any order.
        events: the same.
        now: the moment of the picture, in seconds since 1970.
        is_live: whether a process is at work on the run.
        is_paused: whether it waits for a person; where it is neither, the picture ends with the last that happened.
    """
    started = [seconds(row.started) - row.queued_s for row in attempts]
    noted = [seconds(row.at) for row in events]
    told = [seconds(r["started_at"]) - (r.get("queued_s") or 0.0) for r in results.values() if r.get("started_at")]
    zero = min([*started, *noted, *told], default=now)
    ended = [seconds(row.started) + row.duration_s for row in attempts]
    finished = [seconds(r["finished_at"]) for r in results.values() if r.get("finished_at")]
    last = max([*ended, *finished, *noted, zero])
    end = (max(now, last) if is_live or is_paused else last) - zero
    known = sorted(ended + finished + noted)
    return Moments(
        zero,
        end,
        _attempts(attempts, zero),
        _events(events, zero),
        _sessions(events, [moment - zero for moment in known], zero, end, is_live),
        is_live,
    )


def seconds(moment: str) -> float:
    """Return a moment in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def _attempts(rows: Sequence[AttemptRow], zero: float) -> dict[str, list[Worked]]:
    found: dict[str, list[Worked]] = {}
    for row in sorted(rows, key=lambda row: row.started):
        start = seconds(row.started) - zero
        told = (row.status, row.attempt, row.specialist, row.error, row.usage)
        found.setdefault(row.task_id, []).append(Worked(start, start + row.duration_s, row.queued_s, *told))
    return found


def _events(rows: Sequence[EventRow], zero: float) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for row in sorted(rows, key=lambda row: row.at):
        found.setdefault(row.task_id, []).append(Event(seconds(row.at) - zero, row.kind, row.details))
    return found


def _sessions(
    rows: Sequence[EventRow], known: Sequence[float], zero: float, end: float, is_live: bool
) -> list[Session]:
    """Return when processes were at work; one that died was so until the last thing that is known of it."""
    own = sorted((seconds(row.at) - zero, row.kind) for row in rows if not row.task_id)
    began = [at for at, kind in own if kind == "began"]
    left = [at for at, kind in own if kind == "ended"]
    found = []
    for start, following in zip_longest(began, began[1:]):
        until = end if following is None else following
        ended = next((at for at in left if start <= at <= until), None)
        if ended is None:
            alive = following is None and is_live
            ended = until if alive else max([at for at in known if start <= at < until] or [start])
            ended = end if following is None else ended
        found.append(Session(start=round(start, 6), end=round(ended, 6)))
    return found or [Session(start=0.0, end=end)]
