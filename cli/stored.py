"""Runs in the database: what they were to do, and how they stand."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from ..graph import report as graph_report
from ..graph.builder import RESERVED, Graph, build_graph
from ..graph.checkpoints import Database, list_threads
from ..graph.run import report
from ..nodes.specialist import Specialist
from ..nodes.specialists import known_names
from ..schema.aggregate import AGGREGATE
from ..schema.errors import FanwiseError, RunError
from ..schema.results import Report
from ..schema.words import Nearest

Saver = BaseCheckpointSaver[str]
Plan = Mapping[str, Any]
"""A plan as the state holds it."""


def config_of(thread_id: str) -> RunnableConfig:
    """Return LangGraph's name of a thread."""
    return {"configurable": {"thread_id": thread_id}}


async def exists(saver: Saver, thread_id: str) -> bool:
    """Tell whether the database holds a run of this name."""
    return await saver.aget_tuple(config_of(thread_id)) is not None


async def stored_plan(saver: Saver, thread_id: str) -> Plan | None:
    """Return the plan of a run; `None` for one that was stopped before it had one.

    Raises:
        RunError: there is no such run; it names the nearest.
    """
    saved = await saver.aget_tuple(config_of(thread_id))
    if saved is None:
        known = [name for name, _ in await list_threads(saver, 1000)]
        others = "; `fanwise runs` lists them" if known else "; the database holds no run at all"
        raise RunError(f"there is no run {thread_id!r}{Nearest(known).hint(thread_id)}{others}")
    return await graph_report.stored_plan(saver, saved)


async def stored_report(database: Database, thread_id: str, plan: Plan, *, whole: bool = True) -> Report:
    """Return the report of a run, whether or not its specialists are here.

    Args:
        database: where the run is kept.
        thread_id: the run.
        plan: its plan.
        whole: whether outputs that are kept apart are read too.
    """
    return await report(viewing_graph(database, [plan]), thread_id, whole=whole)


def viewing_graph(database: Database, plans: Iterable[Plan]) -> Graph:
    """Return a graph that has a node for every specialist of the plans, to look at their runs, not to run them."""
    names = {task["specialist"] for plan in plans for task in plan["tasks"]} - RESERVED - {AGGREGATE}
    plain = sorted(name for name in names if name and not any(mark in name for mark in "|:"))
    here = [Specialist(name, _not_here) for name in plain]
    return build_graph(here, checkpointer=database.saver, store=database.store)


def _not_here(task: Any) -> None:
    raise FanwiseError("this graph is for looking at runs only")


def as_live(report: Report, live: Container[str]) -> Report:
    """Return the report of a run as one that is at work, where some process works on it."""
    if report.thread_id not in live or report.status not in UNFINISHED:
        return report
    return report.model_copy(update={"status": "running"})


UNFINISHED = ("interrupted", "paused")
"""What a run's status is that can be gone on with."""


def missing_specialists(
    plan: Plan, report: Report, specialists: Iterable[Specialist], tasks: Iterable[str] = ()
) -> list[str]:
    """Return the names that the unfinished tasks of a run, and `tasks`, need and that do not exist here."""
    known, named = known_names(specialists), set(tasks)
    waiting = [
        task
        for task in plan["tasks"]
        if task["id"] in named or report.results[task["id"]].status in ("pending", "paused")
    ]
    needed = {task["specialist"] for task in waiting}
    needed |= {(task.get("fallback") or {}).get("specialist") or task["specialist"] for task in waiting}
    return sorted(needed - known)
