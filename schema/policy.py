"""How tasks and runs are carried out: limits, retries, fallbacks, resources, reviews. The models of policies."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from .review import DefaultDecision

OnFailure = Literal["continue", "soft", "fast"]
"""What a failed task does to the run: `continue` runs whatever can run; `soft` also accepts `min_success` successes;
`fast` ends the run with the first required task that fails."""

Schedule = Literal["dataflow", "phased"]
"""`dataflow`: a task starts when its own dependencies are done; `phased`: when its whole phase is sent."""

RunIf = Literal["all_success", "all_done", "one_success", "one_failed", "none_failed", "always"]
"""When a task may start, given its dependencies; names and meanings are Airflow's trigger rules."""

ReviewWhen = Literal["before", "after", "both"]
"""When a person is asked about a task: before it runs, about its output, or both."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A positive, finite number of seconds."""

Units = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A positive, finite number of units."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""A name of up to 200 characters, without line breaks and control characters."""

Title = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""A line of up to 200 characters; may be empty."""


class Strict(BaseModel):
    """Base of the plan's models: unknown fields are refused, values are not coerced across types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Retry(Strict):
    """Further attempts after a failed or timed-out one: exponential backoff, capped, with full jitter."""

    max_attempts: int = Field(default=1, ge=1, le=100)
    """Attempts in all, the first one counted."""
    initial_s: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    """Seconds before the second attempt."""
    backoff: float = Field(default=2.0, ge=1, le=100, allow_inf_nan=False)
    """Factor by which each wait is longer than the one before."""
    max_s: float = Field(default=60.0, ge=0, allow_inf_nan=False)
    """The longest wait, in seconds."""
    jitter: bool = True
    """Whether a wait is drawn evenly between 0 and its length (so that many clients do not retry in step)."""


class Fallback(Strict):
    """What takes a task's place once its last attempt has failed: a value, or another specialist."""

    output: JsonValue = None
    """The value that becomes the task's output."""
    specialist: Name | None = None
    """The specialist that is asked instead, with the same input and dependency results."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if "output" in self.model_fields_set and self.specialist is not None:
            raise ValueError("'output' and 'specialist' exclude each other; keep one of them")
        if "output" not in self.model_fields_set and self.specialist is None:
            raise ValueError("needs 'output' (a value, null too) or 'specialist'; give one of them")
        return self


class Hedge(Strict):
    """A second attempt beside a slow first one; the first answer wins (Dean, Barroso: The Tail at Scale, 2013)."""

    after_s: Seconds | None = None
    """Seconds after which it starts; not given: the specialist's observed 95th percentile."""


class AdaptiveTimeout(Strict):
    """A time-out that follows what the specialist's attempts took before."""

    factor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 3.0
    """Times the observed 95th percentile."""
    min_s: Seconds = 1.0
    """The shortest time-out."""
    max_s: Seconds | None = None
    """The longest; `timeout_s` if not given."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_s is not None and self.max_s < self.min_s:
            raise ValueError(f"'max_s' ({self.max_s:g}) is below 'min_s' ({self.min_s:g}); raise it, or lower min_s")
        return self


class TaskPolicy(Strict):
    """How one task is run. What is not set here comes from the plan's `config`, then from the caller's defaults."""

    timeout_s: Seconds | None = None
    """Seconds for each attempt's own work, not counting any wait; `null` for no limit."""
    retry: Retry | None = None
    """Further attempts; `null` for one attempt."""
    fallback: Fallback | None = None
    """What takes the task's place when its last attempt failed or timed out."""
    adaptive_timeout: AdaptiveTimeout | None = None
    """Lets the time-out follow history, in the place of `timeout_s`."""
    hedge: Hedge | None = None
    """A second attempt beside a slow first one; only for work that may be done twice."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Among ready tasks the highest goes first."""
    needs: dict[Name, Units] = Field(default_factory=dict)
    """Units of pools that it holds while it works."""
    memory_mb: Units | None = None
    """Memory that it may take, in MiB, out of the run's budget."""
    exclusive: bool | None = None
    """Whether it works beside nothing else; not given: as its specialist says (tests do)."""
    reads: tuple[Name, ...] = Field((), strict=False)
    """Paths or globs that it reads."""
    writes: tuple[Name, ...] = Field((), strict=False)
    """Paths or globs that it writes. Tasks of which one writes what the other reads or writes never overlap."""
    required: bool = True
    """Whether the run can only succeed, wholly or in part, if this task does."""
    run_if: RunIf = "all_success"
    """When the task may start, given how its dependencies ended."""
    review: ReviewWhen | None = None
    """Whether a person decides `before` the task runs, about its output (`after`), or `both`."""
    review_timeout_s: Seconds | None = None
    """Seconds that a person has to answer; `null` for no limit."""
    review_default: DefaultDecision = "reject"
    """What is decided where nobody answers in time."""
    estimated_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Expected seconds of work, for ordering and for `explain`."""


class Rate(Strict):
    """How fast something may be used; counted over all runs of a process."""

    starts_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Tasks that start in a second, evenly spaced."""
    tokens_per_min: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Tokens that tasks may use in a minute, as they report them."""


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
    pools: dict[Name, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """Units of named pools, which tasks take with `needs`."""
    specialist_slots: dict[Name, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Tasks of one specialist that work at the same time, by its name."""
    memory_mb: Units | None = None
    """Memory for all tasks that work at the same time, in MiB, shared out by their `memory_mb`."""
    rates: dict[Name, Rate] = Field(default_factory=dict)
    """Rates of pools and of specialists, by name."""
    exclusive_groups: Literal["refuse", "serialize"] = "refuse"
    """What becomes of a `parallel_group` that holds an exclusive task beside others."""
    on_failure: OnFailure = "continue"
    """What a failed task does to the run."""
    min_success: Annotated[int, Field(ge=1)] | None = None
    """With `on_failure: soft`: how many successes make a run that finished in part."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of models that the run may use; once they are used up, nothing more starts."""
    max_cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The same for money, in the currency of the price table."""
    max_rounds: Annotated[int, Field(ge=1)] = 1
    """Rounds in all: after each but the last, a model may add tasks, and those that specialists propose are added."""
    schedule: Schedule = "dataflow"
    """Whether a task waits for its own dependencies or for its whole phase."""
    starts_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """At most so many tasks start in a second; `null` for no limit."""
    review: Literal["plan"] | None = None
    """`plan`: a person approves, edits or rejects the plan before anything runs."""
    review_timeout_s: Seconds | None = None
    """Seconds that a person has to answer, for every review that does not say otherwise."""
    review_default: DefaultDecision = "reject"
    """What is decided where nobody answers in time."""
    unknown_specialist: Literal["error", "skip"] = "error"
    """Whether a task for a specialist that does not exist refuses the plan or is skipped with a warning."""
    trace_dir: str | None = None
    """Folder for a JSON trace of each task and an index."""
