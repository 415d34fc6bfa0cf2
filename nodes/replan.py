"""Another round: once nothing of the plan is left to run, tasks that specialists proposed, or a model asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..schema.checks import MAX_TASKS
from ..schema.errors import PlanError
from ..schema.plan import Plan
from ..schema.words import listed
from ..state import RunContext, State
from .deadline import DeadlineCame, within
from .fitting import fitted, unknown_tasks
from .planner import PLANNER, OnTask, given_params, known_seconds
from .review import moment
from .specialist import Specialist

if TYPE_CHECKING:
    from .planning import ModelPlanner

NOTHING_TO_ADD = "there is nothing to add"
"""Why there is no further round, where nobody says more."""

RAISE_IT = "the plan allows no further round (max_rounds is {}): raise it with --max-rounds or in the plan's config"


@dataclass
class Growth:
    """A plan, and what is added to it."""

    plan: Plan
    added: list[str] = field(default_factory=list)
    why: str = ""
    """Why it is added, or why nothing is."""
    warnings: list[str] = field(default_factory=list)
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Replan:
    """Adds tasks to a plan of which nothing is left to run."""

    specialists: Mapping[str, Specialist]
    max_tasks: int = MAX_TASKS
    """The largest number of tasks that a plan may have."""
    functions: Collection[str] = ()
    """Names of the caller's functions that combine results."""
    model: ModelPlanner | None = None
    """Is shown the results, and may ask for further tasks."""
    clock: Callable[[], float] = time.time

    async def __call__(
        self,
        state: State,
        results: Mapping[str, Mapping[str, Any]],
        *,
        over: str | None = None,
        context: RunContext | None = None,
        on_task: OnTask | None = None,
    ) -> tuple[dict[str, Any], str]:
        """Return the update that begins another round, or ends them, and why, in a sentence.

        Args:
            state: the run's state.
            results: its results, with their large outputs.
            over: why nothing more may be run, whoever asks; `None` if it may.
            context: options of this invocation.
            on_task: is told of each task that a model has written, while it writes on.
        """
        plan, number = Plan.model_validate(state["plan"], context={"max_tasks": self.max_tasks}), state.get("round", 1)
        if over is None and number >= plan.config.max_rounds:
            over = RAISE_IT.format(plan.config.max_rounds)
        growth = Growth(plan)
        self._add_proposals(growth, results, over)
        if not growth.added and over is None and self.model is not None and not state.get("rounds_over"):
            rounds_left, params = plan.config.max_rounds - number, given_params(state, context)
            until = state.get("deadline_at")
            await self._ask(self.model, growth, results, rounds_left, params, context, on_task, until)
        handled = {key: _handled(result) for key, result in state["results"].items() if "proposal" in result}
        return self._update(state, growth, handled, over), growth.why

    def _add_proposals(self, growth: Growth, results: Mapping[str, Mapping[str, Any]], over: str | None) -> None:
        """Add what specialists have proposed, each one's tasks together; what can't be is said in a warning."""
        for task_id in [task.id for task in growth.plan.tasks]:
            tasks = (results.get(task_id) or {}).get("proposal")
            if not tasks:
                continue
            why = over or self._add(growth, tasks)
            if why is None:
                growth.why = f"{growth.why}; task {task_id!r} proposed them".removeprefix("; ")
            else:
                ids = listed([str(task.get("id", "?")) for task in tasks])
                growth.warnings.append(f"tasks that {task_id!r} proposed ({ids}) were not added: {why}")

    async def _ask(
        self,
        model: ModelPlanner,
        growth: Growth,
        results: Mapping[str, Mapping[str, Any]],
        rounds_left: int,
        params: Mapping[str, Any],
        context: RunContext | None,
        on_task: OnTask | None,
        until: float | None,
    ) -> None:
        """Let the model see the results, and add what it asks for."""
        plan = growth.plan
        config, seconds = plan.config.model_dump(mode="json"), known_seconds(context)
        try:
            async with within(until, self.clock):
                more = await model.more(
                    plan.request,
                    plan,
                    results,
                    rounds_left,
                    on_task,
                    params=params,
                    config=config,
                    known_seconds=seconds,
                )
        except DeadlineCame:
            growth.why = "the run's deadline came before the model said whether there is more to do"
            growth.warnings.append(growth.why)
            return
        growth.why, growth.usage = more.why, more.usage
        growth.warnings += more.warnings
        tasks = [task.model_dump(mode="json", exclude_unset=True) for task in more.tasks]
        if tasks and (refused := self._add(growth, tasks)) is not None:
            ids = listed([task["id"] for task in tasks])
            growth.warnings.append(f"tasks that the model asked for ({ids}) were not added: {refused}")

    def _add(self, growth: Growth, tasks: Sequence[Mapping[str, Any]]) -> str | None:
        """Add tasks to the plan; return why that can't be."""
        if any(task.get("parallel_group") is not None for task in tasks):
            return "tasks that are added can't have a parallel_group; use depends_on"
        before = growth.plan.to_state()
        try:
            grown = Plan.model_validate(
                {**before, "tasks": [*before["tasks"], *tasks]}, context={"max_tasks": self.max_tasks}
            )
            growth.plan = fitted(grown, self.specialists, self.functions)
        except PlanError as error:
            return "; ".join(dict.fromkeys(problem.message for problem in error.problems))
        growth.added += [task.id for task in grown.tasks[len(before["tasks"]) :]]
        return None

    def _update(self, state: State, growth: Growth, handled: Mapping[str, Any], over: str | None) -> dict[str, Any]:
        update: dict[str, Any] = {"added_tasks": growth.added, "results": handled, "warnings": growth.warnings}
        if growth.usage:
            update["usage"] = {PLANNER: dict(growth.usage)}
        if not growth.added:
            return {**update, "rounds_over": over or growth.why or NOTHING_TO_ADD}
        skipped, more = unknown_tasks(growth.plan, self.specialists)
        config = growth.plan.config
        until = config.review_timeout_s if config.review else None
        new = {task_id: result for task_id, result in skipped.items() if task_id in growth.added}
        return {
            **update,
            "plan": growth.plan.to_state(),
            "round": state.get("round", 1) + 1,
            "review_until": None if until is None else moment(self.clock() + until),
            "results": {**handled, **new},
            "warnings": [*growth.warnings, *more],
        }


def _handled(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without the tasks that it proposed; their ids stay in it."""
    return {name: value for name, value in result.items() if name != "proposal"}
