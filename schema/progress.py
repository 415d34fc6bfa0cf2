"""The events that a run puts on LangGraph's custom stream (`stream_mode="custom"`), as they happen."""

from __future__ import annotations

from typing import Literal, TypedDict


class RunStarted(TypedDict):
    """The plan is there."""

    type: Literal["run_started"]
    total: int
    """Tasks in the plan."""
    plan: str
    """The plan's name; a workflow's, where one was chosen."""
    why: str
    """How it was chosen, in a sentence; empty for a plan that was given."""


class TaskQueued(TypedDict):
    """A task's dependencies are there; it waits for a slot."""

    type: Literal["task_queued"]
    task_id: str


class TaskStarted(TypedDict):
    """An attempt began."""

    type: Literal["task_started"]
    task_id: str
    attempt: int
    """Counted from 1."""


class AttemptFailed(TypedDict):
    """An attempt failed, and another one follows."""

    type: Literal["attempt_failed"]
    task_id: str
    attempt: int
    error: str
    retry_in_s: float


class TaskPaused(TypedDict):
    """A task waits for a person."""

    type: Literal["task_paused"]
    task_id: str
    review: str | None
    """`before` or `after`; `None` for a question of the specialist's own."""


class TaskFinished(TypedDict):
    """A task has its result."""

    type: Literal["task_finished"]
    task_id: str
    status: str
    error: str | None
    duration_s: float
    completed: int
    """Tasks of the run that have a result, this one included."""
    total: int


class RunFinished(TypedDict):
    """The summary is there."""

    type: Literal["run_finished"]
    status: str


ProgressEvent = RunStarted | TaskQueued | TaskStarted | AttemptFailed | TaskPaused | TaskFinished | RunFinished
"""Any of the events; `type` tells which."""
