"""Planning with a chat model: a request becomes a plan that is checked like any other, and put right by the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ...models.chat import context_tokens, model_name
from ...models.faults import ModelAnswerError
from ...models.structured import StructuredModel
from ...plans.registry import Workflow
from ...schema.checks import MAX_TASKS
from ...schema.errors import Problem
from ...schema.plan import Plan
from ...schema.results import TaskResult
from ..specialist import Specialist
from ..untrusted import shortened
from ..usage import Used, counted
from . import prompts
from .asking import Answer, Patience, ask
from .checking import Base, Checked, Checker
from .draft import MORE_SCHEMA, PLAN_SCHEMA, PlanDraft, draft_of, read_draft
from .early import Early, OnTask
from .outcome import Additions, Outcome, Planned, count
from .results import CHARS_A_TOKEN, CONTEXT, results_shown

REPAIRS = 2
"""Times that the model is asked to put its answer right."""

ANSWER_CHARS = 60_000
"""Characters of its own answer that the model is shown again."""

NOTHING_ASKED = "There is nothing to do: the request is empty. Say what you would like to know or have done."


_Check = Callable[[PlanDraft], Checked]


@dataclass
class ModelPlanner:
    """Plans with a chat model."""

    model: BaseChatModel
    specialists: Mapping[str, Specialist]
    """All there are; the model is told of those that lack nothing."""
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    max_tasks: int = MAX_TASKS
    """The largest number of tasks in a plan."""
    functions: Collection[str] = ()
    """Names of the caller's functions that combine results."""
    patience: Patience = field(default_factory=Patience)
    new_used: Callable[[], Used] = Used
    """Makes what counts usage; one with prices counts cost too."""

    def __post_init__(self) -> None:
        self.checker = Checker(self.specialists, self.workflows, self.max_tasks, tuple(self.functions))
        self._planning = StructuredModel(self.model, PLAN_SCHEMA)
        self._adding = StructuredModel(self.model, MORE_SCHEMA)

    @property
    def unknown_usage(self) -> str | None:
        """What a person should know where the model's server did not tell what an answer used."""
        return self._planning.streaming.warning or self._adding.streaming.warning

    async def plan(
        self,
        request: str,
        *,
        params: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        known_seconds: Mapping[str, float] | None = None,
        on_task: OnTask | None = None,
    ) -> Planned:
        """Return the plan for a request.

        Args:
            request: what a person asks; without one the model is not asked.
            params: what is given beside it, such as `events`; a chosen workflow gets what it knows of it.
            config: the limits that hold: `max_parallel`, `deadline_s`, `max_rounds`; the model is told of them.
            known_seconds: what tasks of each specialist usually take, in seconds, by the specialist's name.
            on_task: called with each task as soon as it is written, valid by itself, and was called with all that it
                depends on; the plan that is returned may hold it in another form, or not at all.

        Raises:
            FanwiseError: the model's server does not accept the key, or a specialist's input schema is none.
        """
        if not request.strip():
            return Planned(None, NOTHING_ASKED, "The request is empty.")
        params = params or {}
        text, warnings = self._shortened(request)
        early = Early(self.checker, on_task, params, request)
        messages = self._plan_messages(text, params, config or {}, known_seconds or {})

        def check(draft: PlanDraft) -> Checked:
            base, problems = self.checker.base(draft.workflow, draft.params, params, request)
            if draft.reply and not draft.tasks and not draft.workflow and not draft.problems:
                return Checked(None)
            return self.checker.check(draft, base, request, problems)

        used = self.new_used()
        with counted(used):
            outcome = await self._drafted(self._planning, messages, check, early)
        return outcome.planned(self.checker, request, warnings, used.total())

    async def more(
        self,
        request: str,
        plan: Plan,
        results: Mapping[str, Mapping[str, Any] | TaskResult],
        rounds_left: int,
        on_task: OnTask | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        known_seconds: Mapping[str, float] | None = None,
    ) -> Additions:
        """Return what the model adds to a plan once it sees the results, if anything.

        Args:
            request: what a person asked.
            plan: the plan so far.
            results: task id -> its result; an output that is kept apart is told by its size.
            rounds_left: rounds of tasks that may still be added; with none the model is not asked.
            on_task: as in `plan`.
            params: as in `plan`.
            config: as in `plan`.
            known_seconds: as in `plan`.

        Raises:
            FanwiseError: the model's server does not accept the key.
        """
        room = self.max_tasks - len(plan.tasks)
        if rounds_left < 1 or room < 1:
            return Additions(
                why="No further round is left." if rounds_left < 1 else "The plan is as large as it may be."
            )
        base = Base(plan.to_state(), logs=((params or {}).get("events"),))
        limits = {**(config or {}), "max_rounds": rounds_left}
        messages = self._more_messages(request, plan, results, prompts.limits_told(room, limits), known_seconds or {})
        early = Early(self.checker, on_task, base=base)

        def check(draft: PlanDraft) -> Checked:
            if not draft.tasks and not draft.problems:
                return Checked(None)
            return self.checker.check(draft, base, request)

        used = self.new_used()
        with counted(used):
            outcome = await self._drafted(self._adding, messages, check, early)
        return outcome.added(self.checker, len(plan.tasks), request, used.total())

    async def _drafted(
        self, model: StructuredModel, messages: list[BaseMessage], check: _Check, early: Early
    ) -> Outcome:
        """Ask, check, and tell the model what is wrong, at most `REPAIRS` times."""
        draft, checked, name = PlanDraft(), None, model_name(self.model)
        for turn in range(REPAIRS + 1):
            answer = await ask(model, messages, early.read, self.patience)
            if answer.fault is not None and answer.fault.kind != "malformed":
                return Outcome(draft, checked, turn, answer.fault.text, name, is_servers=True)
            problems: tuple[Problem, ...]
            advice = ""
            try:
                found = _read(answer)
                now = check(found)
                problems = now.problems
                draft, checked = found, now
            except ModelAnswerError as error:
                problems, advice = (Problem(str(error)),), error.advice
                if rest := _rest_of(early):
                    draft, checked = rest, check(rest)
            if not problems:
                return Outcome(draft, checked, turn, name=name)
            messages = [*messages, *_repair(answer.text, problems, advice)]
        left = checked.problems if checked is not None and checked.problems else problems
        return Outcome(draft, checked, REPAIRS, f"its answer has {count(len(left), 'problem')}: {left[0]}", name)

    def _plan_messages(
        self, request: str, params: Mapping[str, Any], config: Mapping[str, Any], seconds: Mapping[str, float]
    ) -> list[BaseMessage]:
        limits = prompts.limits_told(self.max_tasks, config)
        usable = self.checker.usable.values()
        system = prompts.plan_prompt(usable, self.checker.usable_workflows.values(), limits, seconds)
        return [SystemMessage(system), HumanMessage(prompts.request_text(request, params))]

    def _more_messages(
        self,
        request: str,
        plan: Plan,
        results: Mapping[str, Mapping[str, Any] | TaskResult],
        limits: list[str],
        seconds: Mapping[str, float],
    ) -> list[BaseMessage]:
        there = {k: r.model_dump(mode="json") if isinstance(r, TaskResult) else r for k, r in results.items()}
        shown = results_shown(there, context_tokens(self.model, CONTEXT))
        tasks = [prompts.task_line(task) for task in plan.to_state()["tasks"]]
        if len(tasks) > prompts.TASKS_TOLD:
            tasks = [line.partition(": ")[0] for line in tasks]
        text, _ = self._shortened(request)
        system = prompts.more_prompt(self.checker.usable.values(), limits, seconds)
        return [SystemMessage(system), HumanMessage(prompts.results_text(text, tasks, shown))]

    def _shortened(self, request: str) -> tuple[str, list[str]]:
        """Return as much of the request as the model may be shown, and a warning where that is not all."""
        limit = context_tokens(self.model, CONTEXT) * CHARS_A_TOKEN // 2
        if len(request) <= limit:
            return request, []
        told = f"the request has {len(request):,} characters; the model that plans sees {limit:,} of them"
        return shortened(request, limit), [told]


def _read(answer: Answer) -> PlanDraft:
    if answer.fault is not None:
        raise ModelAnswerError(answer.fault.text, advice="give fewer or shorter tasks")
    return read_draft(answer.text)


def _rest_of(early: Early) -> PlanDraft | None:
    """Return what is there of an answer that can't be read as a whole."""
    head = early.stream.head
    return draft_of({**head, "tasks": early.elements}) if head is not None and early.elements else None


def _repair(answer: str, problems: tuple[Problem, ...], advice: str) -> list[BaseMessage]:
    said = shortened(answer, ANSWER_CHARS) if answer.strip() else "(no answer)"
    return [AIMessage(said), HumanMessage(prompts.repair_text(problems, advice))]
