"""Plans: the tasks of a run, what they wait for, and the policy of each.

These models are the border. They refuse what does not fit with a `PlanError` that lists every problem; inside the
graph a plan is the plain dict that `Plan.to_state` gives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from .checks import MAX_TASKS, Rules, check_whole
from .document import Document, read_document
from .draft import Draft, draft_plan
from .errors import PlanError, Problem
from .review import DefaultDecision
from .source import MAX_BYTES
from .translate import note_errors
from .words import Loc, got

OnFailure = Literal["continue", "soft"]
"""What a failed task does to the run: `continue` runs whatever can run; `soft` also accepts `min_success` successes."""

Schedule = Literal["dataflow", "phased"]
"""`dataflow`: a task starts when its own dependencies are done; `phased`: when its whole phase is sent."""

RunIf = Literal["all_success", "all_done", "one_success", "one_failed", "none_failed", "always"]
"""When a task may start, given its dependencies; names and meanings are Airflow's trigger rules."""

ReviewWhen = Literal["before", "after", "both"]
"""When a person is asked about a task: before it runs, about its output, or both."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A positive, finite number of seconds."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""A name of up to 200 characters, without line breaks and control characters."""


class Strict(BaseModel):
    """Base of the plan's models: unknown fields are refused, values are not coerced across types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


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
    specialist: Name | None = None
    """The specialist that is asked instead, with the same input and dependency results."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if "output" in self.model_fields_set and self.specialist is not None:
            raise ValueError("'output' and 'specialist' exclude each other; keep one of them")
        if "output" not in self.model_fields_set and self.specialist is None:
            raise ValueError("needs 'output' (a value, null too) or 'specialist'; give one of them")
        return self


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
    review: ReviewWhen | None = None
    """Whether a person decides `before` the task runs, about its output (`after`), or `both`."""
    review_timeout_s: Seconds | None = None
    """Seconds that a person has to answer; `null` for no limit."""
    review_default: DefaultDecision = "reject"
    """What is decided where nobody answers in time."""
    estimated_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Expected seconds of work, for ordering and for `explain`."""


class Task(TaskPolicy):
    """One piece of work for one specialist."""

    id: Name
    """Name of the task, unique in its plan."""
    specialist: Name
    """Name of the specialist that does it."""
    description: str = ""
    """What the task is to do, in words."""
    input: JsonValue = Field(default_factory=dict)
    """What the specialist is given; most want an object."""
    depends_on: tuple[str, ...] = Field((), strict=False)
    """Ids of the tasks whose results this one needs. An id that is there twice counts once."""


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


class Plan(Strict):
    """Tasks, their dependencies and the run's configuration. Immutable; validated whole when it is made."""

    name: str = Field("plan", max_length=200)
    """A short name, for lists and pictures."""
    request: str = ""
    """The text that the summary answers."""
    config: PlanConfig = Field(default_factory=PlanConfig)
    """Limits and strategy."""
    tasks: tuple[Task, ...] = Field(strict=False)
    """The tasks, in the order in which results are shown."""

    @model_validator(mode="wrap")
    @classmethod
    def _check_whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if isinstance(data, Plan):
            return handler(data)
        if not isinstance(data, Mapping):
            raise PlanError([Problem(f"expected a plan (an object with a list of 'tasks'), {got(data)}")])
        draft = draft_plan(data)
        check_whole(draft, Rules.of(info.context))
        try:
            plan = handler(draft.data)
        except ValidationError as error:
            note_errors(error, draft, FIELDS)
        if draft.problems:
            raise PlanError(draft.sorted_problems())
        return plan

    @classmethod
    def load(
        cls,
        source: str | bytes | PathLike[str],
        *,
        max_tasks: int = MAX_TASKS,
        max_bytes: int = MAX_BYTES,
        specialists: Collection[str] | None = None,
        name: str | None = None,
    ) -> Self:
        """Read a plan from a file's path or from text in YAML, JSON or TOML.

        A `str` with a line break, or that begins like a document, is text; any other is a path. `bytes` are always
        a document (standard input). A bare list of tasks is a plan too; one without tasks is refused.

        Args:
            source: the path or the text.
            max_tasks: the largest number of tasks.
            max_bytes: the largest size of the text.
            specialists: names that exist; a task for any other is a problem. Not looked at if None.
            name: what messages call the source, instead of its path.

        Raises:
            PlanError: the text or the plan in it is wrong; every problem has its line or field.
        """
        document = read_document(source, max_bytes=max_bytes, name=name)
        return cls.from_document(document, max_tasks=max_tasks, specialists=specialists)

    @classmethod
    def from_document(
        cls, document: Document, *, max_tasks: int = MAX_TASKS, specialists: Collection[str] | None = None
    ) -> Self:
        """Return the plan that a document holds.

        Raises:
            PlanError: the plan is wrong; every problem has its line or field.
        """
        data = {"tasks": document.data} if isinstance(document.data, list) else document.data
        root: Loc = ("tasks",) if isinstance(document.data, list) else ()
        rules = Rules(max_tasks=max_tasks, may_be_empty=False, specialists=specialists)
        problems: tuple[Problem, ...] = ()
        try:
            plan = cls.model_validate(data, context=rules.as_context())
        except PlanError as error:
            problems = error.problems
        if problems or document.flawed:
            raise PlanError(document.located(problems, root=root), document.source)
        return plan

    def to_state(self) -> dict[str, Any]:
        """Return the plan as the JSON-native dict that the graph's state holds; only what was set is in it."""
        return self.model_dump(mode="json", exclude_unset=True)

    def with_config(self, options: Mapping[str, Any]) -> Self:
        """Return a copy in which `options` win over the plan's own configuration.

        Raises:
            PlanError: an option is unknown, or its value does not fit.
        """
        given = {**self.config.model_dump(exclude_unset=True), **options}
        draft = Draft({"config": given})
        try:
            config = PlanConfig.model_validate(given)
        except ValidationError as error:
            note_errors(error, draft, FIELDS, ("config",))
            raise PlanError(draft.sorted_problems()) from None
        return self.model_copy(update={"config": config})


FIELDS = {
    "": tuple(Plan.model_fields),
    "tasks": (*(name for name in Task.model_fields if name not in TaskPolicy.model_fields), *TaskPolicy.model_fields),
    "config": tuple(PlanConfig.model_fields),
    "retry": tuple(Retry.model_fields),
    "fallback": tuple(Fallback.model_fields),
}
"""Names of the fields by the field that holds the object."""
