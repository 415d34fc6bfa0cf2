"""The review of a plan: before anything runs, a person approves it, edits it, or rejects it with a reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.types import Overwrite

from ..schema.checks import MAX_TASKS, Rules
from ..schema.errors import PlanError
from ..schema.plan import Plan
from ..schema.results import Decision, TaskResult
from ..schema.review import AnswerError, Question, make_question
from ..state import State
from .planner import unknown_tasks
from .review import Asker, ask
from .specialist import Specialist

Describe = Callable[[Plan], str]
"""Tells what a plan would do and take."""


@dataclass(frozen=True)
class PlanReview:
    """Asks a person about the run's plan."""

    specialists: Mapping[str, Specialist]
    describe: Describe
    max_tasks: int = MAX_TASKS
    """The largest number of tasks that an edited plan may have."""

    async def __call__(self, state: State) -> dict[str, Any]:
        """Return the update that the person's decision makes.

        Raises:
            GraphInterrupt: nobody is there to answer: the run pauses.
        """
        plan = Plan.model_validate(state["plan"], context={"max_tasks": self.max_tasks})
        config = plan.config
        described = await asyncio.to_thread(self.describe, plan)

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

        decision = await ask(question, self._check, _in_person)
        if decision.type == "reject":
            return _rejected(plan, decision)
        if decision.type == "edit":
            plan = self._edited(decision)
            skipped, warnings = unknown_tasks(plan, self.specialists)
            edited = {"plan": plan.to_state(), "request": plan.request, "results": Overwrite(skipped)}
            return {**_renewed(plan), **edited, "warnings": warnings}
        return _renewed(plan)

    def _check(self, decision: Decision) -> None:
        if decision.type == "edit":
            self._edited(decision)

    def _edited(self, decision: Decision) -> Plan:
        """Return the plan that an edit stands for.

        Raises:
            AnswerError: it is refused; every problem is listed.
        """
        args = decision.args or {}
        known = None if _skips_unknown(args) else self.specialists
        rules = Rules(max_tasks=self.max_tasks, specialists=known, may_be_empty=False)
        try:
            return Plan.model_validate(args.get("plan", args), context=rules.as_context())
        except PlanError as error:
            raise AnswerError(*error.problems) from None


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


async def _in_person(asker: Asker, question: Question) -> Any:
    return await asker(question)
