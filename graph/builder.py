"""Building the graph: a planner, a node for each specialist, one edge that fans out, and the synthesizer at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Checkpointer

from ..models.chat import Models, ModelSpec, model_name
from ..models.prices import Prices
from ..nodes.aggregator import Means
from ..nodes.costs import Costs
from ..nodes.effort import Worker
from ..nodes.planner import Planner
from ..nodes.replan import Replan
from ..nodes.review_plan import PlanReview
from ..nodes.specialist import Specialist, as_specialists
from ..nodes.specialists import built_in
from ..nodes.specialists.equipment import NOTHING, Equipment
from ..nodes.summary import Summarizer, summarize
from ..nodes.usage import Used
from ..nodes.worker import make_node
from ..plans.registry import Workflow, load_workflows
from ..reducers.own import Fold, Reducer
from ..schema.aggregate import AGGREGATE
from ..schema.checks import MAX_TASKS
from ..schema.errors import FanwiseError
from ..schema.plan import Plan
from ..state import Input, Output, RunContext, State
from ..tracing.nodes import BATCH_NODE, OWN_NODE, name_task_runs
from ..tracing.settings import Tracing
from .compiled import Graph
from .edges import fan_out_edge, review_edge, round_edge
from .explain import describe
from .fan_out import BATCH_SIZE
from .names import BATCH, COLLECT, PLANNER, REPLAN, REVIEW_PLAN, SYNTHESIZER
from .node_functions import (
    batch_graph,
    batch_node,
    collect,
    review_node,
    specialist_node,
    synthesizer_node,
)
from .planning_nodes import overlap, planner_node, replan_node
from .runtime import Seating

if TYPE_CHECKING:  # a graph without a model does without the import of LangChain's models
    from ..nodes.planning import ModelPlanner
    from ..nodes.summary.by_model import ModelSummarizer

RESERVED = frozenset({PLANNER, REVIEW_PLAN, REPLAN, COLLECT, SYNTHESIZER, BATCH, START, END, *State.__annotations__})
"""Names that no specialist can have: the graph's own nodes and its channels."""


