"""What flows through the graph, and the public names of plans, results and errors.

State values are JSON-native dicts, so that any checkpointer can hold them and Studio can show them; the pydantic models
stand at the borders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langgraph.channels.delta import DeltaChannel

from .reducers import append_new, last, merge_results
from .schema.aggregate import Aggregate
from .schema.errors import EventsError, FanwiseError, PlanError, Problem, RunError
from .schema.plan import Plan, Task
from .schema.policy import Fallback, PlanConfig, Retry, Schedule, TaskPolicy
from .schema.results import CheckReport, Decision, Finding, Metrics, Report, Review, Summary, TaskResult, TaskStatus
from .schema.skip import Skip

__all__ = [
    "Aggregate",
    "CheckReport",
    "Decision",
    "EventsError",
    "Fallback",
    "FanwiseError",
    "Finding",
    "Input",
    "Metrics",
    "Output",
    "Plan",
    "PlanConfig",
    "PlanError",
    "Problem",
    "Report",
    "Retry",
    "Review",
    "RunContext",
    "RunError",
    "Skip",
    "State",
    "Summary",
    "Task",
    "TaskPolicy",
    "TaskResult",
    "TaskStatus",
]


SNAPSHOT_EVERY = 1000
"""Changes of a channel after which a checkpoint holds it whole again: the more, the smaller the database of a run with
many supersteps, and the longer it takes to read its state."""


class Input(TypedDict, total=False):
    """What a run is started with: a request, or a named workflow, or a plan."""

    request: str
    """What is asked, in words; the summary answers it."""
    workflow: str
    """Name or alias of a workflow."""
    params: dict[str, Any]
    """The workflow's parameters by name."""
    plan: dict[str, Any]
    """A plan, as in a plan file."""


class Output(TypedDict, total=False):
    """What a run ends with."""

    status: str
    """`succeeded`, `partial`, `failed` or `cancelled`."""
    summary: dict[str, Any]
    """A `Summary`."""
    results: dict[str, Any]
    """A `TaskResult` for each task id, in plan order."""
    metrics: dict[str, Any]
    """A `Metrics`."""
    warnings: list[str]
    """What did not go as it should, but harmed nothing."""


class State(TypedDict, total=False):
    """The graph's state."""

    request: str
    workflow: str
    params: dict[str, Any]
    plan: Annotated[dict[str, Any], DeltaChannel(last, snapshot_frequency=SNAPSHOT_EVERY)]
    """The validated plan; only what was set is in it."""
    chosen: str
    """How the plan was chosen, in a sentence, where a request's words chose it."""
    run_id: str
    """Made anew by the planner; tells this run's supersteps from those of other runs."""
    superstep: int
    """Supersteps of specialists that have ended."""
    deadline_at: float | None
    """When the run has to end, in seconds since the epoch."""
    review_until: str | None
    """When nobody needs to answer the question about the plan any more, ISO 8601 in UTC."""
    rejected: str | None
    """Why a person rejected the plan; `None` if nobody did."""
    estimates: dict[str, dict[str, float]]
    """Seconds that successful attempts took before: specialist -> `{"p50", "p95", "n"}`; see `graph.estimates`."""
    groups: dict[str, int]
    """How often a task was asked to be done again, by its id."""
    results: Annotated[dict[str, Any], DeltaChannel(merge_results, snapshot_frequency=SNAPSHOT_EVERY)]
    warnings: Annotated[list[str], append_new]
    status: str
    summary: dict[str, Any]
    metrics: dict[str, Any]


class BatchState(TypedDict, total=False):
    """The state of a batch: a part of a large superstep."""

    sends: list[dict[str, Any]]
    """One payload for each task."""
    shared: dict[str, Any]
    """What all of them are told about the run."""
    results: Annotated[dict[str, Any], DeltaChannel(merge_results, snapshot_frequency=SNAPSHOT_EVERY)]
    warnings: Annotated[list[str], append_new]


class BatchOutput(TypedDict, total=False):
    """What a batch writes to the run's state."""

    results: dict[str, Any]
    warnings: list[str]


@dataclass(frozen=True)
class RunContext:
    """Options of one invocation; what is set here wins over the plan's configuration."""

    max_parallel: int | None = None
    """Tasks that work at the same time."""
    timeout_s: float | None = None
    """Seconds for each attempt's own work, for tasks that do not set their own."""
    deadline_s: float | None = None
    """Seconds for the run, from the start of this invocation."""
    deadline_at: float | None = None
    """When the run has to end, in seconds since the epoch, in place of what it was started with."""
    schedule: Schedule | None = None
    """`dataflow` or `phased`."""
    review: Literal["plan"] | None = None
    """`plan`: a person looks at the plan before anything runs."""
    estimates: Mapping[str, Mapping[str, float]] | None = None
    """What is known of specialists' times: specialist -> `{"p50", "p95", "n"}`; `execute` reads it from the history."""
    events: str | None = None
    """Where the event log is that a request asks about."""
