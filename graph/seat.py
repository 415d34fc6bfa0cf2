"""A branch's place on the board."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from ..nodes.head_start import HeadStart
from ..nodes.seat import Admission
from ..schema.progress import ProgressEvent
from ..tracing.log import log_event
from .traffic import Traffic

Result = Mapping[str, Any]
"""A `TaskResult` as a plain dict."""

AGAIN = "\n(hedge)"
"""Stands behind a task's id where it holds something twice; no id has a line break."""

DRAIN_POLL_S = 0.25
"""How often a branch that waits for its next attempt looks whether the run is to drain, in seconds."""


class Host(Protocol):
    """What a seat needs of the board that it stands on."""

    results: dict[str, Result]
    estimates: Mapping[str, Mapping[str, Any]]
    completed: int
    total: int
    emit: Callable[[ProgressEvent], None]
    traffic: Traffic

    def wake(self) -> None:
        """Look at the schedule soon."""

    def requeue(self, task_id: str) -> None:
        """Queue a task for its next attempt."""

    def release(self, task_id: str) -> None:
        """Give back what a task holds."""

    def settle(self, task_id: str, result: Result) -> None:
        """Record a result."""

    def vacate(self, task_id: str) -> None:
        """Record that a branch ends without a result."""

    def spent(self, task_id: str, usage: Mapping[str, Any]) -> None:
        """Count what a task's attempt used."""

    def cancel(self, by: str, tasks: Collection[str], reason: str) -> list[str]:
        """End tasks for an aggregate; return those that were."""

    def take_more(self, task_id: str) -> bool:
        """Take what a task holds once more."""

    def give_up(self, task_id: str, reason: str) -> None:
        """End the whole run for a task."""


class Seat:
    """One branch's place on the board."""

    __slots__ = (
        "_board",
        "_end",
        "_known",
        "_seen",
        "_turn",
        "after",
        "ahead",
        "branch",
        "cut",
        "depends_on",
        "estimates",
        "is_watching",
        "needs_all",
        "no_occasion",
        "ready_at",
        "reason",
        "required",
        "task_id",
        "unneeded",
    )

    def __init__(self, board: Host, send: Mapping[str, Any], branch: str, ahead: HeadStart | None = None) -> None:
        task: Mapping[str, Any] = send["task"]
        self.task_id: str = task["id"]
        self.after: Sequence[str] = send.get("after", ())
        self.branch = branch
        self.ahead = ahead
        self.required: bool = task.get("required", True)
        self.is_watching = "aggregate" in task
        self._seen = -1
        self.depends_on: tuple[str, ...] = tuple(task.get("depends_on", ()))
        self.needs_all = not self.is_watching and task.get("run_if") not in ("one_success", "one_failed")
        self.reason = ""
        self.ready_at: float | None = None
        self.cut = ""
        self.unneeded = False
        self.no_occasion = False
        self.estimates: Mapping[str, Mapping[str, Any]] = board.estimates
        self._board = board
        self._known: Mapping[str, Result] = send.get("results") or {}
        self._turn: asyncio.Future[Admission] | None = None
        self._end: Callable[[], None] | None = None

    async def admitted(self) -> Admission:
        """Wait until the task may start (it then holds a slot), must be skipped or cancelled, or has to suspend."""
        self._turn = asyncio.get_running_loop().create_future()
        self._board.wake()
        return await self._turn

    async def changed(self) -> Admission | None:
        """Wait until another dependency has ended; return `None` then, or what is to be done instead.

        The first call returns at once, unless what an earlier attempt has left is still being read.
        """
        self._turn = asyncio.get_running_loop().create_future()
        self._board.wake()
        admission = await self._turn
        self._seen = len(self.results())
        return None if admission == "start" else admission

    def has_news(self) -> bool:
        """Tell whether a dependency has ended since `changed` returned."""
        return len(self.results()) > self._seen

    def open(self) -> list[str]:
        """Return the dependencies that have no result yet."""
        results = self.results()
        return [need for need in self.depends_on if need not in results]

    def cancel(self, tasks: Collection[str], reason: str) -> list[str]:
        """End the work, or the wait, of tasks that nobody else needs, and of what only they need; return which."""
        return self._board.cancel(self.task_id, tasks, reason)

    async def pause(self, seconds: float) -> Admission:
        """Wait between two attempts, holding nothing; then queue for a slot again."""
        loop = asyncio.get_running_loop()
        self._turn = loop.create_future()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0 and not self._turn.done():
            await asyncio.wait([self._turn], timeout=min(left, DRAIN_POLL_S))
            self._board.wake()  # nothing else may happen that would tell of a drain
        if not self._turn.done():
            self.ready_at = loop.time()
            self._board.requeue(self.task_id)
        return await self._turn

    def results(self) -> dict[str, Result]:
        """Return the results of the dependencies that have ended, in the order in which the task names them."""
        if not self.depends_on:
            return {}
        board = self._board.results
        found = {need: self._known.get(need) or board.get(need) for need in self.depends_on}
        return {need: result for need, result in found.items() if result is not None}

    def working(self, end: Callable[[], None] | None) -> None:
        """Tell how to end the work that goes on, so that the deadline can; `None` when it is over."""
        self._end = end
        if end is not None and self.cut:  # it was cut short between its start and its work
            end()

    def give_up(self, reason: str) -> None:
        """End the whole run: no other task would fare better."""
        self._board.give_up(self.task_id, reason)

    def refused(self, wait_s: float) -> None:
        """Tell that a server had too many requests, and the seconds that it asks to wait."""
        self._board.traffic.refused(self.task_id, wait_s)

    def spent(self, usage: Mapping[str, Any]) -> None:
        """Tell what an attempt used: tokens and cost."""
        self._board.spent(self.task_id, usage)

    def passed(self) -> None:
        """Tell that an attempt succeeded."""
        self._board.traffic.passed(self.task_id)

    def take_more(self) -> bool:
        """Take what the task holds once more, if it is free now."""
        return self._board.take_more(self.task_id)

    def give_more(self) -> None:
        """Give that back."""
        self._board.release(f"{self.task_id}{AGAIN}")

    def release(self) -> None:
        """Give the slot back."""
        self._board.release(self.task_id)

    def settle(self, result: Result) -> tuple[int, int]:
        """Put the task's result on the board, where whoever waits for it goes on; return completed and total tasks."""
        self._board.settle(self.task_id, result)
        return self._board.completed, self._board.total

    def vacate(self) -> None:
        """Leave without a result: paused for a person, or cancelled. Branches behind it suspend."""
        self._board.vacate(self.task_id)

    def emit(self, event: ProgressEvent) -> None:
        """Put an event on the run's stream."""
        self._board.emit(event)
        log_event(event)

    def decide(self, admission: Admission, reason: str = "") -> None:
        """Tell the branch what it waits for; whoever comes second is not heard."""
        if self._turn is not None and not self._turn.done():
            self.reason = reason
            self._turn.set_result(admission)

    def fail(self, error: Exception) -> None:
        """Let the branch fail with an error."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_exception(error)

    def cut_short(self, reason: str, waiting: Admission = "cancel") -> None:
        """End the work that goes on, or the wait; `waiting` is what becomes of a task that had not begun."""
        self.cut = reason
        if self._end is not None:
            self._end()
        self.decide(waiting, reason)