def build_graph(
    specialists: Mapping[str, Any] | Sequence[Any] = (),
    *,
    model: ModelSpec | Mapping[str, ModelSpec] | Models | None = None,
    equipment: Equipment | None = None,
    prices: str | PathLike[str] | Mapping[str, Any] | Prices | None = None,
    checkpointer: Checkpointer = None,
    store: BaseStore | None = None,
    workflows: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    summarizer: Summarizer = summarize,
    functions: Mapping[str, Fold] | Sequence[Reducer] = (),
    max_tasks: int = MAX_TASKS,
    batch_size: int = BATCH_SIZE,
    keep_apart: int | None = None,
    tracing: Tracing | None = None,
    name: str = "fanwise",
) -> Graph:
    """Compile the graph that plans a run, runs its tasks and sums them up.

    Args:
        specialists: what `@specialist` made, or a mapping from names to functions, Runnables or compiled graphs; the
            built-in specialists are there beside them, and give way to one of the same name.
        model: the chat model that plans, works and writes the summary: a `BaseChatModel`, or a name such as
            `openai:gpt-4.1-mini`; or a mapping with one for each of `planner`, `specialists` and `summary`, and a
            `default` for those that are left out. Without one, plans, workflows and the deterministic summary remain.
        equipment: what the built-in specialists may use: a folder to work in, notes, MCP servers, commands,
            an embedding model.
        prices: what models cost: a `models.prices.Prices`, its file, or a mapping like its contents.
        checkpointer: where a run's progress is kept; without one a run can't be resumed.
        store: LangGraph's long-term store, handed to specialists; large outputs are kept there too.
        workflows: folders with the user's own workflow files.
        defaults: defaults for a plan's `config`, below what the plan sets.
        summarizer: writes the summary; the deterministic one if not given.
        functions: what `@reducer` made, or a mapping from names to functions of two values (what there is so far, and
            the next output), for `aggregate: {strategy: reduce, function: NAME}` and `{strategy: merge, mode: NAME}`.
        max_tasks: the largest number of tasks that a plan may have.
        batch_size: tasks in one level of fan-out; larger supersteps are sent in batches.
        keep_apart: outputs of more bytes than this, as JSON, are kept in the store and not in the run's state; their
            results hold an `output_ref`. `None` keeps every output in its result.
        tracing: what of its runs is traced, and where to; as the environment says if not given.
        name: the compiled graph's name.

    Raises:
        FanwiseError: two specialists share a name, or one, a function, a model or the price table can't be used.
        PlanError: a workflow file or the defaults are wrong.
    """
    models, priced = Models.of(model), Prices.load(prices)
    own = as_specialists(specialists)
    if AGGREGATE in own:
        raise FanwiseError(f"a specialist can't be called {AGGREGATE!r}: tasks that combine others are done by it")
    known = {**built_in(equipped(equipment, models)), **own}
    _check_names(known)
    Plan(name=name, tasks=()).with_config(defaults or {})
    writer = _writer(models, summarizer, priced)
    means = Means.of(functions or (), summarizer, writer)
    flows = load_workflows(*workflows)
    asked = _model_planner(models, known, flows, max_tasks, means.functions, priced)
    asked_by = None if models.planner is None else model_name(models.planner)
    costs = Costs(priced, tuple(model_name(item) for item in (models.planner, models.summary) if item is not None))
    planner = Planner(
        known, flows, dict(defaults or {}), max_tasks, means.functions, asked, costs, equipment or NOTHING
    )
    replan = Replan(known, max_tasks, means.functions, asked)
    seating = Seating()
    workers = {name_: Worker.of(item, priced) for name_, item in known.items()}
    work = make_node(workers, seating, keep_apart, means)

    builder = StateGraph(State, context_schema=RunContext, input_schema=Input, output_schema=Output)
    overlapping = overlap(workers, seating.ahead)
    builder.add_node(PLANNER, planner_node(planner, overlapping), trace_policy=OWN_NODE)
    builder.add_node(REPLAN, replan_node(replan, overlapping), trace_policy=OWN_NODE)
    reviewing = review_node(PlanReview(known, describe, max_tasks, means.functions))
    builder.add_node(REVIEW_PLAN, reviewing, trace_policy=OWN_NODE)
    builder.add_node(COLLECT, collect, trace_policy=OWN_NODE)
    builder.add_node(SYNTHESIZER, synthesizer_node(summarizer, writer, priced, asked_by), trace_policy=OWN_NODE)
    builder.add_node(BATCH, batch_node(batch_graph(known, work), seating), trace_policy=BATCH_NODE)
    for item, made in known.items():
        builder.add_node(item, specialist_node(made, work))
        builder.add_edge(item, COLLECT)
    builder.add_edge(START, PLANNER)
    builder.add_edge(BATCH, COLLECT)
    edge = fan_out_edge(batch_size)
    targets = [*known, BATCH, SYNTHESIZER]
    builder.add_conditional_edges(PLANNER, review_edge(edge), [REVIEW_PLAN, *targets])
    builder.add_conditional_edges(REVIEW_PLAN, edge, targets)
    builder.add_conditional_edges(COLLECT, round_edge(edge, has_model=asked is not None), [REPLAN, *targets])
    builder.add_conditional_edges(REPLAN, review_edge(edge), [REVIEW_PLAN, *targets])
    builder.add_edge(SYNTHESIZER, END)
    compiled = builder.compile(checkpointer=checkpointer, store=store, name=name)
    name_task_runs(compiled, known)
    graph = Graph.of(compiled, tracing or Tracing())
    seating.graph = graph
    return graph


def equipped(equipment: Equipment | None, models: Models) -> Equipment:
    """Return what the built-in specialists may use, with the graph's model for them where they have none."""
    given = (equipment or Equipment()).made()
    return given if given.model is not None else replace(given, model=models.specialists)


def _model_planner(
    models: Models,
    specialists: Mapping[str, Specialist],
    workflows: Mapping[str, Workflow],
    max_tasks: int,
    functions: Collection[str],
    prices: Prices,
) -> ModelPlanner | None:
    """Return what plans requests with a model, if there is one."""
    if models.planner is None:
        return None
    from ..nodes.planning import ModelPlanner

    used = partial(Used, prices=prices)
    return ModelPlanner(models.planner, specialists, workflows, max_tasks, tuple(functions), new_used=used)


def _writer(models: Models, summarizer: Summarizer, prices: Prices) -> ModelSummarizer | None:
    """Return what writes the summary with a model, if there is one."""
    if models.summary is None:
        return None
    from ..nodes.summary.by_model import ModelSummarizer

    return ModelSummarizer(models.summary, summarizer, prices=prices)


def _check_names(specialists: Mapping[str, Specialist]) -> None:
    for name in specialists:
        if name in RESERVED:
            raise FanwiseError(f"a specialist can't be called {name!r}: the graph has a node or channel of that name")
        if not name or any(mark in name for mark in "|:"):
            raise FanwiseError(
                f"a specialist can't be called {name!r}: a node's name is not empty and has no '|' or ':'"
            )
