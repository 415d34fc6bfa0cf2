"""Looking at runs whose specialists need not be here."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from ..nodes.specialist import Specialist
from ..schema.aggregate import AGGREGATE
from ..schema.errors import FanwiseError
from ..schema.results import Report
from .builder import RESERVED, build_graph
from .compiled import Graph
from .database import Database
from .run import report

Plan = Mapping[str, Any]
"""A plan as the state holds it."""


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
