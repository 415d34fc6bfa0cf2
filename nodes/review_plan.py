"""The review of a plan: before anything runs, a person approves it, edits it, or rejects it with a reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.types import Overwrite

from ..schema.checks import MAX_TASKS, Rules
from ..schema.errors import PlanError
from ..schema.plan import Plan, Task
from ..schema.results import Decision, TaskResult
from ..schema.review import AnswerError, Question, make_question
from ..schema.words import listed
from ..state import State
from .fitting import fitted, unknown_tasks
from .review import Asker, ask
from .specialist import Specialist

Describe = Callable[[Plan], str]
"""Tells what a plan would do and take."""


@dataclass(frozen=True)
class PlanReview:
    """Asks a person about the run's plan, and about what is added to it later."""

    specialists: Mapping[str, Specialist]
    describe: Describe
    max_tasks: int = MAX_TASKS
    """The largest number of tasks that an edited plan may have."""
    functions: Collection[str] = ()
    """Names of the caller's functions that combine results."""

    async def __call__(self, state: State) -> dict[str, Any]:
        """Return the update that the person's decision makes.

        Raises:
            GraphInterrupt: nobody is there to answer: the run pauses.
        """
        plan = Plan.model_validate(state["plan"], context={"max_tasks": self.max_tasks})
        added, config = tuple(state.get("added_tasks") or ()), plan.config
        done = [task for task in plan.tasks if task.id not in added] if added else []
        described = await asyncio.to_thread(self._described, plan, added)

        def question(problems: Sequence[str]) -> Question:
            return make_question(
                "plan",
                "plan",
                {"plan": plan.to_state()},
                described,
                expires_at=state.get("review_until"),
                default=config.review_default,
                problems=problems,
            )

        def check(decision: Decision) -> None:
            if decision.type == "edit":
                self._edited(decision, done)

        decision = await ask(question, check, _in_person)
        if decision.type == "reject":
            return _rejected(plan, decision) if not added else _not_added(plan, added, decision)
        if decision.type == "approve":
            return _renewed(plan)
        plan = self._edited(decision, done)
        skipped, warnings = unknown_tasks(plan, self.specialists)
        edited = {"plan": plan.to_state(), "request": plan.request, "warnings": warnings}
        if not added:
            return {**_renewed(plan), **edited, "results": Overwrite(skipped)}
        kept = {task.id for task in done}
        new = [task.id for task in plan.tasks if task.id not in kept]
        results = {**dict.fromkeys(added), **{key: value for key, value in skipped.items() if key in new}}
        return {**_renewed(plan), **edited, "added_tasks": new, "results": results}

    def _described(self, plan: Plan, added: Sequence[str]) -> str:
        """Return what the plan would do, or what is added to it."""
        if not added:
            return self.describe(plan)
        new = tuple(
            task.model_copy(update={"depends_on": tuple(need for need in task.depends_on if need in added)})
            for task in plan.tasks
            if task.id in added
        )
        head = f"Tasks to be added to the {len(plan.tasks) - len(added)} that are over: {listed(added)}."
        return f"{head}\n{self.describe(plan.model_copy(update={'tasks': new}))}"

    def _edited(self, decision: Decision, done: Sequence[Task]) -> Plan:
        """Return the plan that an edit stands for.

        Raises:
            AnswerError: it is refused; every problem is listed.
        """
        args = decision.args or {}
        known = None if _skips_unknown(args) else self.specialists
        rules = Rules(max_tasks=self.max_tasks, specialists=known, may_be_empty=False)
        try:
            plan = Plan.model_validate(args.get("plan", args), context=rules.as_context())
            plan = fitted(plan, self.specialists, self.functions)
        except PlanError as error:
            raise AnswerError(*error.problems) from None
        tasks = {task.id: task for task in plan.tasks}
        if changed := [task.id for task in done if tasks.get(task.id) != task]:
            raise AnswerError(f"tasks that are over can't be changed or taken out here: {listed(changed)}")
        return plan


def _skips_unknown(args: Mapping[str, Any]) -> bool:
    plan = args.get("plan", args)
    config = plan.get("config") if isinstance(plan, Mapping) else None
    return isinstance(config, Mapping) and config.get("unknown_specialist") == "skip"


def _renewed(plan: Plan) -> dict[str, Any]:
    """Let the deadline count from the approval on."""
    seconds = plan.config.deadline_s
    return {"deadline_at": None if seconds is None else time.time() + seconds, "review_until": None}


def _rejected(plan: Plan, decision: Decision) -> dict[str, Any]:
    reason = f"the plan was rejected: {decision.message}" if decision.message else "the plan was rejected"
    results = {
        task.id: TaskResult(task_id=task.id, specialist=task.specialist, status="cancelled", error=reason)
        for task in plan.tasks
    }
    dumped = {task_id: result.model_dump(mode="json") for task_id, result in results.items()}
    return {"rejected": reason, "results": Overwrite(dumped)}


def _not_added(plan: Plan, added: Sequence[str], decision: Decision) -> dict[str, Any]:
    """Take out what was added: the run ends with what it has."""
    reason = f": {decision.message}" if decision.message else ""
    told = f"tasks that were to be added ({listed(added)}) were rejected{reason}"
    left = plan.model_copy(update={"tasks": tuple(task for task in plan.tasks if task.id not in added)})
    update: dict[str, Any] = {
        "plan": left.to_state(),
        "added_tasks": [],
        "results": dict.fromkeys(added),
        "review_until": None,
    }
    return {**update, "rounds_over": told, "warnings": [told]}


async def _in_person(asker: Asker, question: Question) -> Any:
    return await asker(question)
