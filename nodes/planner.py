"""The planner: a plan in the input, a named workflow, a model or, in the end, rules make the run's plan."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from langgraph.store.base import BaseStore
from langgraph.types import Overwrite

from ..events.open import open_events
from ..plans.registry import Workflow, find_workflow
from ..schema.checks import MAX_TASKS, Rules
from ..schema.errors import FanwiseError, PlanError, Problem
from ..schema.idle import IN_WORDS
from ..schema.plan import Plan, Task
from ..schema.policy import PlanConfig
from ..schema.references import has_references
from ..schema.words import shown
from ..state import RunContext, State
from .call import in_thread
from .conversation import with_request
from .costs import NO_COSTS, Costs
from .deadline import DeadlineCame, within
from .fitting import fitted, unknown_tasks
from .review import moment
from .router import Route, route
from .specialist import Specialist
from .specialists.equipment import NOTHING, Equipment

if TYPE_CHECKING:
    from .planning import ModelPlanner, Planned

PLANNER = "planner"
"""By which name the planner's usage is counted."""

OnTask = Callable[[Task], None]
"""Is told of a task as soon as a model has written it."""

OPTIONS = ("max_parallel", "timeout_s", "deadline_s", "schedule", "review", "max_rounds", "max_tokens", "max_cost")
"""Fields of the context that win over the plan's configuration."""


NO_EVENTS = (
    "no event log to answer the request from: give one (--events PATH, or the parameter 'events'), "
    "name a workflow, or give a plan; a model (--model) plans requests about anything"
)

NO_RULES = (
    "rules make no plan without an event log (--events PATH, or the parameter 'events'): give a plan or a workflow"
)


