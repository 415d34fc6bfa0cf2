"""What a task's specialist does for one result: its attempts, their time-outs and retries, and the fallback.

A failed task is a result like any other. Only what must reach LangGraph goes up as an exception: a question to a person
and a suspension (`GraphBubbleUp`), an answer that does not fit its question, and a cancellation from outside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, GraphInterrupt, is_invalid_resume
from langgraph.runtime import Runtime

from ..models.faults import is_bad_key, said_of
from ..models.prices import NO_PRICES, Prices
from ..reducers.usage import added
from ..schema.errors import RunError
from ..schema.progress import AttemptEnded, AttemptFailed, TaskStarted
from ..schema.propose import Propose
from ..schema.skip import Skip
from ..schema.words import few_digits
from ..tracing.calls import calls_of
from ..tracing.spans import Span, waited
from ..tracing.streaming import text_of
from .account import Account
from .attempt import AttemptCut, AttemptTimedOut, run_attempt
from .call import Call, Given, Occasion, make_call, proposed_tasks, to_json
from .hedge import hedged
from .outputs import Outputs
from .pace import hedge_s, timeout_s
from .retries import retrying
from .review import moment
from .seat import Seat
from .specialist import Specialist
from .steps import questions_asked, rewind_questions
from .throttling import asked_to_wait
from .usage import Used, counted

if TYPE_CHECKING:
    from .head_start import HeadStart


@dataclass(frozen=True, slots=True)
class Worker:
    """A specialist made ready to be called."""

    specialist: Specialist
    call: Call
    in_thread: bool
    prices: Prices = NO_PRICES
    """What the models cost that it calls."""

    @classmethod
    def of(cls, specialist: Specialist, prices: Prices = NO_PRICES) -> Worker:
        """Make a specialist ready to be called."""
        return cls(specialist, *make_call(specialist), prices)


class Effort:
    """All attempts that are made for one result of one task, and the fallback after them."""

    __slots__ = (
        "account",
        "config",
        "occasion",
        "outputs",
        "runtime",
        "seat",
        "task",
        "timeout_s",
        "workers",
    )

    def __init__(
        self,
        task: Mapping[str, Any],
        occasion: Occasion,
        account: Account,
        seat: Seat,
        workers: Mapping[str, Worker],
        outputs: Outputs,
        runtime: Runtime[Any],
        config: RunnableConfig,
    ) -> None:
        self.task = task
        self.occasion = occasion
        self.account = account
        self.seat = seat
        self.workers = workers
        self.outputs = outputs
        self.runtime = runtime
        self.config = config
        self.timeout_s = timeout_s(task, seat.estimates)

    async def result(self) -> dict[str, Any]:
        """Return the result that the specialist, or the fallback, comes to."""
        worker = self.workers[self.task["specialist"]]
        try:
            output = await self._attempts(worker)
        except AttemptCut:
            return self._ended("cancelled", error=self.seat.cut)
        except AttemptTimedOut:
            return await self._fall_back("timed_out", f"no answer within {few_digits(self.timeout_s or 0)} s")
        except GraphBubbleUp:
            raise
        except Exception as error:
            if is_invalid_resume(error):
                raise
            return await self._fall_back("failed", describe(error))
        return self._ended("succeeded", output=output)

    async def _attempts(self, worker: Worker) -> Any:
        retry = self.task.get("retry")
        if not retry or retry.get("max_attempts", 1) <= 1:
            return await self._attempt(worker)
        asked = questions_asked(self.config)

        async def pause(seconds: float) -> None:
            await self._queue_again(seconds)
            rewind_questions(self.config, asked)

        return await retrying(
            retry,
            worker.specialist.retry_on,
            attempt=lambda: self._attempt(worker),
            pause=pause,
            on_failure=self._tell_failure,
        )

    async def _attempt(self, worker: Worker) -> Any:
        seat, account, ahead = self.seat, self.account, await self._adopted(worker)
        begun = time.monotonic() - (0.0 if ahead is None else ahead.took_s)
        begun_with = self._attempt_begun(worker, ahead)
        told: AttemptEnded | None = begun_with
        used = Used(prices=worker.prices) if ahead is None else ahead.used
        seat.emit(self._started(ahead))
        try:
            async with self._span(worker, ahead) as span:
                results = await self._results()
                work = self._call(worker, results, span.config) if ahead is None else ahead.work
                number, task_id = account.attempts, self.task["id"]
                streamed = text_of(self.config, task_id, number, seat.emit)
                with counted(used), calls_of(task_id, number), streamed:
                    output = await run_attempt(work, self._time_left(ahead), seat)
                output = self._received(output)
                span.ended(output)
            seat.passed()
            return output
        except BaseException as ended:
            told = _with_end(begun_with, ended)
            if (wait_s := asked_to_wait(ended)) is not None:
                seat.refused(wait_s)
            if is_bad_key(ended):
                seat.give_up(f"task {self.task['id']!r} could not work: {said_of(ended)}")
            if isinstance(ended, AttemptTimedOut | AttemptCut) and (ended.abandoned or worker.in_thread):
                self._warn_abandoned(worker)
            raise
        finally:
            took = time.monotonic() - begun if ahead is None else ahead.took_s
            account.worked_s += took
            account.ended_at = None if ahead is None else ahead.ended_at
            self._charge(used, told)
            seat.release()
            if told is not None:
                told["duration_s"] = round(took, 6)
                seat.emit(told)

    def _span(self, worker: Worker, ahead: HeadStart | None) -> Span:
        """Return what is traced of an attempt."""
        number, name = self.account.attempts, worker.specialist.name
        told = {"attempt": number, **({} if ahead is None else {"began_ahead_s": round(ahead.took_s, 6)})}
        as_fallback = "" if name == self.task["specialist"] else f": fallback {name}"
        return Span(
            self.config,
            f"attempt {number}{as_fallback}",
            inputs={"task": self.task["id"], "input": self.task.get("input"), **told},
            tags=("attempt",),
            metadata=told,
            explain=self._explained,
        )

    def _explained(self, error: BaseException) -> BaseException:
        """Return an error as it is to be traced."""
        if isinstance(error, AttemptTimedOut):
            return TimeoutError(self._told(error))
        return asyncio.CancelledError(self.seat.cut) if isinstance(error, AttemptCut) else error

    async def _queue_again(self, seconds: float) -> None:
        begun = time.monotonic()
        await queue_again(self.seat, seconds)
        waited(self.config, "waits to try again", time.monotonic() - begun, why="retry", pause_s=round(seconds, 6))

    async def _adopted(self, worker: Worker) -> HeadStart | None:
        """Return the attempt that began before the branch, if it is this one; else end it, and count what it used."""
        ahead, self.seat.ahead = self.seat.ahead, None
        if ahead is None:
            return None
        try:
            results = await self._results()
            if not self.account.attempts and worker.specialist is ahead.specialist and ahead.is_of(self.task, results):
                ahead.adopt(self.runtime.stream_writer)
                return ahead
        except RunError:  # an output is lost: the attempt itself says so
            pass
        await ahead.discard(self.account, "it is not the plan's any more")
        return None

    async def _results(self) -> dict[str, Any]:
        """Return what the work is given of the dependencies' results."""
        there = {need: result for need, result in self.seat.results().items() if not result.get("by_choice")}
        return {need: await self.outputs.whole(result) for need, result in there.items()}

    def _time_left(self, ahead: HeadStart | None) -> float | None:
        """Return the seconds that an attempt may still work.

        Raises:
            AttemptTimedOut: it took longer, before its branch was there.
        """
        if ahead is None or self.timeout_s is None:
            return self.timeout_s
        if not ahead.is_running and ahead.took_s > self.timeout_s:
            raise AttemptTimedOut(False)
        return max(0.0, self.timeout_s - ahead.took_s)

    def _started(self, ahead: HeadStart | None) -> TaskStarted:
        told = TaskStarted(type="task_started", task_id=self.task["id"], attempt=self.account.attempts)
        if ahead is not None:
            told["ahead_s"] = round(time.time() - ahead.begun_at, 6)
        return told

    def _received(self, output: Any) -> Any:
        """Return what the specialist returned as a JSON value, and keep what it proposes beside it."""
        self.account.proposal = proposed_tasks(output) if isinstance(output, Propose) else []
        return to_json(output.output if isinstance(output, Propose) else output)

    def _charge(self, used: Used, told: AttemptEnded | None) -> None:
        """Add what an attempt used to the task's account, and to the rates of its pools."""
        said = [*(f"task {self.task['id']!r}: {text}" for text in used.warnings), *used.run_warnings]
        self.account.ran_at(used.places)
        self.account.warnings += [text for text in said if text not in self.account.warnings]
        usage = used.total()
        if usage is None:
            return
        self.account.usage = added(self.account.usage, usage)
        self.seat.spent(usage)
        if told is not None:
            told["usage"] = usage

    def _call(self, worker: Worker, results: Mapping[str, Any], config: RunnableConfig) -> Coroutine[Any, Any, Any]:
        """Return the work of an attempt: the specialist's, and where that is slow and may be, the same once more."""
        after_s = hedge_s(self.task, worker.specialist.name, self.seat.estimates)
        if worker.in_thread:  # it can't be stopped, and would do the work twice
            after_s = None

        def start() -> Coroutine[Any, Any, Any]:
            attempt = self.account.attempts
            return worker.call(Given(self.task, results, self.runtime, config, attempt, self.occasion))

        def again() -> Coroutine[Any, Any, Any]:
            self.account.attempts += 1
            self.seat.emit(TaskStarted(type="task_started", task_id=self.task["id"], attempt=self.account.attempts))
            return start()

        return start() if after_s is None else hedged(start, again, after_s, self.seat)

    def _attempt_begun(self, worker: Worker, ahead: HeadStart | None) -> AttemptEnded:
        """Count an attempt, and return what will be told of it when it is over."""
        account, ready_at = self.account, self.seat.ready_at if ahead is None else None
        queued_s = 0.0 if ready_at is None else asyncio.get_running_loop().time() - ready_at
        started_at = moment(time.time() if ahead is None else ahead.begun_at)
        account.attempts += 1
        if account.started_at is None:
            account.started_at, account.queued_s = started_at, queued_s
        return AttemptEnded(
            type="attempt_ended",
            task_id=self.task["id"],
            specialist=worker.specialist.name,
            attempt=account.attempts,
            status="succeeded",
            error=None,
            started_at=started_at,
            queued_s=round(queued_s, 6),
            duration_s=0.0,
        )

    def _tell_failure(self, error: BaseException, retry_in_s: float) -> None:
        self.seat.emit(
            AttemptFailed(
                type="attempt_failed",
                task_id=self.task["id"],
                attempt=self.account.attempts,
                error=self._told(error),
                retry_in_s=retry_in_s,
            )
        )

    async def _fall_back(self, status: str, error: str) -> dict[str, Any]:
        fallback = self.task.get("fallback")
        if not fallback:
            return self._ended(status, error=error)
        if not fallback.get("specialist"):
            return self._ended("succeeded", output=fallback.get("output"), error=error, fallback=True)
        worker = self.workers.get(fallback["specialist"])
        if worker is None:
            return self._ended(status, error=f"{error}; fallback {fallback['specialist']!r} does not exist")
        try:
            await self._queue_again(0)
            output = await self._attempt(worker)
        except GraphBubbleUp:
            raise
        except Exception as second:
            if is_invalid_resume(second):
                raise
            return self._ended(status, error=f"{error}; fallback {fallback['specialist']!r}: {self._told(second)}")
        return self._ended("succeeded", output=output, error=error, fallback=True)

    def _told(self, error: BaseException) -> str:
        if isinstance(error, AttemptTimedOut):
            return f"no answer within {few_digits(self.timeout_s or 0)} s"
        if isinstance(error, AttemptCut):
            return self.seat.cut
        return describe(error)

    def _warn_abandoned(self, worker: Worker) -> None:
        how = "its function goes on in its thread" if worker.in_thread else "it ignores its cancellation"
        self.account.warnings.append(
            f"task {self.task['id']!r} was ended and abandoned: {how}, and what it returns is discarded"
        )

    def _ended(
        self, status: str, *, output: Any = None, error: str | None = None, fallback: bool = False
    ) -> dict[str, Any]:
        return self.account.result(self.task, status, output=output, error=error, fallback=fallback)


async def queue_again(seat: Seat, seconds: float) -> None:
    """Wait, holding nothing, then for a slot.

    Raises:
        AttemptCut: the run's deadline came.
        GraphInterrupt: the run drains; the branch suspends.
    """
    admission = await seat.pause(seconds)
    if admission in ("cancel", "skip"):
        raise AttemptCut(False)
    if admission == "suspend":
        raise GraphInterrupt(())


def _with_end(told: AttemptEnded, error: BaseException) -> AttemptEnded | None:
    """Return what is told of an attempt that an error ended; nothing where it asks a person, or the process stops."""
    if isinstance(error, GraphBubbleUp | asyncio.CancelledError):
        return None
    if isinstance(error, Skip):
        return {**told, "status": "skipped"}
    if isinstance(error, AttemptTimedOut):
        return {**told, "status": "timed_out", "error": "TimeoutError"}
    if isinstance(error, AttemptCut):
        return {**told, "status": "cancelled", "error": "CancelledError"}
    return {**told, "status": "failed", "error": type(error).__name__}


def describe(error: BaseException) -> str:
    """Return an error as one line: its type, and its text if it has one; of a model's errors, what to do too."""
    text = said_of(error) or " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
