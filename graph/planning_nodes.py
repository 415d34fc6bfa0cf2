"""The nodes that plan: one before anything runs, one for each further round; tasks begin while a model still writes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph._internal._runnable import RunnableCallable  # what LangGraph makes of a function
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from ..nodes.conditions import skippable
from ..nodes.effort import Worker
from ..nodes.head_start import Scene
from ..nodes.outputs import Outputs
from ..nodes.planner import OnTask, Planner
from ..nodes.replan import Replan
from ..reducers.usage import added
from ..schema.plan import Plan
from ..schema.policy import PlanConfig
from ..schema.progress import RoundStarted, RunStarted
from ..state import RunContext, State
from ..tracing.log import at_work, log_event
from .background import run_in_background
from .head_starts import Ahead, HeadStarts
from .names import PLANNER, REPLAN
from .rounds import round_over


@dataclass(frozen=True)
class Overlap:
    """Lets tasks begin while the plan that holds them is still being written."""

    workers: Mapping[str, Worker]
    ahead: Ahead

    async def planned(
        self,
        plan: Callable[[OnTask | None], Awaitable[dict[str, Any]]],
        run_id: str,
        known: PlanConfig,
        runtime: Runtime[RunContext],
        config: RunnableConfig,
        results: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Return the update that `plan` comes to; what begins meanwhile waits for its branches then.

        Args:
            plan: makes the update; is given what takes each task as it is written, if any may begin.
            run_id: the run.
            known: what is known of the plan's configuration.
            runtime: the node's.
            config: the node's.
            results: results that are there already, by task id.
        """
        if known.review is not None or config.get("max_concurrency") is not None:
            return await plan(None)
        starts = HeadStarts(self.workers, Scene(runtime, config, Outputs.of(runtime, config), run_id), known, results)
        try:
            update = await plan(starts.offer)
            if starts.works:
                update = _with_losses(update, await starts.keep(Plan.model_validate(update["plan"])))
        except Exception:
            await starts.end()
            raise
        except BaseException:
            starts.cut()
            raise
        self.ahead.leave(runtime.control, run_id, starts)
        return update


def overlap(workers: Mapping[str, Worker], ahead: Ahead) -> Overlap:
    """Return what lets tasks begin early: with these workers, kept here for their branches."""
    return Overlap({name: skippable(worker) for name, worker in workers.items()}, ahead)


def _with_losses(update: dict[str, Any], lost: Mapping[str, Any]) -> dict[str, Any]:
    """Add to an update what work has used that began for nothing."""
    merged = dict(update)
    for name, merge in (("usage", _used), ("warnings", _said)):
        if lost.get(name):
            before = update.get(name)
            plain = before.value if isinstance(before, Overwrite) else before
            whole = merge(plain, lost[name])
            merged[name] = Overwrite(whole) if isinstance(before, Overwrite) else whole
    return merged


def _used(before: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    return added(before, more) or {}


def _said(before: list[str] | None, more: list[str]) -> list[str]:
    return [*(before or ()), *more]


def planner_node(planner: Planner, overlapping: Overlap) -> RunnableCallable:
    """Return the node that plans a run, and tells what it chose."""

    def plan_sync(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        update = run_in_background(planner(state, runtime.context, planner.new_id(), store=runtime.store))
        return told(update, runtime, config, is_sync=True)

    async def plan(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        run_id, context = planner.new_id(), runtime.context

        def planned(on_task: OnTask | None) -> Awaitable[dict[str, Any]]:
            return planner(state, context, run_id, store=runtime.store, on_task=on_task)

        def begin() -> Awaitable[dict[str, Any]]:
            if planner.model is None:
                return planned(None)
            return overlapping.planned(planned, run_id, planner.config(context), runtime, config, {})

        return told(await begin(), runtime, config, is_sync=False)

    def told(
        update: dict[str, Any], runtime: Runtime[RunContext], config: RunnableConfig, *, is_sync: bool
    ) -> dict[str, Any]:
        _tell(_started(update), runtime, config)
        return _warned(update, config, is_sync=is_sync)

    return RunnableCallable(plan_sync, plan, name=PLANNER, trace=False)


def replan_node(replan: Replan, overlapping: Overlap) -> RunnableCallable:
    """Return the node that adds tasks once nothing is left to run, or says that there is nothing to add."""

    async def replanned(
        state: State, runtime: Runtime[RunContext], config: RunnableConfig, *, is_sync: bool = False
    ) -> dict[str, Any]:
        results, _ = await Outputs.of(runtime, config).read(state.get("results") or {})
        over, why = round_over(state, time.time()), list[str]()

        async def planned(on_task: OnTask | None) -> dict[str, Any]:
            update, reason = await replan(state, results, over=over, context=runtime.context, on_task=on_task)
            why.append(reason)
            return update

        if replan.model is None or over is not None or is_sync:
            update = await planned(None)
        else:
            known = Plan(name="plan", tasks=()).with_config(state["plan"].get("config") or {}).config
            update = await overlapping.planned(planned, state["run_id"], known, runtime, config, results)
        if update["added_tasks"]:
            _tell(_round_started(update, why[0]), runtime, config)
        return update

    def replan_sync(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return run_in_background(replanned(state, runtime, config, is_sync=True))

    async def replan_async(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return await replanned(state, runtime, config)

    return RunnableCallable(replan_sync, replan_async, name=REPLAN, trace=False)


def _tell(event: RunStarted | RoundStarted, runtime: Runtime[RunContext], config: RunnableConfig) -> None:
    runtime.stream_writer(event)
    with at_work(config.get("configurable", {}).get("thread_id")):
        log_event(event)


def _started(update: Mapping[str, Any]) -> RunStarted:
    plan = update["plan"]
    return RunStarted(
        type="run_started",
        total=len(plan["tasks"]),
        plan=plan.get("name") or "plan",
        why=update["chosen"],
        run_id=update["run_id"],
    )


def _round_started(update: Mapping[str, Any], why: str) -> RoundStarted:
    return RoundStarted(
        type="round_started",
        round=update["round"],
        tasks=list(update["added_tasks"]),
        total=len(update["plan"]["tasks"]),
        why=why,
    )


def _warned(update: dict[str, Any], config: RunnableConfig, *, is_sync: bool) -> dict[str, Any]:
    """Add a warning where the way in which the graph was called costs the plan its dataflow."""
    plan = update["plan"]
    if (plan.get("config") or {}).get("schedule") == "phased" or not any(t.get("depends_on") for t in plan["tasks"]):
        return update
    if not is_sync and config.get("max_concurrency") is None:
        return update
    why = (
        "the graph was called with `invoke`; call `ainvoke`"
        if is_sync
        else "`max_concurrency` is set; use max_parallel"
    )
    text = f"tasks run phase by phase, each phase waiting for its slowest task, because {why} for dataflow"
    return {**update, "warnings": Overwrite([*update["warnings"].value, text])}
