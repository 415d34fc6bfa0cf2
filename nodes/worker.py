"""The wrapper that every specialist's node shares: dependencies, a slot, reviews by a person, the result, events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime, get_runtime

from ..schema.progress import TaskFinished, TaskGaveResult, TaskPaused
from ..schema.results import Decision
from ..schema.review import Question, asked_from, from_args
from ..schema.skip import Skip
from ..schema.words import listed
from ..tracing.log import at_work
from ..tracing.spans import Span, waited
from ..tracing.streaming import wants
from .account import Account
from .aggregator import Aggregation, Means
from .attempt import AttemptCut, run_attempt
from .call import Occasion
from .conditions import ConditionError, WhenIsFalse, prepared, skippable
from .effort import Effort, Worker, describe, queue_again
from .outputs import Outputs
from .review import Asker, ask, moment, task_question
from .seat import Admission, Seat
from .steps import durable, in_line

if TYPE_CHECKING:
    from .head_start import HeadStart

TakeSeat = Callable[[Mapping[str, Any], Runtime[Any], RunnableConfig], Seat]
"""Gives a branch its place on the board; called before the branch's first await."""

NO_MEANS = Means()
"""For graphs whose caller gave nothing to combine results with."""

Step = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Runs a piece of a branch's work that must not be done twice."""


