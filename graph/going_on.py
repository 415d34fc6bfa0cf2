"""How a stopped run is gone on with: the answers that it is given, the time that it has, what it needs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command, StateSnapshot

from ..schema.errors import RunError
from ..schema.review import is_review
from ..state import RunContext
from .compiled import Graph
from .lacking import check_equipped
from .questions import check_answers, overdue, questions_of, take_back, write_answers
from .runtime import saved_results


def config_of(thread_id: str) -> RunnableConfig:
    """Return LangGraph's name of a run."""
    return {"configurable": {"thread_id": thread_id}}


def new_thread_id() -> str:
    """Return a name for a new run: short enough to type, random enough to be alone."""
    return uuid4().hex[:12]


class GoingOn(NamedTuple):
    """How a stopped run is gone on with."""

    snapshot: StateSnapshot
    answers: dict[str, Any]
    """The answers that it is given, those too that were kept from before."""

    @property
    def command(self) -> Command[Any] | None:
        """What LangGraph is told; `None` where there is no answer."""
        return Command(resume=self.answers) if self.answers else None


async def collected(graph: Graph, config: RunnableConfig, answers: Mapping[str, Any]) -> GoingOn:
    """Collect the answers: those that are given now, those of an earlier attempt that did not come to use, defaults."""
    snapshot = await graph.aget_state(config, subgraphs=True)
    _check_equipped(graph, snapshot)
    saver = saver_of(graph)
    questions = await questions_of(saver, snapshot)
    check_answers(questions, answers)
    new = {**overdue(questions.open, time.time()), **answers}
    await write_answers(saver, snapshot.config, new)
    return GoingOn(snapshot, {**questions.answers, **new})


def _check_equipped(graph: Graph, snapshot: StateSnapshot) -> None:
    """Refuse to go on where the specialists of open tasks lack something; a run that was rejected needs none."""
    values = snapshot.values
    plan = values.get("plan") or {}
    if not snapshot.next or values.get("rejected") is not None:
        return
    ended = {*(values.get("results") or {}), *(task_id for task_id, _ in saved_results(snapshot))}
    left = {task["id"] for task in plan.get("tasks") or () if task["id"] not in ended}
    check_equipped(graph, snapshot.config["configurable"]["thread_id"], plan, left)


def saver_of(graph: Graph) -> BaseCheckpointSaver[Any]:
    """Return the checkpointer that a graph keeps its runs with.

    Raises:
        RunError: it was built without one.
    """
    saver = graph.checkpointer
    if not isinstance(saver, BaseCheckpointSaver):
        raise RunError("the graph keeps no runs: build it with a checkpointer")
    return saver


async def take_misfits_back(graph: Graph, config: RunnableConfig) -> None:
    """Forget the kept answers to specialists' own questions, one of which did not fit: they are asked again.

    LangGraph does not say which, and holds the schema of a question against its answer only when the run goes on.
    """
    snapshot = await graph.aget_state(config, subgraphs=True)
    answered = (await questions_of(saver_of(graph), snapshot)).answered
    misfits = [question.id for question in answered if not is_review(question.value)]
    await take_back(saver_of(graph), snapshot.config, misfits)


def with_deadline(context: RunContext, snapshot: StateSnapshot) -> RunContext:
    """Give what is left of a stopped run its deadline anew, from now: the option's, or what its plan says.

    A run that lay still over night would otherwise come to nothing.
    """
    plan = snapshot.values.get("plan") or {}
    seconds = context.deadline_s or (plan.get("config") or {}).get("deadline_s")
    return context if seconds is None else replace(context, deadline_at=time.time() + seconds)
