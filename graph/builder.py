"""Building the graph: a planner, a node for each specialist, one edge that fans out, and the synthesizer at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph._internal._runnable import RunnableCallable  # what add_node makes of a function
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer, Overwrite, Send

from ..nodes.effort import Worker
from ..nodes.outputs import Outputs
from ..nodes.planner import Planner
from ..nodes.review_plan import PlanReview
from ..nodes.specialist import Specialist, as_specialists
from ..nodes.specialists import built_in
from ..nodes.summary import Summarizer, summarize
from ..nodes.synthesizer import synthesize
from ..nodes.worker import make_node
from ..plans.registry import load_workflows
from ..schema.checks import MAX_TASKS
from ..schema.errors import FanwiseError
from ..schema.plan import Plan
from ..schema.progress import RunFinished, RunStarted
from ..state import BatchOutput, BatchState, Input, Output, RunContext, State
from .background import run_in_background
from .explain import describe
from .fan_out import BATCH, BATCH_SIZE, SYNTHESIZER, fan_out, fan_out_batch
from .runtime import TASKS, Seating

PLANNER = "planner"
REVIEW_PLAN = "review_plan"
COLLECT = "collect"

RESERVED = frozenset({PLANNER, REVIEW_PLAN, COLLECT, SYNTHESIZER, BATCH, START, END, *State.__annotations__})
"""Names that no specialist can have: the graph's own nodes and its channels."""

Graph = CompiledStateGraph[State, RunContext, Input, Output]
"""The compiled graph."""


def build_graph(
    specialists: Mapping[str, Any] | Sequence[Any] = (),
    *,
    model: None = None,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    workflows: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    summarizer: Summarizer = summarize,
    max_tasks: int = MAX_TASKS,
    batch_size: int = BATCH_SIZE,
    keep_apart: int | None = None,
    name: str = "fanwise",
) -> Graph:
    """Compile the graph that plans a run, runs its tasks and sums them up.

    Args:
        specialists: what `@specialist` made, or a mapping from names to functions, Runnables or compiled graphs; the
            built-in specialists are there beside them, and give way to one of the same name.
        model: kept for planning with a model; must be `None` in this version.
        checkpointer: where a run's progress is kept; without one a run can't be resumed.
        store: LangGraph's long-term store, handed to specialists; large outputs are kept there too.
        workflows: folders with the user's own workflow files.
        defaults: defaults for a plan's `config`, below what the plan sets.
        summarizer: writes the summary; the deterministic one if not given.
        max_tasks: the largest number of tasks that a plan may have.
        batch_size: tasks in one level of fan-out; larger supersteps are sent in batches.
        keep_apart: outputs of more bytes than this, as JSON, are kept in the store and not in the run's state; their
            results hold an `output_ref`. `None` keeps every output in its result.
        name: the compiled graph's name.

    Raises:
        FanwiseError: two specialists share a name, or one can't be used.
        PlanError: a workflow file or the defaults are wrong.
    """
    if model is not None:
        raise FanwiseError(
            "planning with a model is not in this version: leave `model` out and give a plan or a workflow"
        )
    known = {**built_in(), **as_specialists(specialists)}
    _check_names(known)
    Plan(name=name, tasks=()).with_config(defaults or {})
    planner = Planner(known, load_workflows(*workflows), dict(defaults or {}), max_tasks)
    seating = Seating()
    workers = {name_: Worker.of(item) for name_, item in known.items()}
    work = make_node(workers, seating, keep_apart)

    builder = StateGraph(State, context_schema=RunContext, input_schema=Input, output_schema=Output)
    builder.add_node(PLANNER, _planner_node(planner))
    builder.add_node(REVIEW_PLAN, _review_node(PlanReview(known, describe, max_tasks)))
    builder.add_node(COLLECT, _collect)
    builder.add_node(SYNTHESIZER, _synthesizer_node(summarizer))
    builder.add_node(BATCH, _batch_node(_batch_graph(known, work), seating))
    for item in known:
        builder.add_node(item, _both(item, work))
        builder.add_edge(item, COLLECT)
    builder.add_edge(START, PLANNER)
    builder.add_edge(BATCH, COLLECT)
    edge = _fan_out_edge(batch_size)
    targets = [*known, BATCH, SYNTHESIZER]
    builder.add_conditional_edges(PLANNER, _review_edge(edge), [REVIEW_PLAN, *targets])
    builder.add_conditional_edges(REVIEW_PLAN, edge, targets)
    builder.add_conditional_edges(COLLECT, edge, targets)
    builder.add_edge(SYNTHESIZER, END)
    graph = builder.compile(checkpointer=checkpointer, store=store, name=name)
    seating.graph = graph
    return graph


