"""The board: where the branches of one superstep wait for their dependencies and for slots, without a barrier.

LangGraph ends a superstep when its slowest branch ends. So all unfinished tasks are sent at once, and each branch waits
here until the results that it needs are there and a slot is free. A board belongs to one attempt at one superstep of
one run; it lives in the process and dies with its branches. What must last is in the checkpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from langgraph.runtime import RunControl

from ..nodes.head_start import HeadStart
from ..nodes.seat import Admission
from ..schema.progress import BudgetUsed, PoolChanged, ProgressEvent, TaskQueued
from ..schema.results import standing
from .budget import Budget
from .gates import GATES
from .pressure import CPU
from .resources import demand_of
from .rules import FAILED, Group
from .schedule import Schedule, gate_rates, limits_of
from .seat import AGAIN, Result, Seat
from .traffic import Traffic


class Earlier(NamedTuple):
    """What an earlier attempt at this superstep has left."""

    results: Mapping[str, Result]
    """By task id."""
    unanswered: Collection[str]
    """Branches that asked a person and have no answer yet, by LangGraph's id."""


LoadEarlier = Callable[[], Awaitable[Earlier]]
"""Reads what an earlier attempt at this superstep has saved."""

Emit = Callable[[ProgressEvent], None]
"""Puts an event on the run's stream."""

DEADLINE = "the run's deadline has passed"
"""Why the deadline cut a task short."""


