"""A thread's timeline, read over the server's own protocol: whoever may read the thread may see it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
from langgraph.types import Interrupt, PregelTask, StateSnapshot
from langgraph_sdk.client import LangGraphClient

from ..graph.questions import Questions
from ..graph.report import is_planned, report_of
from ..schema.errors import RunError
from ..schema.results import PendingInterrupt
from ..timeline.build import build_timeline
from ..timeline.model import Timeline
from .watch import Watch


class NotFound(RunError):
    """There is no such thread, or it is not the caller's."""


class NotAllowed(RunError):
    """The caller is not let in."""


class ThreadSource:
    """Reads one thread's timeline, again and again."""

    def __init__(self, client: LangGraphClient, thread_id: str, watch: Watch, *, with_data: bool = True) -> None:
        self._client = client
        self._thread_id = thread_id
        self._watch = watch
        self._with_data = with_data

    async def timeline(self) -> Timeline:
        """Return the thread's timeline.

        Raises:
            NotFound: there is no such thread for this caller.
            NotAllowed: the caller is not let in.
            RunError: it has no plan yet.
        """
        state, is_busy = await self._read()
        values: Mapping[str, Any] = state["values"] if isinstance(state["values"], Mapping) else {}
        if not is_planned(values):
            raise RunError(f"the thread {self._thread_id!r} has no plan yet: there is nothing to draw")
        snapshot = _snapshot(state, values)
        report = report_of(snapshot, self._thread_id, _questions(snapshot))
        if is_busy and report.status in ("interrupted", "paused"):
            report = report.model_copy(update={"status": "running"})
        attempts, events = self._watch.noted(self._thread_id, values["run_id"])
        return build_timeline(values["plan"], report, attempts, events, now=time.time(), with_data=self._with_data)

    async def _read(self) -> tuple[Mapping[str, Any], bool]:
        try:
            thread = await self._client.threads.get(self._thread_id)
            state = await self._client.threads.get_state(self._thread_id, subgraphs=True)
        except httpx.HTTPStatusError as error:
            code = error.response.status_code
            if code in (401, 403):
                raise NotAllowed("you are not let in: send the key that the server asks for") from None
            if code in (404, 422):
                raise NotFound(f"there is no thread {self._thread_id[:80]!r}") from None
            raise RunError(f"the thread can't be read: the server answered {code}") from None
        return state, thread["status"] == "busy"


def _snapshot(state: Mapping[str, Any], values: Mapping[str, Any]) -> StateSnapshot:
    """Return a state as LangGraph holds it, from what the server tells."""
    tasks = tuple(_task(task) for task in state.get("tasks") or ())
    return StateSnapshot(
        values=values,
        next=tuple(state.get("next") or ()),
        config={"configurable": {}},
        metadata=None,
        created_at=None,
        parent_config=None,
        tasks=tasks,
        interrupts=tuple(interrupt for task in tasks for interrupt in task.interrupts),
    )


def _task(task: Mapping[str, Any]) -> PregelTask:
    interrupts = tuple(Interrupt(value=item.get("value"), id=item["id"]) for item in task.get("interrupts") or ())
    inner = task.get("state")
    state = _snapshot(inner, inner.get("values") or {}) if isinstance(inner, Mapping) else None
    return PregelTask(
        id=task["id"],
        name=task["name"],
        path=tuple(task.get("path") or ()),
        interrupts=interrupts,
        state=state,
        result=task.get("result"),
    )


def _questions(snapshot: StateSnapshot) -> Questions:
    found = []
    for item in snapshot.interrupts:
        task_id = item.value.get("task_id") if isinstance(item.value, Mapping) else None
        found.append(PendingInterrupt(id=item.id, task_id=task_id, value=item.value))
    return Questions(open=tuple(found), answered=(), answers={})
