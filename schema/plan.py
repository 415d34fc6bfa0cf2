"""Plans: the tasks of a run, what they wait for, and the policy of each.

These models are the border. They refuse what does not fit with a `PlanError` that lists every problem; inside the
graph a plan is the plain dict that `Plan.to_state` gives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator

from .aggregate import Aggregate
from .checks import MAX_TASKS, Rules, check_whole
from .document import Document, read_document
from .draft import Draft, draft_plan
from .errors import PlanError, Problem
from .estimate_names import Complexity
from .expressions import Expression
from .policy import AdaptiveTimeout, Fallback, Hedge, Name, PlanConfig, Rate, Retry, Strict, TaskPolicy, Title, Units
from .source import MAX_BYTES
from .translate import note_errors
from .words import Loc, got


class Task(TaskPolicy):
    """One piece of work for one specialist."""

    id: Name
    """Name of the task, unique in its plan."""
    specialist: Name
    """Name of the specialist that does it."""
    title: Title = ""
    """A few words that stand beside its id wherever a person reads of it."""
    description: str = ""
    """What the task is to do, in words."""
    input: JsonValue = Field(default_factory=dict)
    """What the specialist is given; most want an object."""
    depends_on: tuple[str, ...] = Field((), strict=False)
    """Ids of the tasks whose results this one needs. An id that is there twice counts once."""
    parallel_group: Annotated[int, Field(ge=0)] | None = None
    """Groups run one after another, the members of one side by side; becomes dependencies."""
    when: Expression | None = None
    """Skips the task where this JMESPath expression over `input`, `results` and `status` is not true."""
    transform: Expression | None = None
    """Makes the task's input out of the same; an object is merged over an input that is one too."""
    aggregate: Aggregate | None = None
    """Combines the dependencies' results, in the place of a specialist."""
    weight: Units = 1.0
    """What the task's answer counts for where its result is voted on."""
    complexity: Complexity | None = None
    """How hard it is: what is expected of its time where neither the plan nor history says more."""


class Plan(Strict):
    """Tasks, their dependencies and the run's configuration. Immutable; validated whole when it is made."""

    name: str = Field("plan", max_length=200)
    """A short name, for lists and pictures. A plan that gives none has that of its file."""
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
        stem = "" if document.path is None else Path(document.path).stem.strip()[:200]
        return plan.model_copy(update={"name": stem}) if stem and "name" not in plan.model_fields_set else plan

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
    "rates": tuple(Rate.model_fields),
    "hedge": tuple(Hedge.model_fields),
    "adaptive_timeout": tuple(AdaptiveTimeout.model_fields),
    "fallback": tuple(Fallback.model_fields),
    "aggregate": tuple(Aggregate.model_fields),
}
"""Names of the fields by the field that holds the object."""