class Board:
    """Branches, their results and the schedule of one attempt at one superstep."""

    def __init__(
        self, control: RunControl | None, run: Mapping[str, Any], emit: Emit, load_earlier: LoadEarlier | None
    ) -> None:
        self.control = control
        self.emit = emit
        self.results: dict[str, Result] = {}
        self.estimates: Mapping[str, Mapping[str, Any]] = run.get("estimates") or {}
        self.total: int = run.get("total", 0)
        self.completed: int = run.get("completed", 0)
        self._load_earlier = load_earlier
        self._loading: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._seats: dict[str, Seat] = {}
        self._watching: list[Seat] = []
        self._vacated: set[str] = set()
        self._unanswered: set[str] = set()
        self._stopped: tuple[Admission, str] | None = None
        self._woken = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        offset = self._loop.time() - time.time()
        last = run.get("last_start")
        gates = GATES.get()
        gates.configure(gate_rates(run))
        self._schedule = Schedule(limits_of(run), None if last is None else last + offset, gates)
        self.traffic = Traffic(self._schedule, gates, self._on_traffic)
        self._alone: dict[str, Mapping[str, Sequence[str]]] = {}
        self._cancelled: dict[str, str] = {}
        self._released: dict[str, set[str]] = {}
        """Task -> aggregates that went on without it."""
        self._fails_fast = run.get("on_failure") == "fast"
        self._optional: Collection[str] = run.get("optional", ())
        if (failed := run.get("failed")) is not None:
            self._stopped = ("skip", _failed_fast(failed))
        self._budget = Budget.of(run.get("budget") or {})
        if self._budget is not None and (over := self._budget.over) is not None:
            self._stopped = self._stopped or ("skip", over)
        deadline = run.get("deadline_at")
        self._deadline = None if deadline is None else deadline + offset

    def enter(self, send: Mapping[str, Any], branch: str = "", ahead: HeadStart | None = None) -> Seat:
        """Take a place for the task in `send`. Must be called before the branch's first await.

        Args:
            send: what the branch was sent.
            branch: LangGraph's id of the branch.
            ahead: the task's first attempt, where that began before.
        """
        task, known = send["task"], send.get("results") or {}
        if self._deadline is not None and self._deadline <= self._loop.time():
            self._stopped = ("cancel", DEADLINE)
        elif self._deadline is not None and self._alarm is None:
            self._alarm = self._loop.call_at(self._deadline, self._on_deadline)
        seat = self._seats[task["id"]] = Seat(self, send, branch, ahead)
        if seat.is_watching:
            self._watching.append(seat)
            self._alone[seat.task_id] = send.get("alone") or {}
        else:
            self._schedule.add(
                seat.task_id,
                seat.depends_on,
                known={need: standing(result) for need, result in known.items()},
                run_if=task.get("run_if", "all_success"),
                rank=send.get("rank", 0.0),
                order=send.get("order", 0),
                demand=demand_of(task, self._schedule.limits.pools),
                priority=task.get("priority", 0),
                after=seat.after,
                at_work=ahead is not None,
                group=Group(*send["behind_group"]) if "behind_group" in send else None,
            )
        if CPU in (task.get("needs") or {}):
            self.traffic.watch_cores()
        if self._load_earlier is not None:
            self._loading = asyncio.ensure_future(self._take_earlier(self._load_earlier))
            self._load_earlier = None
        return seat

    def wake(self) -> None:
        """Look at the schedule in the loop's next turn, once for all that happens until then."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._advance)

    def settle(self, task_id: str, result: Result) -> None:
        """Record a result and let the schedule see it."""
        if task_id not in self.results:
            self.results[task_id] = result
            self.completed += 1
        seat = self._seats.get(task_id)
        if self._fails_fast and self._stopped is None and seat is not None and seat.required:
            self._fail_fast(task_id, result["status"])
        self._leave(task_id)
        self._schedule.settle(task_id, standing(result))
        self.wake()

    def cancel(self, by: str, tasks: Collection[str], reason: str) -> list[str]:
        """End tasks for an aggregate, as far as nobody else needs them, and what only they need; return which.

        Nobody needs a task any more where all that depend on it have a result, are ended too, or let it go as well.
        """
        needed_by = self._alone.get(by, {})
        for task_id in tasks:
            self._released.setdefault(task_id, set()).add(by)
        ending, grows = set[str](), True
        while grows:
            free = {*ending, *self._cancelled, *self.results}
            more = {
                task_id
                for task_id, others in needed_by.items()
                if task_id not in free and free.union(self._released.get(task_id, ())).issuperset(others)
            }
            grows = bool(more)
            ending |= more
        ended = sorted(ending - self.results.keys())
        self._cancelled.update(dict.fromkeys(ended, reason))
        self._cut_unneeded()
        return ended

    def _cut_unneeded(self) -> None:
        for task_id, reason in self._cancelled.items():
            if (seat := self._seats.get(task_id)) is not None:
                seat.unneeded = True
                seat.cut_short(reason)

    def _fail_fast(self, task_id: str, status: str) -> None:
        """Stop the run where a required task has failed: what runs is cancelled, what waits is skipped."""
        if status not in FAILED:
            return
        self.give_up(task_id, _failed_fast(task_id))

    def give_up(self, task_id: str, reason: str) -> None:
        """End the run for a task: what runs beside it is cancelled, what waits is skipped."""
        self._stopped = self._stopped or ("skip", reason)
        for seat in list(self._seats.values()):
            if seat.task_id != task_id:
                seat.cut_short(reason, "skip")

    def vacate(self, task_id: str) -> None:
        """Record that a branch ends without a result; those that can't go on without it suspend."""
        self._leave(task_id)
        self._schedule.drop(task_id)
        self._vacated.add(task_id)
        self.wake()

    def take_more(self, task_id: str) -> bool:
        """Take for a task what it holds once more, if nothing waits for it and it is free."""
        return self._schedule.take_again(task_id, f"{task_id}{AGAIN}")

    def spent(self, task_id: str, usage: Mapping[str, Any]) -> None:
        """Count what a task's attempt used; nothing more starts once the run's budget is used up."""
        self.traffic.spent(task_id, usage.get("total_tokens", 0))
        if self._budget is not None and (over := self._budget.spend(usage)) is not None:
            self._stopped = self._stopped or ("skip", over)
            self.emit(BudgetUsed(type="budget_used", why=over))
            self.wake()

    def _on_traffic(self, event: PoolChanged) -> None:
        self.emit(event)
        self.wake()

    def release(self, task_id: str) -> None:
        """Give a slot back."""
        self._schedule.release(task_id)
        self.wake()

    def requeue(self, task_id: str) -> None:
        """Queue a task for its next attempt."""
        self._schedule.requeue(task_id)
        self.wake()

    def _leave(self, task_id: str) -> None:
        seat = self._seats.pop(task_id, None)
        if seat is not None and seat.is_watching:
            self._watching.remove(seat)
        if not self._seats:  # a timer would keep the board alive
            self._wake_at(None)
            self.traffic.stop()
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    async def _take_earlier(self, load: LoadEarlier) -> None:
        try:
            earlier = await load()
        except Exception as error:
            for seat in list(self._seats.values()):
                seat.fail(error)
            return
        self._unanswered = set(earlier.unanswered)
        for task_id, result in earlier.results.items():
            if task_id not in self._seats and task_id not in self.results:
                self.results[task_id] = result
                self.completed += 1
                self._schedule.settle(task_id, standing(result))
                if self._budget is not None and (over := self._budget.spend(result.get("usage") or {})) is not None:
                    self._stopped = self._stopped or ("skip", over)
            if self._fails_fast and self._stopped is None and task_id not in self._optional:
                self._fail_fast(task_id, result["status"])
            for other in result.get("let_go", ()):
                self._cancelled.setdefault(other, f"task {task_id!r} went on without it")
        self.wake()

    def _advance(self) -> None:
        self._woken = False
        if self._stopped is None and self.control is not None and self.control.drain_requested:
            self._stopped = ("suspend", "the run is draining")
        if self._stopped is not None:
            for seat in list(self._seats.values()):
                seat.decide(*self._stopped)
            return
        if self._loading is not None and not self._loading.done():
            return  # it wakes the board when it has read what an earlier attempt has left
        if self._cancelled:
            self._cut_unneeded()
        if self._unanswered:
            self._suspend_unanswered()
        for seat in self._watching:
            if seat.has_news():
                seat.decide("start")
        decision = self._schedule.decide(self._loop.time())
        for task_id in decision.ready:
            seat = self._seats[task_id]
            seat.ready_at = self._loop.time()
            seat.emit(TaskQueued(type="task_queued", task_id=task_id))
        for skip in decision.skip:
            self._seats[skip.task_id].no_occasion = skip.no_occasion
            self._seats[skip.task_id].decide("skip", skip.reason)
        for task_id in decision.start:
            reason = self._cancelled.get(task_id)
            self._seats[task_id].decide("start") if reason is None else self._seats[task_id].cut_short(reason)
        if self._vacated:
            self._suspend_blocked()
        self._wake_at(decision.wake_at)

    def _suspend_unanswered(self) -> None:
        """Suspend the branches whose question is still open: what they did before they asked is not done again."""
        for seat in list(self._seats.values()):
            if seat.branch in self._unanswered and not seat.unneeded:
                self._unanswered.discard(seat.branch)
                self._schedule.drop(seat.task_id)
                seat.decide("suspend", "a person has not answered yet")

    def _suspend_blocked(self) -> None:
        """Suspend the branches that wait for one that left without a result."""
        for seat in list(self._seats.values()):
            if seat.ready_at is None and self._is_blocked(seat):
                seat.decide("suspend", "a dependency waits")

    def _is_blocked(self, seat: Seat) -> bool:
        if any(other in self._vacated for other in seat.after):
            return True
        waits_for = [need for need in seat.depends_on if need not in self._schedule.statuses]
        gone = [need for need in waits_for if need in self._vacated]
        return bool(gone) and (seat.needs_all or len(gone) == len(waits_for))

    def _wake_at(self, moment: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if moment is not None:
            self._timer = self._loop.call_at(moment, self.wake)

    def _on_deadline(self) -> None:
        self._stopped = ("cancel", DEADLINE)
        for seat in list(self._seats.values()):
            seat.cut_short(DEADLINE)


def _failed_fast(task_id: str) -> str:
    return f"the run ended with the failure of {task_id!r} (on_failure: fast)"
