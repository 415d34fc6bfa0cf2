"""A run's timeline out of its database, as it stands now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ..graph.compiled import Graph
from ..graph.database import Database
from ..graph.going_on import config_of
from ..graph.history import AttemptRow, EventRow
from ..graph.report import stored_plan
from ..graph.run import report
from ..graph.viewing import as_live, viewing_graph
from ..schema.errors import RunError
from .build import build_timeline
from .model import Timeline


class Source:
    """Reads one run's timeline, again and again; in whatever process the run is at work."""

    def __init__(self, database: Database, thread_id: str, *, whole: bool = True, with_data: bool = True) -> None:
        """Make a source.

        Args:
            database: where the run is kept.
            thread_id: the run.
            whole: whether large outputs, which are kept apart, are read too.
            with_data: whether inputs, outputs, errors and the summary are shown.
        """
        self.thread_id = thread_id
        self._database = database
        self._whole = whole
        self._with_data = with_data
        self._graph: tuple[frozenset[str], Graph] | None = None

    async def timeline(self) -> Timeline:
        """Return the run's timeline.

        Raises:
            RunError: there is no such run, or it has no plan yet.
        """
        saved = await self._database.saver.aget_tuple(config_of(self.thread_id))
        if saved is None:
            raise RunError(f"there is no run {self.thread_id!r}")
        plan = await stored_plan(self._database.saver, saved)
        if plan is None:
            raise RunError(f"the run {self.thread_id!r} has no plan yet: there is nothing to draw")
        made = await report(self._viewing(plan), self.thread_id, whole=self._whole)
        live = as_live(made, await self._database.leases.live())
        attempts, events = await asyncio.to_thread(self._noted, saved.checkpoint["channel_values"].get("run_id") or "")
        return build_timeline(plan, live, attempts, events, now=time.time(), with_data=self._with_data)

    def _viewing(self, plan: Mapping[str, Any]) -> Graph:
        names = frozenset(task["specialist"] for task in plan["tasks"])
        if self._graph is None or self._graph[0] != names:
            self._graph = (names, viewing_graph(self._database, [plan]))
        return self._graph[1]

    def _noted(self, run_id: str) -> tuple[list[AttemptRow], list[EventRow]]:
        """Return what the history has of the run; a history that can't be read has nothing."""
        history = self._database.history
        try:
            return history.attempts_of(self.thread_id, run_id), history.events(self.thread_id, run_id)
        except RunError:
            return [], []
