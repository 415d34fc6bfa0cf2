"""What a run yields: the result of each task, the summary, the metrics and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

TaskStatus = Literal["pending", "running", "succeeded", "failed", "timed_out", "skipped", "cancelled", "paused"]
"""Where a task stands; the last six are final for a finished run, `paused` for one that waits for a person."""

RunStatus = Literal["succeeded", "partial", "failed", "paused", "cancelled", "interrupted", "running"]
"""How a run ended (`cancelled`: its plan was rejected); or that it waits for a person (`paused`), was stopped and can
be resumed (`interrupted`), or is at work in some process (`running`)."""

Severity = Literal["low", "medium", "high", "critical"]
"""How much a finding or a summary matters."""


DecisionType = Literal["approve", "edit", "reject", "respond"]
"""What a person may decide, in the words of LangChain's human-in-the-loop middleware."""


class Record(BaseModel):
    """Base of the models that are read, never edited."""

    model_config = ConfigDict(frozen=True)


class Decision(Record):
    """What a person decided."""

    type: DecisionType
    message: str = ""
    """A reason, or a comment for the next attempt."""
    args: dict[str, Any] | None = None
    """With `edit`: the edited arguments."""
    by_default: bool = False
    """Whether nobody decided, and the default was taken."""


class Review(Record):
    """One decision about a task, as its result tells it."""

    when: Literal["before", "after"]
    decision: DecisionType
    message: str = ""
    by_default: bool = False
    """Whether nobody decided in time."""
    at: str | None = None
    """When it came to use, ISO 8601 in UTC."""
    input: JsonValue = None
    """The input that took the plan's place, where it was edited."""
    replaced: JsonValue = None
    """The output that was edited or rejected, or done again; `null` if it is large."""


class OutputRef(Record):
    """Where a large output is kept."""

    key: str
    """SHA-256 of the output as JSON; the key in the store's namespace of the run."""
    bytes: int
    """Its size as JSON."""


class RemotePlace(Record):
    """Where a task's work was on another deployment."""

    url: str
    graph: str
    """The graph's name there, or an assistant's id."""
    thread_id: str
    run_id: str | None = None
    """The last run on that thread; `null` where none began."""
    moved_from: tuple[str, ...] = ()
    """Deployments that had the work before, and were gone."""

    def __str__(self) -> str:
        run = f", run {self.run_id}" if self.run_id else ""
        moved = f"; moved there from {', '.join(self.moved_from)}" if self.moved_from else ""
        return f"{self.url}: graph {self.graph}, thread {self.thread_id}{run}{moved}"


class TaskResult(Record):
    """What became of one task. A failed task is a result like any other."""

    task_id: str
    specialist: str
    status: TaskStatus
    output: JsonValue = None
    """What the specialist returned (or the fallback's value); `null` unless `status` is `succeeded`."""
    error: str | None = None
    """Why it did not succeed; after a fallback, what the fallback replaced."""
    attempts: int = 0
    queued_s: float = 0.0
    """Seconds between the moment its dependencies were there and its first start."""
    duration_s: float = 0.0
    """Seconds of work, all attempts together, without waits."""
    started_at: str | None = None
    """ISO 8601 in UTC."""
    finished_at: str | None = None
    usage: dict[str, Any] | None = None
    """Tokens and cost, where a model was used."""
    fallback: bool = False
    """Whether the output is the fallback's."""
    output_ref: OutputRef | None = None
    """Where the output is, if it is too large to stand here; `output` is `null` then."""
    remote: RemotePlace | None = None
    """Where its work was last, if a remote specialist did it."""
    reviews: tuple[Review, ...] = ()
    """What a person decided about it, in order."""

    by_choice: bool = False
    """Whether the plan or the task itself chose that it should not run, or not to its end: its `when` was not true, its
    specialist had nothing to do, it is for failures and nothing failed, or what it was for went on without it. Such a
    task does not count against the run."""
    no_occasion: bool = False
    """Whether it was skipped since there was nothing for it to do: its `run_if` is `one_failed`, and no dependency
    failed; or it depends on such tasks alone."""
    let_go: tuple[str, ...] = ()
    """Tasks that were cancelled because this one went on without them."""
    proposed: tuple[str, ...] = ()
    """Tasks that it proposed, by id; those that were added are in the plan, a warning tells of those that were not."""

    @property
    def ok(self) -> bool:
        """Whether the task succeeded."""
        return self.status == "succeeded"


