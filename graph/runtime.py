"""What a branch takes from LangGraph: its place on the board, and what an earlier attempt has saved.

This module and `nodes/steps.py` are the only ones that know names which LangGraph keeps private.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import StateSnapshot

from ..nodes.steps import SCRATCHPAD
from ..state import RunContext
from .board import Board, Earlier, LoadEarlier
from .boards import Boards
from .head_starts import Ahead
from .names import BATCH
from .seat import Result, Seat

CHECKPOINTER = "__pregel_checkpointer"
"""Where LangGraph puts the run's checkpointer in a node's configuration."""

RESUMING = "__pregel_resuming"
"""Whether the invocation goes on with a run that was there before."""

RESUME_MAP = "__pregel_resume_map"
"""Where LangGraph puts the answers that an invocation was given, by the questions' hashes."""

TASKS = "__pregel_tasks"
"""The channel that `Send`s are written to."""


@dataclass
class Seating:
    """Gives every branch its seat. One for each compiled graph."""

    boards: Boards = field(default_factory=Boards)
    ahead: Ahead = field(default_factory=Ahead)
    graph: CompiledStateGraph[Any, Any, Any, Any] | None = None
    """The compiled graph, set by the builder when it is there."""

    def __call__(self, send: Mapping[str, Any], runtime: Runtime[Any], config: RunnableConfig) -> Seat:
        """Return the seat of a branch; must be called before its first await."""
        branch = str(config.get("configurable", {}).get("checkpoint_ns") or "").rpartition(":")[2]
        return self.board(send, runtime, config).enter(send, branch, self.ahead.claim(runtime.control, send))

    def board(self, shared: Mapping[str, Any], runtime: Runtime[Any], config: RunnableConfig) -> Board:
        """Return the board of the superstep in which a node runs; it lives as long as somebody holds it.

        A batch asks for it before its branches do: the events of a sub-graph reach only those who stream sub-graphs
        too, so that the board puts all events on the stream of the graph that made it.
        """
        board = self.boards.find(runtime, shared["superstep"])
        if board is not None:
            return board
        context, run = runtime.context, shared["run"]
        if isinstance(context, RunContext):
            given = {name: getattr(context, name) for name in ("max_parallel", "deadline_at")}
            run = {**run, **{k: v for k, v in given.items() if v is not None}}
        return self.boards.make(runtime, shared["superstep"], run, self._load_earlier(config))

    def _load_earlier(self, config: RunnableConfig) -> LoadEarlier | None:
        """Return how to read an earlier attempt's results; `None` where there can't be any."""
        own = config.get("configurable", {})
        checkpointer = own.get(CHECKPOINTER)
        if not own.get(RESUMING) or checkpointer is None or self.graph is None:
            return None
        namespace = str(own.get("checkpoint_ns") or "")
        graph = self.graph

        async def load() -> Earlier:
            state = await graph.aget_state(_graph_config(own, namespace), subgraphs=True)
            return Earlier(dict(saved_results(state)), set(_unanswered(state, own)))

        return load


def _graph_config(own: Mapping[str, Any], namespace: str) -> RunnableConfig:
    """Return the config of the graph in whose superstep, or batch, a branch with this configuration runs."""
    parents = namespace.split("|")[:-1]
    if parents and parents[-1].split(":")[0] == BATCH:
        parents.pop()
    return {
        "configurable": {
            "thread_id": own["thread_id"],
            "checkpoint_ns": "|".join(parents),
            CHECKPOINTER: own[CHECKPOINTER],
        }
    }


def _unanswered(state: StateSnapshot, own: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of branches that wait for a person who has not answered with this invocation either."""
    if own[SCRATCHPAD].get_null_resume(False) is not None:
        return  # an answer without an id: it is for whoever asks first
    answered = own.get(RESUME_MAP) or {}
    for task in state.tasks:
        if task.name == BATCH and isinstance(task.state, StateSnapshot):
            yield from _unanswered(task.state, own)
        elif task.result is None and task.interrupts and not any(i.id in answered for i in task.interrupts):
            yield task.id


def saved_results(state: StateSnapshot) -> Iterator[tuple[str, Result]]:
    """Yield the results that finished branches have saved as pending writes, in batches too."""
    for task in state.tasks:
        if isinstance(task.result, Mapping):
            found = task.result.get("results")
            yield from found.items() if isinstance(found, Mapping) else ()  # the planner's own write is an `Overwrite`
        elif task.name == BATCH and isinstance(task.state, StateSnapshot):
            yield from (task.state.values.get("results") or {}).items()
            yield from saved_results(task.state)
