"""Plans: the tasks of a run, what they wait for, and the policy of each.

These models are the border. They refuse what does not fit with a `PlanError` that lists every problem; inside the
graph a plan is the plain dict that `Plan.to_state` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ModelWrapValidatorHandler, model_validator

OnFailure = Literal["continue", "soft"]
"""What a failed task does to the run: `continue` runs whatever can run; `soft` also accepts `min_success` successes."""

Schedule = Literal["dataflow", "phased"]
"""`dataflow`: a task starts when its own dependencies are done; `phased`: when its whole phase is sent."""

RunIf = Literal["all_success", "all_done", "one_success", "one_failed", "none_failed", "always"]
"""When a task may start, given its dependencies; names and meanings are Airflow's trigger rules."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A positive, finite number of seconds."""

MAX_TASKS = 10_000
"""Tasks in a plan unless the caller raises it."""

MAX_BYTES = 16 * 2**20
"""Bytes in a plan file unless the caller raises it."""


class Strict(BaseModel):
    """Base of the plan's models: unknown fields are refused, values are not coerced across types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Retry(Strict):
    """Further attempts after a failed or timed-out one: exponential backoff, capped, with full jitter."""

    max_attempts: int = Field(1, ge=1, le=100)
    """Attempts in all, the first one counted."""
    initial_s: float = Field(0.5, ge=0, allow_inf_nan=False)
    """Seconds before the second attempt."""
    backoff: float = Field(2.0, ge=1, le=100, allow_inf_nan=False)
    """Factor by which each wait is longer than the one before."""
    max_s: float = Field(60.0, ge=0, allow_inf_nan=False)
    """The longest wait, in seconds."""
    jitter: bool = True
    """Whether a wait is drawn evenly between 0 and its length (so that many clients do not retry in step)."""


class Fallback(Strict):
    """What takes a task's place once its last attempt has failed: a value, or another specialist."""

    output: JsonValue = None
    """The value that becomes the task's output."""
    specialist: str | None = None
    """The specialist that is asked instead, with the same input and dependency results."""


class TaskPolicy(Strict):
    """How one task is run. What is not set here comes from the plan's `config`, then from the caller's defaults."""

    timeout_s: Seconds | None = None
    """Seconds for each attempt's own work, not counting any wait; `null` for no limit."""
    retry: Retry | None = None
    """Further attempts; `null` for one attempt."""
    fallback: Fallback | None = None
    """What takes the task's place when its last attempt failed or timed out."""
    required: bool = True
    """Whether the run can only succeed, wholly or in part, if this task does."""
    run_if: RunIf = "all_success"
    """When the task may start, given how its dependencies ended."""
    estimated_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Expected seconds of work, for ordering and for `explain`."""


class Task(TaskPolicy):
    """One piece of work for one specialist."""

    id: str = Field(min_length=1, max_length=200)
    """Name of the task, unique in its plan."""
    specialist: str = Field(min_length=1, max_length=200)
    """Name of the specialist that does it."""
    description: str = ""
    """What the task is to do, in words."""
    input: JsonValue = Field(default_factory=dict)
    """What the specialist is given; most want an object."""
    depends_on: tuple[str, ...] = ()
    """Ids of the tasks whose results this one needs."""


class PlanConfig(Strict):
    """Limits and strategy of the run; what is not set comes from the caller's defaults."""

    max_parallel: Annotated[int, Field(ge=1)] | None = 32
    """Slots: tasks that work at the same time; `null` for no limit."""
    timeout_s: Seconds | None = 600.0
    """Seconds for each attempt's own work; `null` for no limit."""
    deadline_s: Seconds | None = None
    """Seconds for the whole run, from its start; what is left then is cancelled."""
    retry: Retry | None = None
    """Further attempts for every task that does not say otherwise."""
    on_failure: OnFailure = "continue"
    """What a failed task does to the run."""
    min_success: Annotated[int, Field(ge=1)] | None = None
    """With `on_failure: soft`: how many successes make a run that finished in part."""
    schedule: Schedule = "dataflow"
    """Whether a task waits for its own dependencies or for its whole phase."""
    starts_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """At most so many tasks start in a second; `null` for no limit."""
    unknown_specialist: Literal["error", "skip"] = "error"
    """Whether a task for a specialist that does not exist refuses the plan or is skipped with a warning."""
    trace_dir: str | None = None
    """Folder for a JSON trace of each task and an index."""


class Plan(Strict):
    """Tasks, their dependencies and the run's configuration. Immutable; validated whole when it is made."""

    name: str = Field("plan", max_length=200)
    """A short name, for lists and pictures."""
    request: str = ""
    """The text that the summary answers."""
    config: PlanConfig = Field(default_factory=PlanConfig)
    """Limits and strategy."""
    tasks: tuple[Task, ...]
    """The tasks, in the order in which results are shown."""

    @model_validator(mode="wrap")
    @classmethod
    def _check_whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        from .checks import validate_whole

        return validate_whole(data, handler)

    @classmethod
    def load(
        cls,
        source: str | PathLike[str],
        *,
        max_tasks: int = MAX_TASKS,
        max_bytes: int = MAX_BYTES,
    ) -> Plan:
        """Read a plan from a file's path or from text in YAML, JSON or TOML.

        Raises:
            PlanError: the text or the plan in it is wrong; every problem has its line or field.
        """
        from .load import load_plan

        return load_plan(source, max_tasks=max_tasks, max_bytes=max_bytes)

    def to_state(self) -> dict[str, Any]:
        """Return the plan as the JSON-native dict that the graph's state holds; only what was set is in it."""
        return self.model_dump(mode="json", exclude_unset=True)

    def with_config(self, options: Mapping[str, Any]) -> Plan:
        """Return a copy in which `options` win over the plan's own configuration."""
        config = {**self.config.model_dump(exclude_unset=True), **options}
        return self.model_copy(update={"config": PlanConfig.model_validate(config)})
