"""A run as a picture of it needs it: rows of segments in seconds, edges, slots, and the critical path."""

from __future__ import annotations

from typing import Any, Literal

from ..schema.results import Record, Review, RunStatus, TaskStatus

SegmentKind = Literal["dependencies", "queued", "attempt", "backoff", "paused", "stopped"]
"""What a task did for a while: wait for its dependencies, for a slot, for another attempt or for a person; work; or
nothing, since no process was at work on the run."""

SegmentStatus = Literal["running", "succeeded", "failed", "timed_out", "cancelled", "skipped", "asked", "interrupted"]
"""How an attempt ended: `asked` put a question to a person, `interrupted` ended with its process."""


class Segment(Record):
    """What a task did from one moment to another."""

    kind: SegmentKind
    start: float
    """Seconds since the run's start."""
    end: float
    """The same; the moment of the picture, where it is not over."""
    open: bool = False
    """Whether it is not over."""
    status: SegmentStatus | None = None
    """Of an attempt."""
    attempt: int | None = None
    """Its number, counted from 1."""
    turn: int = 1
    """Of an attempt: counted from 1, one more each time the task's attempts are counted anew, as after a retry."""
    specialist: str | None = None
    """Who worked, where that is not the task's own."""
    error: str | None = None
    slot: int | None = None
    """Of an attempt: its slot, counted from 1. Slots are numbered by the picture: the first that is free."""
    usage: dict[str, Any] | None = None


class Text(Record):
    """A value as a person reads it: text as it is, all else as indented JSON."""

    text: str
    left_out: int = 0
    """Characters that were cut off."""


class Row(Record):
    """One task."""

    id: str
    title: str = ""
    description: str = ""
    specialist: str
    status: TaskStatus
    phase: int
    """Counted from 1: one more than the latest phase of its dependencies."""
    depends_on: tuple[str, ...] = ()
    aggregate: str | None = None
    """The strategy by which it combines others."""
    segments: tuple[Segment, ...] = ()
    start: float | None = None
    """Seconds from the run's start to its first attempt."""
    end: float | None = None
    """The same to its end."""
    queued_s: float = 0.0
    duration_s: float = 0.0
    attempts: int = 0
    critical: bool = False
    """Whether it is on the critical path."""
    error: str | None = None
    input: Text | None = None
    output: Text | None = None
    usage: dict[str, Any] | None = None
    reviews: tuple[Review, ...] = ()
    remote: str = ""
    """Where a remote specialist worked at it, in words."""
    fallback: bool = False
    by_choice: bool = False
    let_go: tuple[str, ...] = ()
    x: float = 0.0
    """Where its box in the task graph begins."""
    y: float = 0.0


class Session(Record):
    """A time in which a process was at work on the run."""

    start: float
    end: float


class Graph(Record):
    """The size of the drawn task graph."""

    width: float
    height: float
    box_width: float
    box_height: float


class Figures(Record):
    """What stands above the picture; times are seconds."""

    at_work_s: float = 0.0
    """In which a task worked, queued or was about to try again: the run's length, without breaks."""
    was_left: bool = False
    """Whether there were breaks: a question to a person, or no process at work."""
    work_s: float = 0.0
    """Sum of what the attempts took."""
    speedup: float | None = None
    """`work_s / at_work_s`; `null` where nothing worked."""
    critical_path_s: float = 0.0


class Timeline(Record):
    """One run, as far as it is known; times are seconds since its start."""

    thread_id: str
    name: str
    """The plan's name."""
    request: str = ""
    status: RunStatus
    started_at: str | None = None
    """ISO 8601 in UTC; `null` where nothing has begun."""
    length_s: float = 0.0
    """From the start to the last end, or to the moment of the picture."""
    rows: tuple[Row, ...] = ()
    """In the plan's order."""
    critical: tuple[str, ...] = ()
    """Ids along the critical path, first to last."""
    slots: int = 0
    """Attempts that worked at the same time, at most."""
    max_parallel: int | None = None
    """Slots that there were; `null` for no limit."""
    sessions: tuple[Session, ...] = ()
    figures: Figures = Figures()
    """Those of the report where the run is over and had no breaks; else counted from the segments, up to now."""
    metrics: dict[str, Any]
    """As the run's report has them."""
    graph: Graph
    summary: str = ""
    warnings: tuple[str, ...] = ()
    has_data: bool = True
    """Whether inputs, outputs, errors and the summary are in it."""

    @property
    def is_live(self) -> bool:
        """Whether a process is at work on the run."""
        return self.status == "running"