class Branch:
    """The work of one branch: one task, from its place on the board to its result."""

    __slots__ = ("account", "config", "occasion", "outputs", "runtime", "seat", "step", "task", "workers")

    def __init__(
        self,
        send: Mapping[str, Any],
        seat: Seat,
        runtime: Runtime[Any],
        config: RunnableConfig,
        workers: Mapping[str, Worker],
        step: Step,
        outputs: Outputs,
    ) -> None:
        self.task: Mapping[str, Any] = send["task"]
        self.occasion = Occasion.of(send, config)
        self.seat = seat
        self.runtime = runtime
        self.config = config
        self.workers = workers
        self.step = step
        self.outputs = outputs
        self.account = Account()

    async def run(self) -> dict[str, Any]:
        """Return the update of the graph's state: this task's result."""
        try:
            result = await self._result()
            if self.seat.ahead is not None:
                result = await self._let_go(self.seat.ahead, result)
            if result["status"] == "cancelled" and self.seat.unneeded:
                result = {**result, "by_choice": True}
            kept = await self.outputs.put_away(result)
        except BaseException as stop:
            self._tell_pause(stop)
            if self.seat.ahead is not None:
                self.seat.ahead.cut()
            self.seat.vacate()
            raise
        if wants(self.config, "results"):
            self.seat.emit(TaskGaveResult(type="task_result", task_id=self.task["id"], result=result))
        self._tell_end(result, *self.seat.settle(result))
        update: dict[str, Any] = {"results": {self.task["id"]: kept}}
        if self.account.warnings:
            update["warnings"] = self.account.warnings
        return update

    async def _let_go(self, ahead: HeadStart, result: dict[str, Any]) -> dict[str, Any]:
        """End work that began before the branch, and that the branch had no use for."""
        self.seat.ahead = None
        await ahead.discard(self.account, f"the task was {result['status']}")
        return {**result, "usage": self.account.usage}

    async def _result(self) -> dict[str, Any]:
        admission = await self._admitted()
        if admission != "start":
            return self._not_started(admission)
        try:
            self.task = await prepared(self.task, self.seat.results(), self.outputs)
            return await self._work()
        except Skip as skip:
            if isinstance(skip, WhenIsFalse):
                self.account.warnings += skip.warnings
            return {**self._ended("skipped", error=skip.reason), "by_choice": True}
        except ConditionError as error:
            return self._ended("failed", error=str(error))

    async def _admitted(self) -> Admission:
        """Wait for the dependencies and a slot."""
        clock, needs = asyncio.get_running_loop().time, self.seat.open()
        begun = clock()
        admission = await self.seat.admitted()
        over = clock()
        ready_at = over if self.seat.ready_at is None else max(self.seat.ready_at, begun)
        why = f"waits for {listed(needs)}"
        waited(self.config, why, ready_at - begun, ended_s_ago=over - ready_at, why="dependencies", tasks=needs)
        waited(self.config, "waits for a slot", over - ready_at, why="slot")
        return admission

    def _not_started(self, admission: Admission) -> dict[str, Any]:
        if admission == "skip":
            idle = {"by_choice": True, "no_occasion": True} if self.seat.no_occasion else {}
            return {**self._ended("skipped", error=self.seat.reason), **idle}
        if admission == "cancel":
            return self._ended("cancelled", error=f"not started: {self.seat.reason}")
        raise GraphInterrupt(())  # suspend: LangGraph saves nothing for it, and runs it again on resume

    async def _work(self) -> dict[str, Any]:
        when = self.task.get("review")
        if not when:
            return await self._effort(self.occasion, self.runtime, self.config).result()
        try:
            return await self._reviewed(when)
        except AttemptCut:
            return self._ended("cancelled", error=self.seat.cut or self.seat.reason)

    def _effort(self, occasion: Occasion, runtime: Runtime[Any], config: RunnableConfig) -> Effort:
        return Effort(self.task, occasion, self.account, self.seat, self.workers, self.outputs, runtime, config)

    async def _reviewed(self, when: str) -> dict[str, Any]:
        """Work with a person's decisions before, or after, or both."""
        if when != "after" and (ended := await self._before()) is not None:
            return ended
        occasion = self.occasion
        while True:
            result = await self._attempted(occasion)
            if when == "before" or result["status"] != "succeeded":
                return result
            decision = await self._decided("after", result["output"], _about(result, occasion))
            if decision.type != "approve":
                self.account.reviews[-1]["replaced"] = self.outputs.if_small(result["output"])
            if decision.type != "respond":
                return self._accepted(decision, result)
            occasion = occasion.again(decision.message, result["output"])

    async def _before(self) -> dict[str, Any] | None:
        """Ask before the task runs; return its result where that settles it."""
        given = self.task.get("input", {})
        decision = await self._decided("before", given)
        if decision.type == "reject":
            return self._ended("cancelled", error=_told("rejected", decision))
        if decision.type == "respond":
            return self._ended("skipped", error=_told("skipped", decision))
        if decision.type == "edit":
            self.task = {**self.task, "input": from_args(decision.args or {}, given, "input")}
            self.account.reviews[-1]["input"] = self.task["input"]
        return None

    async def _attempted(self, occasion: Occasion) -> dict[str, Any]:
        async def attempts() -> dict[str, Any]:
            try:
                result = await self._effort(occasion, get_runtime(), get_config()).result()
            except Skip as skip:
                result = {**self._ended("skipped", error=skip.reason), "by_choice": True}
            return self.account.saved(await self.outputs.put_away(result))

        result = self.account.restore(await self.step("attempts", attempts))
        return dict(await self.outputs.whole(result))

    def _accepted(self, decision: Decision, result: dict[str, Any]) -> dict[str, Any]:
        if decision.type == "reject":
            return self._ended("failed", error=_told("its output was rejected", decision))
        output = result["output"]
        if decision.type == "edit":
            output = from_args(decision.args or {}, output, "output")
        told = {name: result[name] for name in ("error", "fallback")}
        return {**self._ended("succeeded", output=output, **told), "finished_at": result["finished_at"]}

    async def _decided(self, when: str, value: Any, told: str = "") -> Decision:
        """Ask a person about a value, as a step of its own, and keep the decision for the result."""
        seconds = self.task.get("review_timeout_s")

        def question(problems: Any) -> Question:
            expires_at = None if seconds is None else moment(time.time() + float(seconds))
            return task_question(when, self.task, value, expires_at, problems, told)

        def check(decision: Decision) -> None:
            if decision.type == "edit":
                from_args(decision.args or {}, value, "input" if when == "before" else "output")

        async def asked() -> dict[str, Any]:
            decision = await ask(question, check, self._ask_in_person)
            return {"decision": decision.model_dump(mode="json"), "at": moment(time.time())}

        kept = await self.step("review", asked)
        decision = Decision.model_validate(kept["decision"])
        told_of = {"decision": decision.type, "message": decision.message, "by_default": decision.by_default}
        self.account.reviews.append({"when": when, **told_of, "at": kept["at"]})
        return decision

    async def _ask_in_person(self, asker: Asker, question: Question) -> Any:
        """Ask whoever is there, and hold no slot meanwhile."""
        self.seat.release()
        self.seat.emit(TaskPaused(type="task_paused", task_id=self.task["id"], review=question["review"]))
        try:
            async with Span(
                get_config(), "waits for a person", tags=("wait", "wait:person"), metadata={"wait": "person"}
            ):
                answer = await run_attempt(asker(question), None, self.seat)
        except AttemptCut:
            raise
        except Exception as error:
            self.account.warnings.append(f"asking about task {self.task['id']!r} failed: {describe(error)}")
            answer = None
        if answer is not None:
            await queue_again(self.seat, 0)
        return answer  # with none the branch pauses, and needs no slot

    def _ended(self, status: str, **fields: Any) -> dict[str, Any]:
        return self.account.result(self.task, status, **fields)

    def _tell_pause(self, stop: BaseException) -> None:
        """Put a question on the run's stream; a suspension asks nothing."""
        if isinstance(stop, GraphInterrupt) and stop.args[0]:
            value = stop.args[0][0].value
            remote = asked_from(value)
            review = value.get("review") if isinstance(value, Mapping) and remote is None else None
            told = TaskPaused(type="task_paused", task_id=self.task["id"], review=review)
            if remote is not None:
                told["remote"] = f"{remote['graph']} at {remote['url']}"
            self.seat.emit(told)

    def _tell_end(self, result: Mapping[str, Any], completed: int, total: int) -> None:
        self.seat.emit(
            TaskFinished(
                type="task_finished",
                task_id=self.task["id"],
                specialist=self.task["specialist"],
                status=result["status"],
                error=result["error"],
                duration_s=result["duration_s"],
                completed=completed,
                total=total,
            )
        )