NO_OCCASION = "no_occasion"
"""How a task stands that was skipped since there was nothing for it to do: nobody has to do without it."""


def standing(result: Mapping[str, Any]) -> str:
    """Return the status by which those that depend on a task judge it.

    Skipped by its own choice is as good as done. `NO_OCCASION` is no obstacle to those that depend on others too.
    """
    status: str = result["status"]
    if status != "skipped" or not result.get("by_choice"):
        return status
    return NO_OCCASION if result.get("no_occasion") else "succeeded"


class Finding(Record):
    """One thing that a check noticed, with the numbers that show it."""

    kind: str
    """What it is, as a stable slug: `host_silent`, `clock_skew`, `error_burst`, ..."""
    title: str
    """One sentence with the subject and the number that matters."""
    severity: Severity
    subject: str | None = None
    """Host, source or source type that it is about."""
    detail: str = ""
    """A sentence or two more: since when, compared to what."""
    numbers: dict[str, Any] = Field(default_factory=dict)
    """The figures behind the title, by name; times in ISO 8601 UTC, durations in seconds."""
    start: str | None = None
    """Start of the time range, ISO 8601 UTC."""
    end: str | None = None
    evidence: tuple[str, ...] = ()
    """Example lines, `file:line: text`, at most five."""
    confidence: float = Field(1.0, ge=0, le=1)
    impact: str = ""
    """What it means for the people who rely on the system."""
    recommendation: str = ""
    """What to do next, as an instruction."""
    task_id: str | None = None
    """The task that found it; filled in by the summary."""


class CheckReport(Record):
    """What a check returns: findings, the figures it looked at, or why it does not apply here."""

    check: str
    status: Literal["ok", "findings", "not_applicable"]
    findings: tuple[Finding, ...] = ()
    stats: dict[str, Any] = Field(default_factory=dict)
    """What was looked at, by name: JSON values."""
    reason: str = ""
    """With `not_applicable`: what is missing."""


class Summary(Record):
    """The one answer a person reads."""

    text: str
    severity: Severity | None = None
    findings: tuple[Finding, ...] = ()
    """Ranked, the most severe and most certain first."""
    recommendations: tuple[str, ...] = ()
    impact: str = ""
    not_checked: tuple[str, ...] = ()
    """What failed, was skipped or does not apply here, each with its reason."""
    citations: tuple[str, ...] = ()
    """Ids of the tasks that a model's text cites, in order; empty without a model."""
    by_model: str | None = None
    """The model that wrote the text; `null` where none did."""


class Metrics(Record):
    """Counts and times of one run; times are seconds."""

    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    skipped: int = 0
    cancelled: int = 0
    makespan_s: float = 0.0
    """From the first start to the last end."""
    sequential_s: float = 0.0
    """Sum of the tasks' own durations."""
    speedup: float | None = None
    """`sequential_s / makespan_s`; `null` where nothing ran."""
    critical_path_s: float = 0.0
    """The longest chain of dependent tasks, by what they really took; without those that were let go."""
    supersteps: int = 0
    """Supersteps in which specialists ran."""
    usage: dict[str, Any] | None = None
    """Tokens and cost of the run's models, added up; `null` where none was used."""
    usage_by: dict[str, Any] = Field(default_factory=dict)
    """The same by specialist, and by `planner` and `synthesizer`."""
    currency: str = ""
    """What costs are in, as the price table says."""


class PendingInterrupt(Record):
    """A question that waits for a person."""

    id: str
    task_id: str | None = None
    value: Any = None


class Report(Record):
    """A run as one object: what `fanwise run --json` prints and `run()` returns."""

    thread_id: str
    status: RunStatus
    summary: Summary
    results: dict[str, TaskResult]
    """By task id, in plan order."""
    metrics: Metrics
    interrupts: tuple[PendingInterrupt, ...] = ()
    answered: tuple[PendingInterrupt, ...] = ()
    """Questions whose answers are kept, and come to use when the run is gone on with."""
    warnings: tuple[str, ...] = ()
    left_out: int = 0
    """How many tasks that a model planned are not in the plan, since they would not do; warnings name them."""
