"""The wrapper that every specialist's node shares: dependencies, slot, time-out, retries, fallback, events.

A failed task is a result like any other. Only what must reach LangGraph goes up as an exception: a question to a person
and a suspension (`GraphBubbleUp`), and a cancellation from outside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.runtime import Runtime

from ..schema.progress import AttemptFailed, TaskFinished, TaskStarted
from .attempt import AttemptCut, AttemptTimedOut, run_attempt
from .call import Call, Given, make_call, to_json
from .retries import retrying
from .seat import Admission, Seat
from .specialist import Specialist

TakeSeat = Callable[[Mapping[str, Any], Runtime[Any], RunnableConfig], Seat]
"""Gives a branch its place on the board; called before the branch's first await."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A specialist made ready to be called."""

    specialist: Specialist
    call: Call
    in_thread: bool

    @classmethod
    def of(cls, specialist: Specialist) -> Worker:
        """Make a specialist ready to be called."""
        return cls(specialist, *make_call(specialist))


class Branch:
    """The work of one branch: one task, from its place on the board to its result."""

    __slots__ = (
        "attempts",
        "config",
        "queued_s",
        "runtime",
        "seat",
        "started",
        "task",
        "timeout_s",
        "warnings",
        "worked_s",
        "workers",
    )

    def __init__(
        self,
        send: Mapping[str, Any],
        seat: Seat,
        runtime: Runtime[Any],
        config: RunnableConfig,
        workers: Mapping[str, Worker],
    ) -> None:
        self.task: Mapping[str, Any] = send["task"]
        self.timeout_s: float | None = send["task"].get("timeout_s")
        self.seat = seat
        self.runtime = runtime
        self.config = config
        self.workers = workers
        self.attempts = 0
        self.started: float | None = None
        self.queued_s = 0.0
        self.worked_s = 0.0
        self.warnings: list[str] = []

    async def run(self) -> dict[str, Any]:
        """Return the update of the graph's state: this task's result."""
        try:
            admission = await self.seat.admitted()
            result = await self._work() if admission == "start" else self._not_started(admission)
        except BaseException:
            self.seat.vacate()
            raise
        completed, total = self.seat.settle(result)
        self.seat.emit(
            TaskFinished(
                type="task_finished",
                task_id=self.task["id"],
                status=result["status"],
                error=result["error"],
                duration_s=result["duration_s"],
                completed=completed,
                total=total,
            )
        )
        update: dict[str, Any] = {"results": {self.task["id"]: result}}
        if self.warnings:
            update["warnings"] = self.warnings
        return update

    def _not_started(self, admission: Admission) -> dict[str, Any]:
        if admission == "skip":
            return self._result("skipped", error=self.seat.reason)
        if admission == "cancel":
            return self._result("cancelled", error=f"not started: {self.seat.reason}")
        raise GraphInterrupt(())  # suspend: LangGraph saves nothing for it, and runs it again on resume

    async def _work(self) -> dict[str, Any]:
        worker = self.workers[self.task["specialist"]]
        try:
            output = await self._attempts(worker)
        except AttemptCut:
            return self._result("cancelled", error=self.seat.cut)
        except AttemptTimedOut:
            return await self._fall_back("timed_out", f"no answer within {self.timeout_s:g} s")
        except GraphBubbleUp:
            raise
        except Exception as error:
            return await self._fall_back("failed", describe(error))
        return self._result("succeeded", output=output)

    async def _attempts(self, worker: Worker) -> Any:
        retry = self.task.get("retry")
        if not retry or retry.get("max_attempts", 1) <= 1:
            return await self._attempt(worker)
        return await retrying(
            retry,
            worker.specialist.retry_on,
            attempt=lambda: self._attempt(worker),
            pause=self._pause,
            on_failure=self._tell_failure,
        )

    async def _attempt(self, worker: Worker) -> Any:
        seat, begun = self.seat, time.monotonic()
        self.attempts += 1
        if self.started is None:
            self.started = time.time()
            if seat.ready_at is not None:
                self.queued_s = asyncio.get_running_loop().time() - seat.ready_at
        seat.emit(TaskStarted(type="task_started", task_id=self.task["id"], attempt=self.attempts))
        try:
            given = Given(self.task, self.seat.results(), self.runtime, self.config, self.attempts)
            return to_json(await run_attempt(worker.call(given), self.timeout_s, seat))
        except (AttemptTimedOut, AttemptCut) as ended:
            if ended.abandoned or worker.in_thread:
                self._warn_abandoned(worker)
            raise
        finally:
            self.worked_s += time.monotonic() - begun
            seat.release()

    def _tell_failure(self, error: BaseException, retry_in_s: float) -> None:
        self.seat.emit(
            AttemptFailed(
                type="attempt_failed",
                task_id=self.task["id"],
                attempt=self.attempts,
                error=self._told(error),
                retry_in_s=retry_in_s,
            )
        )

    async def _pause(self, seconds: float) -> None:
        admission = await self.seat.pause(seconds)
        if admission == "cancel":
            raise AttemptCut(False)
        if admission == "suspend":
            raise GraphInterrupt(())

    async def _fall_back(self, status: str, error: str) -> dict[str, Any]:
        fallback = self.task.get("fallback")
        if not fallback:
            return self._result(status, error=error)
        if not fallback.get("specialist"):
            return self._result("succeeded", output=fallback.get("output"), error=error, fallback=True)
        worker = self.workers.get(fallback["specialist"])
        if worker is None:
            return self._result(status, error=f"{error}; fallback {fallback['specialist']!r} does not exist")
        try:
            await self._pause(0)
            output = await self._attempt(worker)
        except GraphBubbleUp:
            raise
        except Exception as second:
            return self._result(status, error=f"{error}; fallback {fallback['specialist']!r}: {self._told(second)}")
        return self._result("succeeded", output=output, error=error, fallback=True)

    def _told(self, error: BaseException) -> str:
        if isinstance(error, AttemptTimedOut):
            return f"no answer within {self.timeout_s:g} s"
        if isinstance(error, AttemptCut):
            return self.seat.cut
        return describe(error)

    def _warn_abandoned(self, worker: Worker) -> None:
        how = "its function goes on in its thread" if worker.in_thread else "it ignores its cancellation"
        self.warnings.append(
            f"task {self.task['id']!r} was ended and abandoned: {how}, and what it returns is discarded"
        )

    def _result(
        self, status: str, *, output: Any = None, error: str | None = None, fallback: bool = False
    ) -> dict[str, Any]:
        finished = time.time()
        return {
            "task_id": self.task["id"],
            "specialist": self.task["specialist"],
            "status": status,
            "output": output,
            "error": error,
            "attempts": self.attempts,
            "queued_s": round(self.queued_s, 6),
            "duration_s": round(self.worked_s, 6),
            "started_at": None if self.started is None else moment(self.started),
            "finished_at": moment(finished),
            "usage": None,
            "fallback": fallback,
        }


def describe(error: BaseException) -> str:
    """Return an error as one line: its type, and its text if it has one."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def moment(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def make_node(workers: Mapping[str, Worker], take_seat: TakeSeat) -> Callable[..., Any]:
    """Return the async node function that all specialists share."""

    async def work(send: Mapping[str, Any], runtime: Runtime[Any], config: RunnableConfig) -> dict[str, Any]:
        seat = take_seat(send, runtime, config)
        return await Branch(send, seat, runtime, config, workers).run()

    return work