class Combining(Branch):
    """The work of a branch whose task combines others."""

    __slots__ = ("aggregation",)

    def __init__(self, send: Mapping[str, Any], *rest: Any, means: Means) -> None:
        super().__init__(send, *rest)
        self.aggregation = Aggregation(send, self.account, self.seat, self.outputs, means, self.config)

    async def _result(self) -> dict[str, Any]:
        result = await self.aggregation.result()
        return self._not_started(result) if isinstance(result, str) else result


def _told(what: str, decision: Decision) -> str:
    who = f"{what} by default" if decision.by_default else f"{what} by a person"
    return f"{who}: {decision.message}" if decision.message else who


def _about(result: Mapping[str, Any], occasion: Occasion) -> str:
    """Return what a person should know of an output beside the output itself."""
    lines = []
    if result.get("fallback"):
        lines.append(f"This is the fallback's output, since the task itself failed: {result['error']}")
    if occasion.comment:
        lines.append(f"Done again after your comment: {occasion.comment}")
    return "\n".join(lines)


def make_node(
    workers: Mapping[str, Worker], take_seat: TakeSeat, keep_apart: int | None = None, means: Means = NO_MEANS
) -> Callable[..., Any]:
    """Return the async node function that all specialists share; `keep_apart` is the limit of `Outputs`."""
    workers = {name: skippable(worker) for name, worker in workers.items()}

    async def work(
        send: Mapping[str, Any], runtime: Runtime[Any], config: RunnableConfig, is_sync: bool = False
    ) -> dict[str, Any]:
        seat = take_seat(send, runtime, config)
        bounded = is_sync or config.get("max_concurrency") is not None  # a step would wait for its branch to end
        outputs = Outputs.of(runtime, config, keep_apart)
        given = (send, seat, runtime, config, workers, in_line if bounded else durable, outputs)
        branch = Combining(*given, means=means) if "aggregate" in send["task"] else Branch(*given)
        with at_work(config.get("configurable", {}).get("thread_id"), send["task"]["id"]):
            return await branch.run()

    return work
