"""The planner: a plan in the input, a named workflow, or the rule-based router, in this order, becomes the run's plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from langgraph.types import Overwrite

from ..events.open import open_events
from ..plans.workflows import Workflow, find_workflow
from ..schema.checks import check_specialists
from ..schema.errors import PlanError, Problem
from ..schema.plan import Plan, PlanConfig
from ..state import RunContext, State
from .router import route
from .specialist import Specialist

OPTIONS = ("max_parallel", "timeout_s", "deadline_s", "schedule")
"""Fields of the context that win over the plan's configuration."""


@dataclass(frozen=True)
class Planner:
    """Turns what a run was started with into its validated plan."""

    specialists: Mapping[str, Specialist]
    workflows: Mapping[str, Workflow]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The caller's defaults for a plan's configuration."""
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: uuid4().hex

    def __call__(self, state: State, context: RunContext | None) -> dict[str, Any]:
        """Return the update that starts a run.

        Raises:
            PlanError: what was given makes no plan; every problem is listed.
        """
        context = context or RunContext()
        plan, warnings = self._plan(state, context)
        plan = self._configured(plan, context)
        skipped, more = self._unknown(plan)
        deadline = plan.config.deadline_s
        return {
            "request": plan.request,
            "plan": plan.to_state(),
            "run_id": self.new_id(),
            "superstep": 0,
            "deadline_at": None if deadline is None else self.clock() + deadline,
            "results": Overwrite(skipped),
            "warnings": Overwrite([*warnings, *more]),
            "status": "running",
            "summary": {},
            "metrics": {},
        }

    def _plan(self, state: State, context: RunContext) -> tuple[Plan, list[str]]:
        request = state.get("request") or ""
        if state.get("plan"):
            plan = Plan.model_validate(state["plan"])
            return (plan if plan.request or not request else plan.model_copy(update={"request": request})), []
        params = dict(state.get("params") or {})
        name, warnings = state.get("workflow"), []
        if context.events is not None:
            params.setdefault("events", context.events)
        if not name:
            if not request.strip():
                raise PlanError([Problem("nothing to do: give a request, a workflow or a plan")])
            name, params, warnings = self._routed(request, params)
        workflow = find_workflow(name, self.workflows)
        return workflow.plan(params, request=request), warnings

    def _routed(self, request: str, params: dict[str, Any]) -> tuple[str, dict[str, Any], list[str]]:
        if not params.get("events"):
            raise PlanError(
                [
                    Problem(
                        "no event log to answer the request from: give one (--events PATH, or the parameter 'events'), "
                        "name a workflow, or give a plan"
                    )
                ]
            )
        info = open_events(str(params["events"])).info()
        found = route(request, tuple(self.workflows.values()), info)
        warnings = [] if found.matched else [f"no rule matched the request: {found.why}"]
        return found.workflow, {**found.params, **params}, warnings

    def _configured(self, plan: Plan, context: RunContext) -> Plan:
        """Fill in the caller's defaults below, and this invocation's options above, what the plan sets."""
        given = {name: value for name, value in asdict(context).items() if name in OPTIONS and value is not None}
        own = plan.config.model_dump(exclude_unset=True)
        config = PlanConfig.model_validate({**self.defaults, **own, **given})
        return plan.model_copy(update={"config": config})

    def _unknown(self, plan: Plan) -> tuple[dict[str, Any], list[str]]:
        """Refuse or, where the plan says so, skip tasks of specialists that do not exist."""
        problems = check_specialists(plan, self.specialists)
        if problems and plan.config.unknown_specialist == "error":
            raise PlanError(problems)
        unknown = [task for task in plan.tasks if task.specialist not in self.specialists]
        skipped = {
            task.id: {
                "task_id": task.id,
                "specialist": task.specialist,
                "status": "skipped",
                "output": None,
                "error": f"unknown specialist {task.specialist!r}",
                "attempts": 0,
                "queued_s": 0.0,
                "duration_s": 0.0,
                "started_at": None,
                "finished_at": None,
                "usage": None,
                "fallback": False,
            }
            for task in unknown
        }
        return skipped, [f"task {t.id!r} is skipped: there is no specialist {t.specialist!r}" for t in unknown]
