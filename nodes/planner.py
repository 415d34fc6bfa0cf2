"""The planner: a plan in the input, a named workflow or, in the end, the rule-based router becomes the run's plan."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from langgraph.types import Overwrite

from ..events.open import open_events
from ..plans.registry import Workflow, find_workflow
from ..schema.checks import MAX_TASKS, check_exclusives, check_specialists
from ..schema.errors import PlanError, Problem
from ..schema.plan import Plan, Task
from ..schema.results import TaskResult
from ..schema.task_checks import check_functions
from ..state import RunContext, State
from .review import moment
from .router import Route, route
from .specialist import Specialist

CPU = "cpu"
"""The pool that CPU-bound tasks take one unit of: cores."""

OPTIONS = ("max_parallel", "timeout_s", "deadline_s", "schedule", "review")
"""Fields of the context that win over the plan's configuration."""


NO_EVENTS = (
    "no event log to answer the request from: give one (--events PATH, or the parameter 'events'), "
    "name a workflow, or give a plan"
)


@dataclass(frozen=True)
class Planner:
    """Turns what a run was started with into its validated plan."""

    specialists: Mapping[str, Specialist]
    workflows: Mapping[str, Workflow]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The caller's defaults for a plan's configuration."""
    max_tasks: int = MAX_TASKS
    """The largest number of tasks that a plan may have."""
    functions: Collection[str] = ()
    """Names of the caller's functions that combine results."""
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: uuid4().hex

    def __call__(self, state: State, context: RunContext | None) -> dict[str, Any]:
        """Return the update that starts a run.

        Raises:
            PlanError: what was given makes no plan; every problem is listed.
        """
        context = context or RunContext()
        plan, why, warnings = self._plan(state, context)
        plan = self._configured(plan, context)
        plan = with_demands(plan, self.specialists)
        if problems := check_functions(plan.tasks, self.functions):
            raise PlanError(problems)
        skipped, more = unknown_tasks(plan, self.specialists)
        deadline = plan.config.deadline_s
        until = plan.config.review_timeout_s if plan.config.review else None
        return {
            "request": plan.request,
            "chosen": why,
            "plan": plan.to_state(),
            "run_id": self.new_id(),
            "superstep": 0,
            "deadline_at": None if deadline is None else self.clock() + deadline,
            "review_until": None if until is None else moment(self.clock() + until),
            "rejected": None,
            "estimates": _estimates(plan, context.estimates or {}),
            "groups": {},
            "results": Overwrite(skipped),
            "warnings": Overwrite([*warnings, *more]),
            "status": "running",
            "summary": {},
            "metrics": {},
        }

    def _plan(self, state: State, context: RunContext) -> tuple[Plan, str, list[str]]:
        """Return the plan, the sentence that tells how it was chosen, and warnings."""
        request, name = state.get("request") or "", state.get("workflow")
        if state.get("plan"):
            plan = Plan.model_validate(state["plan"], context={"max_tasks": self.max_tasks})
            return (plan if plan.request or not request else plan.model_copy(update={"request": request})), "", []
        params = dict(state.get("params") or {})
        if context.events is not None:
            params.setdefault("events", context.events)
        if not name and not request.strip():
            raise PlanError([Problem("nothing to do: give a request, a workflow or a plan")])
        if not name and not params.get("events"):
            raise PlanError([Problem(NO_EVENTS)])
        found = self._routed(request, params) if request.strip() and params.get("events") else None
        workflow = find_workflow(name or (found.workflow if found else ""), self.workflows)
        told = {key: value for key, value in found.params.items() if key in workflow.params} if found else {}
        plan = workflow.plan({**told, **params}, request=request)
        if name or found is None:
            return plan, "", []
        return plan, found.why, [] if found.matched else [found.why]

    def _routed(self, request: str, params: Mapping[str, Any]) -> Route:
        """Return what the request's words tell: a workflow, hosts, source types, times."""
        info = open_events(str(params["events"])).info()
        return route(request, tuple(self.workflows.values()), info)

    def _configured(self, plan: Plan, context: RunContext) -> Plan:
        """Fill in the caller's defaults below, and this invocation's options above, what the plan sets."""
        given = {name: value for name, value in asdict(context).items() if name in OPTIONS and value is not None}
        own = plan.config.model_dump(exclude_unset=True)
        return plan.with_config({**self.defaults, **own, **given})


def with_demands(plan: Plan, specialists: Mapping[str, Specialist]) -> Plan:
    """Return the plan with what its specialists take: exclusive ones all, CPU-bound ones a core.

    Raises:
        PlanError: such a task stands in a group beside others, and the plan refuses that.
    """
    alone = {name for name, item in specialists.items() if item.exclusive}
    if problems := check_exclusives(plan, alone):
        raise PlanError(problems)
    busy = {name for name, item in specialists.items() if item.cpu_bound}
    changed = tuple(_with_demand(task, task.specialist in alone, task.specialist in busy) for task in plan.tasks)
    plan = plan.model_copy(update={"tasks": changed})
    if CPU in plan.config.pools or not any(task.specialist in busy for task in plan.tasks):
        return plan
    return plan.with_config({"pools": {**plan.config.pools, CPU: float(os.cpu_count() or 1)}})


def _with_demand(task: Task, is_exclusive: bool, is_busy: bool) -> Task:
    update: dict[str, Any] = {}
    if is_exclusive and task.exclusive is None:
        update["exclusive"] = True
    if is_busy and CPU not in task.needs:
        update["needs"] = {**task.needs, CPU: 1.0}
    return task.model_copy(update=update) if update else task


def _estimates(plan: Plan, known: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return what is known of the plan's specialists and tasks."""
    specialists = {task.specialist for task in plan.tasks}
    own = {f"{task.specialist}:{task.id}" for task in plan.tasks}
    return {key: dict(estimate) for key, estimate in known.items() if key in specialists or key in own}


def unknown_tasks(plan: Plan, specialists: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the results of tasks that are skipped because their specialists do not exist, and warnings.

    Raises:
        PlanError: there are such tasks, and the plan does not say that they are to be skipped.
    """
    if plan.config.unknown_specialist == "error" and (problems := check_specialists(plan, specialists)):
        raise PlanError(problems)
    unknown = [task for task in plan.tasks if task.specialist not in specialists]
    skipped = {t.id: skipped_result(t.id, t.specialist, f"unknown specialist {t.specialist!r}") for t in unknown}
    return skipped, [f"task {t.id!r} is skipped: there is no specialist {t.specialist!r}" for t in unknown]


def skipped_result(task_id: str, specialist: str, reason: str) -> dict[str, Any]:
    """Return the result of a task that is not run."""
    return TaskResult(task_id=task_id, specialist=specialist, status="skipped", error=reason).model_dump(mode="json")