def _batch_graph(
    specialists: Mapping[str, Specialist], work: Callable[..., Any]
) -> CompiledStateGraph[Any, Any, Any, Any]:
    builder = StateGraph(BatchState, context_schema=RunContext, output_schema=BatchOutput)
    for item in specialists:
        builder.add_node(item, _both(item, work))
    builder.add_conditional_edges(START, fan_out_batch, list(specialists))
    batch = builder.compile(name=BATCH)
    batch.input_channels = TASKS  # its input are the `Send`s themselves: one superstep and one save of them less
    return batch


def _batch_node(batch: CompiledStateGraph[Any, Any, Any, Any], seating: Seating) -> RunnableCallable:
    """Return the node that runs a part of a large superstep as its own graph, on the board that all parts share."""

    async def run_batch(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        with nullcontext(seating.board(state["shared"], runtime, config)):  # it lives as long as it is held
            return await batch.ainvoke(fan_out_batch(state), config)

    def run_batch_sync(state: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        return batch.invoke(fan_out_batch(state), config)

    return RunnableCallable(run_batch_sync, run_batch, name=BATCH, trace=False, recurse=False)


def _both(name: str, work: Callable[..., Any]) -> RunnableCallable:
    """Return a node that runs on the caller's event loop or, when the graph is invoked without one, on ours."""

    def work_sync(send: Any, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        return run_in_background(work(send, runtime, config, is_sync=True))

    return RunnableCallable(work_sync, work, name=name, trace=False, recurse=False)


def _planner_node(planner: Planner) -> RunnableCallable:
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
        type="run_started", total=len(plan["tasks"]), plan=plan.get("name") or "plan", why=update["chosen"]
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


def _fan_out_edge(batch_size: int) -> RunnableCallable:
    """Return the edge; phased where branches may not wait: without an event loop, or under `max_concurrency`."""

    def edge(state: State, *, bounded: bool) -> list[Send] | str:
        if bounded:
            _refuse_steps(state)
        return fan_out(state, phased=bounded, batch_size=batch_size)

    def edge_sync(state: State, config: RunnableConfig) -> list[Send] | str:
        return edge(state, bounded=True)

    async def edge_async(state: State, config: RunnableConfig) -> list[Send] | str:
        return edge(state, bounded=config.get("max_concurrency") is not None)

    return RunnableCallable(edge_sync, edge_async, name="fan_out", trace=False)


def _refuse_steps(state: State) -> None:
    """Refuse what needs a step inside a branch where branches and steps would wait for each other's threads."""
    for task in state["plan"]["tasks"]:
        if task.get("review") in ("after", "both") and task["id"] not in (state.get("results") or {}):
            raise FanwiseError(
                f"task {task['id']!r} has a review of its output: run the graph with `ainvoke` or `astream`, "
                "and without max_concurrency (max_parallel limits what works at the same time)"
            )


def _review_edge(fan_out_edge: RunnableCallable) -> RunnableCallable:
    """Return the edge after the planner: to the review of the plan, where one is wanted."""

    def is_reviewed(state: State) -> bool:
        return (state["plan"].get("config") or {}).get("review") == "plan"

    def edge_sync(state: State, config: RunnableConfig) -> list[Send] | str:
        return REVIEW_PLAN if is_reviewed(state) else fan_out_edge.invoke(state, config)

    async def edge_async(state: State, config: RunnableConfig) -> list[Send] | str:
        return REVIEW_PLAN if is_reviewed(state) else await fan_out_edge.ainvoke(state, config)

    return RunnableCallable(edge_sync, edge_async, name="review_or_fan_out", trace=False)


def _review_node(review: PlanReview) -> RunnableCallable:
    def review_sync(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return run_in_background(review(state))

    async def review_async(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return await review(state)

    return RunnableCallable(review_sync, review_async, name=REVIEW_PLAN, trace=False)


def _collect(state: State) -> dict[str, Any]:
    """Join a superstep."""
    return {"superstep": state.get("superstep", 0) + 1}


def _synthesizer_node(summarizer: Summarizer) -> RunnableCallable:
    async def synthesized(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        results, lost = await Outputs.of(runtime, config).read(state.get("results") or {})
        update = await asyncio.to_thread(synthesize, state, results, lost, summarizer)
        runtime.stream_writer(RunFinished(type="run_finished", status=update["status"]))
        return update

    def synthesizer(state: State, runtime: Runtime[RunContext], config: RunnableConfig) -> dict[str, Any]:
        return run_in_background(synthesized(state, runtime, config))

    return RunnableCallable(synthesizer, synthesized, name=SYNTHESIZER, trace=False)


def _check_names(specialists: Mapping[str, Specialist]) -> None:
    for name in specialists:
        if name in RESERVED:
            raise FanwiseError(f"a specialist can't be called {name!r}: the graph has a node or channel of that name")
        if not name or any(mark in name for mark in "|:"):
            raise FanwiseError(
                f"a specialist can't be called {name!r}: a node's name is not empty and has no '|' or ':'"
            )