class Chosen(NamedTuple):
    """A plan, and how it was come to."""

    plan: Plan
    why: str = ""
    """How it was chosen, in a sentence, where the request's words chose it."""
    warnings: Sequence[str] = ()
    usage: Mapping[str, Any] | None = None
    """What a model used to make it."""
    reply: str = ""
    """The answer, where nothing is to be done for it."""
    left_out: int = 0
    """How many tasks that a model planned are not in the plan."""


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
    model: ModelPlanner | None = None
    """Plans requests with a model; without it, rules choose a workflow."""
    costs: Costs = NO_COSTS
    """What models cost."""
    equipment: Equipment = NOTHING
    """What the specialists may use, the logs that may be named among it."""
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: uuid4().hex

    async def __call__(
        self,
        state: State,
        context: RunContext | None,
        run_id: str,
        *,
        store: BaseStore | None = None,
        on_task: OnTask | None = None,
    ) -> dict[str, Any]:
        """Return the update that starts a run.

        Args:
            state: what the run was started with.
            context: options of this invocation.
            run_id: the run's id.
            store: where plans are kept that a model made, if the context wants that.
            on_task: is told of each task that a model has written, while it writes on.

        Raises:
            PlanError: what was given makes no plan; every problem is listed.
            FanwiseError: the model's server failed, and rules can't plan the request.
        """
        context, begun, state = context or RunContext(), self.clock(), with_request(state)
        if self.model is None or state.get("plan") or state.get("workflow") or not _asks(state):
            chosen = await in_thread(lambda: self._given(state, context), name="fanwise-planner")
        else:
            kept = store if context.cache_plan else None
            chosen = await self._by_model(self.model, state, context, kept, on_task, begun)
        return await asyncio.to_thread(self._start, chosen, context, run_id, begun)

    def config(self, context: RunContext | None) -> PlanConfig:
        """Return what is known of a plan's configuration before there is one."""
        return self._configured(Plan(name="plan", tasks=()), context or RunContext()).config

    def _start(self, chosen: Chosen, context: RunContext, run_id: str, begun: float) -> dict[str, Any]:
        plan = fitted(self._configured(chosen.plan, context), self.specialists, self.functions)
        skipped, more = unknown_tasks(plan, self.specialists)
        more += self.costs.uncounted(plan, self.specialists)
        more += [f"task {shown(task.id)}: {IN_WORDS}" for task in plan.tasks if has_references(task.description)]
        config, usage = plan.config, chosen.usage
        until = config.review_timeout_s if config.review else None
        return {
            "request": plan.request,
            "chosen": chosen.why,
            "plan": plan.to_state(),
            "run_id": run_id,
            "superstep": 0,
            "round": 1,
            "added_tasks": [],
            "rounds_over": None,
            "planner_reply": chosen.reply,
            "left_out": chosen.left_out,
            "deadline_at": None if config.deadline_s is None else begun + config.deadline_s,
            "review_until": None if until is None else moment(self.clock() + until),
            "rejected": None,
            "estimates": _estimates(plan, context.estimates or {}),
            "groups": {},
            "results": Overwrite(skipped),
            "warnings": Overwrite([*chosen.warnings, *more]),
            "currency": self.costs.prices.currency,
            "usage": Overwrite({PLANNER: dict(usage)} if usage else {}),
            "status": "running",
            "summary": {},
            "metrics": {},
        }

    async def _by_model(
        self,
        model: ModelPlanner,
        state: State,
        context: RunContext,
        store: BaseStore | None,
        on_task: OnTask | None,
        begun: float,
    ) -> Chosen:
        """Return the plan that a model makes of the request; where it makes none, what rules make of it."""
        request, params = state.get("request") or "", given_params(state, context)
        until = context.deadline_at  # in place of what the plan, or the caller, says
        if until is None and (seconds := self.config(context).deadline_s) is not None:
            until = begun + seconds
        try:
            async with within(until, self.clock):
                planned = await self._planned(model, request, params, context, store, on_task)
        except DeadlineCame:
            raise FanwiseError(
                "planning failed: the run's deadline came first; give it more time (--deadline)"
            ) from None
        unknown = model.unknown_usage
        why, usage, warnings = planned.why, planned.usage, (*planned.warnings, *([unknown] if unknown else ()))
        if planned.plan is not None:
            plan = planned.plan.model_copy(update={"request": planned.plan.request or request})
            return Chosen(plan, why, warnings, usage, left_out=planned.left_out)
        if not planned.use_router:
            return Chosen(Plan(name="reply", request=request, tasks=()), why, warnings, usage, planned.reply)
        if not params.get("events"):
            raise _no_plan(planned)
        ruled: Chosen = await in_thread(lambda: self._given(state, context), name="fanwise-planner")
        return ruled._replace(warnings=[*warnings, *ruled.warnings], usage=usage)

    async def _planned(
        self,
        model: ModelPlanner,
        request: str,
        params: Mapping[str, Any],
        context: RunContext,
        store: BaseStore | None,
        on_task: OnTask | None,
    ) -> Planned:
        """Return what a model makes of the request, or has made of it before."""
        told: dict[str, Any] = {
            "params": params,
            "config": self.config(context).model_dump(mode="json"),
            "known_seconds": known_seconds(context),
            "on_task": on_task,
        }
        if store is None:
            return await model.plan(request, **told)
        from .planning import PlanCache

        cache = PlanCache(store)
        key = cache.key(model, request, params)
        found, warnings = await cache.get(model, key, request)
        if found is None:
            found = await model.plan(request, **told)
            warnings = [*warnings, *await cache.put(key, found)]
        return replace(found, warnings=(*found.warnings, *warnings))

    def _given(self, state: State, context: RunContext) -> Chosen:
        """Return the plan in the input, that of a named workflow, or the one that rules choose."""
        request, name = state.get("request") or "", state.get("workflow")
        if state.get("plan"):
            strict = self.defaults.get("unknown_specialist", "error") == "error"
            rules = Rules(self.max_tasks, specialists=self.specialists if strict else None)
            plan = Plan.model_validate(state["plan"], context=rules.as_context())
            return Chosen(plan if plan.request or not request else plan.model_copy(update={"request": request}))
        params = given_params(state, context)
        if not name and not request.strip():
            raise PlanError([Problem("nothing to do: give a request, a workflow or a plan")])
        if not name and not params.get("events"):
            raise PlanError([Problem(NO_EVENTS)])
        found = self._routed(request, params) if request.strip() and params.get("events") else None
        workflow = find_workflow(name or (found.workflow if found else ""), self.workflows)
        told = {key: value for key, value in found.params.items() if key in workflow.params} if found else {}
        if "events" not in workflow.params and "events" not in (state.get("params") or {}):
            params.pop("events", None)  # the context names a log for whoever asks about one
        plan = workflow.plan({**told, **params}, request=request)
        if name or found is None:
            return Chosen(plan)
        return Chosen(plan, found.why, [] if found.matched else [found.why])

    def _routed(self, request: str, params: Mapping[str, Any]) -> Route:
        """Return what the request's words tell: a workflow, hosts, source types, times."""
        info = open_events(self.equipment.checked(str(params["events"]))).info()
        return route(request, tuple(self.workflows.values()), info)

    def _configured(self, plan: Plan, context: RunContext) -> Plan:
        """Fill in the caller's defaults below, and this invocation's options above, what the plan sets."""
        given = {name: value for name, value in asdict(context).items() if name in OPTIONS and value is not None}
        own = plan.config.model_dump(exclude_unset=True)
        return plan.with_config({**self.defaults, **own, **given})


def _no_plan(planned: Planned) -> FanwiseError:
    """Return why there is no plan, for a person: neither the model made one, nor can the rules."""
    if planned.is_servers:
        return FanwiseError(f"planning failed: {planned.fault}")
    told = f"the model's answer can't be used, also after it was asked to correct it: {planned.fault}"
    return PlanError([Problem(told), Problem(NO_RULES)], "planning failed")


def given_params(state: State, context: RunContext | None) -> dict[str, Any]:
    """Return what a run is given beside its request, the context's log with it."""
    params = dict(state.get("params") or {})
    if context is not None and context.events is not None:
        params.setdefault("events", context.events)
    return params


def known_seconds(context: RunContext | None) -> dict[str, float]:
    """Return what tasks of each specialist usually take, in seconds, as far as the context tells."""
    known = (context.estimates if context is not None else None) or {}
    return {key: float(estimate["p50"]) for key, estimate in known.items()}


def _asks(state: State) -> bool:
    return bool((state.get("request") or "").strip())


def _estimates(plan: Plan, known: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return what is known of the plan's specialists and tasks."""
    specialists = {task.specialist for task in plan.tasks}
    own = {f"{task.specialist}:{task.id}" for task in plan.tasks}
    return {key: dict(estimate) for key, estimate in known.items() if key in specialists or key in own}
