"""The conditional edges: to the review of the plan, the one that fans out, and to another round."""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langgraph._internal._runnable import RunnableCallable  # what LangGraph makes of a function
from langgraph.types import Send

from ..schema.errors import FanwiseError
from ..state import State
from .fan_out import fan_out
from .names import REPLAN, REVIEW_PLAN, SYNTHESIZER
from .rounds import wants_round


def fan_out_edge(batch_size: int) -> RunnableCallable:
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


def review_edge(fan_out_edge: RunnableCallable) -> RunnableCallable:
    """Return the edge after the planner, and after what adds to its plan: to the review, where one is wanted."""

    def is_reviewed(state: State) -> bool:
        is_new = state.get("round", 1) == 1 or bool(state.get("added_tasks"))
        return is_new and (state["plan"].get("config") or {}).get("review") == "plan"

    def edge_sync(state: State, config: RunnableConfig) -> list[Send] | str:
        return REVIEW_PLAN if is_reviewed(state) else fan_out_edge.invoke(state, config)

    async def edge_async(state: State, config: RunnableConfig) -> list[Send] | str:
        return REVIEW_PLAN if is_reviewed(state) else await fan_out_edge.ainvoke(state, config)

    return RunnableCallable(edge_sync, edge_async, name="review_or_fan_out", trace=False)


def round_edge(fan_out_edge: RunnableCallable, *, has_model: bool) -> RunnableCallable:
    """Return the edge after a superstep: once nothing is left to run, to another round, where one may be wanted."""

    def target(state: State, found: list[Send] | str) -> list[Send] | str:
        return REPLAN if found == SYNTHESIZER and wants_round(state, has_model=has_model) else found

    def edge_sync(state: State, config: RunnableConfig) -> list[Send] | str:
        return target(state, fan_out_edge.invoke(state, config))

    async def edge_async(state: State, config: RunnableConfig) -> list[Send] | str:
        return target(state, await fan_out_edge.ainvoke(state, config))

    return RunnableCallable(edge_sync, edge_async, name="fan_out_or_replan", trace=False)
