"""The graph's own nodes, sync and async: what `nodes` holds, as LangGraph runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph._internal._runnable import RunnableCallable  # what LangGraph makes of a function
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from ..models.prices import NO_PRICES, Prices
from ..nodes.costs import with_unpriced
from ..nodes.outputs import Outputs
from ..nodes.review_plan import PlanReview
from ..nodes.specialist import Specialist
from ..nodes.summary import Summarizer
from ..nodes.synthesizer import replied, synthesize, synthesize_by_model
from ..schema.progress import RunFinished
from ..state import BatchOutput, BatchState, RunContext, State
from ..tracing.log import at_work, log_event
from ..tracing.nodes import name_task_runs
from .background import run_in_background
from .budget import Budget, budget_of
from .fan_out import effective_config, fan_out_batch
from .names import BATCH, REVIEW_PLAN, SYNTHESIZER
from .runtime import TASKS, Seating

if TYPE_CHECKING:
    from ..nodes.summary.by_model import ModelSummarizer


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
    for item, made in specialists.items():
        builder.add_node(item, specialist_node(made, work))
    builder.add_conditional_edges(START, fan_out_batch, list(specialists))
    batch = builder.compile(name=BATCH)
    name_task_runs(batch, specialists)
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


class SpecialistNode(RunnableCallable):
    """A specialist's node, which can be asked whose it is."""

    specialist: Specialist


def specialist_node(specialist: Specialist, work: Callable[..., Any]) -> RunnableCallable:
    """Return a node that runs on the caller's event loop or, when the graph is invoked without one, on ours."""

    def work_sync(send: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        return run_in_background(work(send, runtime, config, is_sync=True))

    node = SpecialistNode(work_sync, work, name=specialist.name, trace=False, recurse=False)
    node.specialist = specialist
    return node


def collect(state: State) -> dict[str, Any]:
    """Join a superstep."""
    return {"superstep": state.get("superstep", 0) + 1}


def _over_budget(state: State) -> str | None:
    """Return why no model may be asked any more; `None` while the run's budget lasts."""
    config = effective_config(state["plan"])
    budget = Budget.of(budget_of(config, state.get("results") or {}, state.get("usage"), state.get("currency")) or {})
    return None if budget is None else budget.over


def synthesizer_node(
    summarizer: Summarizer,
    writer: ModelSummarizer | None = None,
    prices: Prices = NO_PRICES,
    planner: str | None = None,
) -> RunnableCallable:
    """Return the node that ends a run, its summary written on a thread of its own, or, with a writer, by a model.

    Args:
        summarizer: writes it without a model.
        writer: writes it with one.
        prices: what models cost.
        planner: the name of the model that plans; its reply is the summary where nothing is to be done.
    """

    async def synthesized(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        results, lost = await Outputs.of(runtime, config).read(state.get("results") or {})
        if (reply := replied(state, planner)) is not None:
            update = reply
        elif writer is None or (over := _over_budget(state)) is not None:
            lost = lost if writer is None else [*lost, f"the summary is written without the model: {over}"]
            update = await asyncio.to_thread(synthesize, state, results, lost, summarizer)
        else:
            update = await synthesize_by_model(state, results, lost, writer, runtime.stream_writer, config)
        update = with_unpriced(update, state, prices)
        ended = RunFinished(type="run_finished", status=update["status"])
        runtime.stream_writer(ended)
        with at_work(config.get("configurable", {}).get("thread_id")):
            log_event(ended)
        return update

    def synthesizer(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return run_in_background(synthesized(state, runtime, config))

    return RunnableCallable(synthesizer, synthesized, name=SYNTHESIZER, trace=False)
