"""The graph's own nodes, sync and async: what `nodes` holds, as LangGraph runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph._internal._runnable import RunnableCallable  # what LangGraph makes of a function
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from ..nodes.outputs import Outputs
from ..nodes.planner import Planner
from ..nodes.review_plan import PlanReview
from ..nodes.specialist import Specialist
from ..nodes.summary import Summarizer
from ..nodes.synthesizer import synthesize
from ..schema.progress import RunFinished, RunStarted
from ..state import BatchOutput, BatchState, RunContext, State
from .background import run_in_background
from .fan_out import fan_out_batch
from .names import BATCH, PLANNER, REVIEW_PLAN, SYNTHESIZER
from .runtime import TASKS, Seating


def planner_node(planner: Planner) -> RunnableCallable:
    """Return the node that plans a run, on a thread of its own, and tells what it chose."""

    def planned(state: State, runtime: Runtime[RunContext], config: RunnableConfig, is_sync: bool) -> dict[str, Any]:
        update = planner(state, runtime.context)
        runtime.stream_writer(_started(update))
        return _warned(update, config, is_sync=is_sync)

    def plan_sync(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return planned(state, runtime, config, True)

    async def plan(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return await asyncio.to_thread(planned, state, runtime, config, False)

    return RunnableCallable(plan_sync, plan, name=PLANNER, trace=False)


def _started(update: Mapping[str, Any]) -> RunStarted:
    plan = update["plan"]
    return RunStarted(
        type="run_started",
        total=len(plan["tasks"]),
        plan=plan.get("name") or "plan",
        why=update["chosen"],
        run_id=update["run_id"],
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


def review_node(review: PlanReview) -> RunnableCallable:
    """Return the node that asks a person about the plan."""

    def review_sync(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return run_in_background(review(state))

    async def review_async(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return await review(state)

    return RunnableCallable(review_sync, review_async, name=REVIEW_PLAN, trace=False)


def batch_graph(
    specialists: Mapping[str, Specialist], work: Callable[..., Any]
) -> CompiledStateGraph[Any, Any, Any, Any]:
    builder = StateGraph(BatchState, context_schema=RunContext, output_schema=BatchOutput)
    for item in specialists:
        builder.add_node(item, specialist_node(item, work))
    builder.add_conditional_edges(START, fan_out_batch, list(specialists))
    batch = builder.compile(name=BATCH)
    batch.input_channels = TASKS  # its input are the `Send`s themselves: one superstep and one save of them less
    return batch


def batch_node(batch: CompiledStateGraph[Any, Any, Any, Any], seating: Seating) -> RunnableCallable:
    """Return the node that runs a part of a large superstep as its own graph, on the board that all parts share."""

    async def run_batch(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        with nullcontext(seating.board(state["shared"], runtime, config)):  # it lives as long as it is held
            return await batch.ainvoke(fan_out_batch(state), config)

    def run_batch_sync(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        return batch.invoke(fan_out_batch(state), config)

    return RunnableCallable(run_batch_sync, run_batch, name=BATCH, trace=False, recurse=False)


def specialist_node(name: str, work: Callable[..., Any]) -> RunnableCallable:
    """Return a node that runs on the caller's event loop or, when the graph is invoked without one, on ours."""

    def work_sync(send: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        return run_in_background(work(send, runtime, config, is_sync=True))

    return RunnableCallable(work_sync, work, name=name, trace=False, recurse=False)


def collect(state: State) -> dict[str, Any]:
    """Join a superstep."""
    return {"superstep": state.get("superstep", 0) + 1}


def synthesizer_node(summarizer: Summarizer) -> RunnableCallable:
    """Return the node that ends a run, its summary written on a thread of its own."""

    async def synthesized(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        results, lost = await Outputs.of(runtime, config).read(state.get("results") or {})
        update = await asyncio.to_thread(synthesize, state, results, lost, summarizer)
        runtime.stream_writer(RunFinished(type="run_finished", status=update["status"]))
        return update

    def synthesizer(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return run_in_background(synthesized(state, runtime, config))

    return RunnableCallable(synthesizer, synthesized, name=SYNTHESIZER, trace=False)
