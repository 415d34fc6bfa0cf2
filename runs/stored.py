"""Runs in the database: what they were to do, and how they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from ..graph import report as graph_report
from ..graph.checkpoints import list_threads
from ..graph.history import EventRow, History
from ..nodes.specialists import known_names
from ..schema.aggregate import own_function
from ..schema.errors import RunError
from ..schema.results import Report
from ..schema.words import Nearest
from .setup import Setup
from .user_code import OwnCode

SETUP = "setup"
"""The kind of event that keeps a run's setup; it is of the thread, and of no run."""

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


async def note_setup(history: History | None, thread_id: str, setup: Setup) -> None:
    """Keep what a run is worked at with, so that it can be told to whoever goes on with it."""
    known = setup.as_noted()
    if history is None or not known:
        return
    row = EventRow(thread_id, "", "", SETUP, datetime.now(UTC).isoformat(timespec="microseconds"), known)
    with suppress(Exception):  # a run is worth more than what is told about it
        await asyncio.to_thread(history.note, [row])


async def noted_setup(history: History | None, thread_id: str) -> Setup | None:
    """Return what a run was last worked at with; `None` where that is not known."""
    if history is None:
        return None
    try:
        found = [row for row in await asyncio.to_thread(history.events, thread_id, "") if row.kind == SETUP]
        return Setup.noted(found[-1].details) if found else None
    except Exception:
        return None


def missing(plan: Plan, report: Report, own: OwnCode, tasks: Iterable[str] = ()) -> str:
    """Return what the unfinished tasks of a run, and `tasks`, need and is not here, in words; empty if all is."""
    named = set(tasks)
    waiting = [
        task
        for task in plan["tasks"]
        if task["id"] in named or report.results[task["id"]].status in ("pending", "paused")
    ]
    needed = {task["specialist"] for task in waiting}
    needed |= {(task.get("fallback") or {}).get("specialist") or task["specialist"] for task in waiting}
    asked = {found[1] for task in waiting if (found := own_function(task.get("aggregate") or {})) is not None}
    lacking = {
        "specialists": sorted(needed - known_names(own.specialists)),
        "functions": sorted(asked - own.functions),
    }
    told = [f"{kind} that are not here: {', '.join(names)}" for kind, names in lacking.items() if names]
    return ", and ".join(told)
