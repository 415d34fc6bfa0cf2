"""What flows through the graph, and the public names of plans, results and errors.

State values are JSON-native dicts, so that any checkpointer can hold them and Studio can show them; the pydantic models
stand at the borders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from langchain_core.messages import AnyMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph.message import add_messages
from pydantic import Field
from typing_extensions import TypedDict  # of Python 3.11's own, pydantic makes no schema

from .reducers import add_usage, append_new, last, merge_results
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
    messages: Annotated[list[AnyMessage], add_messages]
    """A conversation: the last human message is the request, where there is none; the summary is the reply to it."""
    workflow: str
    """Name or alias of a workflow."""
    params: dict[str, Any]
    """The workflow's parameters by name."""
    plan: dict[str, Any]
    """A plan, as in a plan file."""


def whole_input(given: Any) -> Any:
    """Return the input of a run with what it leaves out cleared: a thread can hold one run after another.

    Whatever is no such input (`None`, a `Command`, a mapping with none of these fields) is returned as it is.
    """
    if not isinstance(given, Mapping) or not any(name in given for name in (*_CLEARED, "messages")):
        return given
    return {**{name: kind() for name, kind in _CLEARED.items()}, **given}


_CLEARED: dict[str, type] = {"request": str, "workflow": str, "params": dict, "plan": dict}


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
    messages: Annotated[list[AnyMessage], add_messages]
    """The conversation, where the run was started with one, with the summary as its last message."""


class State(TypedDict, total=False):
    """The graph's state."""

    request: str
    messages: Annotated[list[AnyMessage], add_messages]
    """The conversation, where there is one."""
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
    round: int
    """Counted from 1, which is the plan itself; each time that tasks are added begins another."""
    added_tasks: list[str]
    """Tasks that the last round added, by id."""
    rounds_over: str | None
    """Why no model is asked for further tasks any more; `None` while one may be."""
    planner_reply: str
    """What the planner answers where nothing is to be done."""
    left_out: int
    """How many tasks that a model planned are not in the plan, since they would not do."""
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
    usage: Annotated[dict[str, Any], add_usage]
    """Tokens and cost of the graph's own nodes, by their names; tasks have theirs in their results."""
    currency: str
    """What costs are in; empty where the price table does not say, or there is none."""
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


def _shown(title: str, description: str, *nodes: str, **rules: Any) -> Any:
    """Return how Studio and other forms show a field: its title, what it does, and the nodes that it is for."""
    return Field(title=title, description=description, json_schema_extra={"langgraph_nodes": list(nodes)}, **rules)


Seconds = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int | None, Field(ge=1)]


@dataclass(frozen=True)
class RunContext:
    """Options of one invocation; what is set here wins over the plan's configuration."""

    max_parallel: Annotated[Count, _shown("Parallel tasks", "Tasks that work at the same time.", "planner")] = None
    """Tasks that work at the same time."""
    timeout_s: Annotated[
        Seconds, _shown("Time-out", "Seconds for each attempt, where its task sets none.", "planner")
    ] = None
    """Seconds for each attempt's own work, for tasks that do not set their own."""
    deadline_s: Annotated[Seconds, _shown("Deadline", "Seconds for the run; what is left is cancelled.", "planner")] = (
        None
    )
    """Seconds for the run, from the start of this invocation."""
    deadline_at: float | None = None
    """When the run has to end, in seconds since the epoch, in place of what it was started with."""
    schedule: Annotated[
        Schedule | None, _shown("Schedule", "dataflow: each task starts once what it needs is there.", "planner")
    ] = None
    """`dataflow` or `phased`."""
    max_rounds: Annotated[
        Count, _shown("Rounds", "After each round but the last, the model may add tasks.", "planner", "replan")
    ] = None
    """Rounds in all: after each but the last, the model may add tasks."""
    max_tokens: Annotated[Count, _shown("Token budget", "Tokens of models that the run may use.", "planner")] = None
    """Tokens of models that the run may use."""
    max_cost: Annotated[
        Annotated[float | None, Field(ge=0, allow_inf_nan=False)],
        _shown("Cost budget", "What models may cost, in the currency of the price table.", "planner"),
    ] = None
    """Money that they may cost, in the price table's currency."""
    cache_plan: Annotated[
        bool, _shown("Cache plans", "Use the plan again that a model made of the same request before.", "planner")
    ] = False
    """Whether a request gets the plan that it got before, from the same model and specialists; needs a store."""
    review: Annotated[
        Literal["plan"] | None,
        _shown("Review", "plan: a person looks at the plan before anything runs.", "planner", "review_plan"),
    ] = None
    """`plan`: a person looks at the plan before anything runs."""
    estimates: Mapping[str, Mapping[str, float]] | None = None
    """What is known of specialists' times: specialist -> `{"p50", "p95", "n"}`; `execute` reads it from the history."""
    events: Annotated[
        str | None, _shown("Event log", "The log that a request asks about: a file or a folder.", "planner", "analyst")
    ] = None
    """Where the event log is that a request asks about."""
