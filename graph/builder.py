"""Building the graph: a planner, a node for each specialist, one edge that fans out, and the synthesizer at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from ..nodes.aggregator import Means
from ..nodes.effort import Worker
from ..nodes.planner import Planner
from ..nodes.review_plan import PlanReview
from ..nodes.specialist import Specialist, as_specialists
from ..nodes.specialists import built_in
from ..nodes.summary import Summarizer, summarize
from ..nodes.worker import make_node
from ..plans.registry import load_workflows
from ..reducers.combining import Fold
from ..schema.aggregate import AGGREGATE
from ..schema.checks import MAX_TASKS
from ..schema.errors import FanwiseError
from ..schema.plan import Plan
from ..state import Input, Output, RunContext, State
from .edges import fan_out_edge, review_edge
from .explain import describe
from .fan_out import BATCH_SIZE
from .names import BATCH, COLLECT, PLANNER, REVIEW_PLAN, SYNTHESIZER
from .node_functions import (
    batch_graph,
    batch_node,
    collect,
    planner_node,
    review_node,
    specialist_node,
    synthesizer_node,
)
from .runtime import Seating

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
    functions: Mapping[str, Fold] | None = None,
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
        functions: functions of two values (what there is so far, and the next output) by the name that plans use, for
            `aggregate: {strategy: reduce, function: NAME}` and `{strategy: merge, mode: NAME}`.
        max_tasks: the largest number of tasks that a plan may have.
        batch_size: tasks in one level of fan-out; larger supersteps are sent in batches.
        keep_apart: outputs of more bytes than this, as JSON, are kept in the store and not in the run's state; their
            results hold an `output_ref`. `None` keeps every output in its result.
        name: the compiled graph's name.

    Raises:
        FanwiseError: two specialists share a name, or one, or a function, can't be used.
        PlanError: a workflow file or the defaults are wrong.
    """
    if model is not None:
        raise FanwiseError(
            "planning with a model is not in this version: leave `model` out and give a plan or a workflow"
        )
    own = as_specialists(specialists)
    if AGGREGATE in own:
        raise FanwiseError(f"a specialist can't be called {AGGREGATE!r}: tasks that combine others are done by it")
    known = {**built_in(), **own}
    _check_names(known)
    Plan(name=name, tasks=()).with_config(defaults or {})
    means = Means.of(functions or {}, summarizer)
    planner = Planner(known, load_workflows(*workflows), dict(defaults or {}), max_tasks, means.functions)
    seating = Seating()
    workers = {name_: Worker.of(item) for name_, item in known.items()}
    work = make_node(workers, seating, keep_apart, means)

    builder = StateGraph(State, context_schema=RunContext, input_schema=Input, output_schema=Output)
    builder.add_node(PLANNER, planner_node(planner))
    builder.add_node(REVIEW_PLAN, review_node(PlanReview(known, describe, max_tasks)))
    builder.add_node(COLLECT, collect)
    builder.add_node(SYNTHESIZER, synthesizer_node(summarizer))
    builder.add_node(BATCH, batch_node(batch_graph(known, work), seating))
    for item in known:
        builder.add_node(item, specialist_node(item, work))
        builder.add_edge(item, COLLECT)
    builder.add_edge(START, PLANNER)
    builder.add_edge(BATCH, COLLECT)
    edge = fan_out_edge(batch_size)
    targets = [*known, BATCH, SYNTHESIZER]
    builder.add_conditional_edges(PLANNER, review_edge(edge), [REVIEW_PLAN, *targets])
    builder.add_conditional_edges(REVIEW_PLAN, edge, targets)
    builder.add_conditional_edges(COLLECT, edge, targets)
    builder.add_edge(SYNTHESIZER, END)
    graph = builder.compile(checkpointer=checkpointer, store=store, name=name)
    seating.graph = graph
    return graph


def _check_names(specialists: Mapping[str, Specialist]) -> None:
    for name in specialists:
        if name in RESERVED:
            raise FanwiseError(f"a specialist can't be called {name!r}: the graph has a node or channel of that name")
        if not name or any(mark in name for mark in "|:"):
            raise FanwiseError(
                f"a specialist can't be called {name!r}: a node's name is not empty and has no '|' or ':'"
            )
