"""The events that a run puts on LangGraph's custom stream (`stream_mode="custom"`), as they happen."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class RunStarted(TypedDict):
    """The plan is there."""

    type: Literal["run_started"]
    total: int
    """Tasks in the plan."""
    plan: str
    """The plan's name; a workflow's, where one was chosen."""
    why: str
    """How it was chosen, in a sentence; empty for a plan that was given."""
    run_id: str
    """Made anew for each run; a thread can hold one run after another."""


class RoundStarted(TypedDict):
    """Tasks were added to the plan, once there was nothing of it left to run."""

    type: Literal["round_started"]
    round: int
    """Counted from 1, which is the plan itself."""
    tasks: list[str]
    """The tasks that were added, by id."""
    total: int
    """Tasks in the plan now."""
    why: str
    """In a sentence; may be empty."""


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
    ahead_s: NotRequired[float]
    """Seconds ago that it really began, where that was before the plan was whole."""


class AttemptEnded(TypedDict):
    """An attempt is over. One that asked a person, or was stopped with its process, tells nothing."""

    type: Literal["attempt_ended"]
    task_id: str
    specialist: str
    """Who worked; the fallback's, where it took the task over."""
    attempt: int
    status: Literal["succeeded", "failed", "timed_out", "cancelled", "skipped"]
    """`skipped` where the specialist said that there is nothing to do."""
    error: str | None
    """The kind of error: the exception's type."""
    started_at: str
    """ISO 8601 in UTC."""
    queued_s: float
    """Seconds that it waited for its slot: since the dependencies were there, or since its pause was over."""
    duration_s: float
    usage: NotRequired[dict[str, Any]]
    """Tokens and cost, where a model was used."""


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
    remote: NotRequired[str]
    """The graph and its address, where the task's run on another deployment asks."""


class TaskFinished(TypedDict):
    """A task has its result."""

    type: Literal["task_finished"]
    task_id: str
    specialist: str
    status: str
    error: str | None
    duration_s: float
    completed: int
    """Tasks of the run that have a result, this one included."""
    total: int


class TaskText(TypedDict):
    """A piece of what a model says in an attempt, where it is asked for. A failed attempt's pieces do not hold."""

    type: Literal["task_text"]
    task_id: str
    attempt: int
    text: str


class TaskGaveResult(TypedDict):
    """A task's result, where it is asked for; it comes before the `task_finished` that counts it."""

    type: Literal["task_result"]
    task_id: str
    result: dict[str, Any]
    """As in the run's report; an output that is kept apart is whole here."""


class PoolChanged(TypedDict):
    """Fewer, or more, tasks are let through to a pool or a specialist."""

    type: Literal["pool_changed"]
    pool: str
    limit: int | None
    """Tasks that work at the same time; `None` for no limit of this kind any more."""
    why: str


class TaskProgress(TypedDict):
    """What a task's own graph, on another deployment, says while it works."""

    type: Literal["task_progress"]
    task_id: str
    attempt: int
    data: Any
    """As the graph wrote it to its custom stream."""


class TaskMoved(TypedDict):
    """A task's work goes on at another deployment, or begins anew there, since its own is gone."""

    type: Literal["task_moved"]
    task_id: str
    attempt: int
    url: str
    """Where it was."""
    why: str


class DeploymentChanged(TypedDict):
    """A deployment is given no more work, or is given work again."""

    type: Literal["deployment_changed"]
    url: str
    live: bool
    why: str
    """Empty where it is live."""
    wait_s: NotRequired[float]
    """Seconds that tasks wait for it at most, where no other deployment is there for them."""


class BudgetUsed(TypedDict):
    """The run has used up its budget: what runs ends, nothing more starts."""

    type: Literal["budget_used"]
    why: str


class SummaryText(TypedDict):
    """A piece of the summary, as a model writes it: all pieces, put together, are the summary's text."""

    type: Literal["summary_text"]
    text: str


class SummaryRestarted(TypedDict):
    """The pieces so far do not hold: the model's stream broke off, or it failed. The summary begins anew."""

    type: Literal["summary_restarted"]
    why: str


class RunFinished(TypedDict):
    """The summary is there."""

    type: Literal["run_finished"]
    status: str


ProgressEvent = (
    RunStarted
    | RoundStarted
    | TaskQueued
    | TaskStarted
    | AttemptEnded
    | AttemptFailed
    | TaskPaused
    | TaskFinished
    | TaskText
    | TaskGaveResult
    | TaskProgress
    | TaskMoved
    | PoolChanged
    | DeploymentChanged
    | BudgetUsed
    | SummaryText
    | SummaryRestarted
    | RunFinished
)
"""Any of the events; `type` tells which."""
