"""Runs that a server works on for its clients: many at once, each in an asyncio task of its own.

A request does not do the work itself: when the client cancels it, its scope is cancelled again and again until it is
left, and nothing could be awaited there any more. The run ends in its own time, its lease is given back, and whoever
resumes it meanwhile waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph.runtime import RunControl

from ..graph.checkpoints import Database, open_database
from ..graph.compiled import Graph
from ..graph.going_on import new_thread_id
from ..graph.run import execute, keep_answers, report
from ..graph.viewing import UNFINISHED, as_live, stored_report
from ..nodes.specialists import known_names
from ..runs.questions import all_asked
from ..runs.setup import Setup
from ..runs.stored import exists, missing, stored_plan
from ..runs.user_code import OwnCode
from ..schema.errors import RunError
from ..schema.results import Report
from ..state import RunContext
from .mcp_events import EventLogs, guarded
from .mcp_progress import Progress
from .mcp_questions import User, matched

MAX_RUNS = 32
"""Runs at work at the same time."""


@dataclass(frozen=True)
class Client:
    """Who waits for a run."""

    progress: Progress
    user: User | None = None
    """Who can be asked; nobody where the client can't."""
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client's connection is gone."""


@dataclass
class Runs:
    """Starts runs, goes on with them, and tells how they stand."""

    setup: Setup
    """What runs work with beside their plans."""
    limits: RunContext
    """What the server lets each run have; clients can only ask for less."""
    database: Database
    graph: Graph
    own: OwnCode
    logs: EventLogs
    max_runs: int = MAX_RUNS
    _working: dict[str, asyncio.Task[Report]] = field(default_factory=dict)
    _controls: dict[str, RunControl] = field(default_factory=dict)
    _stopping: bool = False

    @property
    def known(self) -> set[str]:
        """The names of the specialists that tasks can have."""
        return known_names(self.own.specialists)

    async def start(
        self, given: Mapping[str, Any], client: Client, context: RunContext, thread_id: str | None
    ) -> Report:
        """Run what was given on a new thread.

        Raises:
            FanwiseError: it was refused; nothing ran.
        """
        thread = thread_id or new_thread_id()
        if thread in self._working or await exists(self.database.saver, thread):
            raise RunError(f"there is a run {thread!r} already: resume_run goes on with it; or give another thread_id")
        return await self._watched(thread, client, lambda: self._worked(thread, given, None, client, context))

    async def resume(self, thread_id: str, answers: Mapping[str, Any], client: Client, context: RunContext) -> Report:
        """Go on with a run that was stopped, or waits for a person; a run that is over is just told.

        Raises:
            RunError: there is no such run, it can't go on here, or an answer does not fit.
        """
        await self._ended(thread_id)
        plan = await stored_plan(self.database.saver, thread_id)
        before = await self._stored(thread_id, plan)
        if before.status not in UNFINISHED:
            if answers:
                raise RunError(f"the run {thread_id!r} is over ({before.status}): there is nothing to answer")
            return before
        if plan is not None and (lacking := missing(plan, before, self.own)):
            raise RunError(f"the run {thread_id!r} can't go on in this server: it needs {lacking}")
        fitting = matched(answers, all_asked(before.interrupts), self.known)
        done = sum(result.status not in ("pending", "paused") for result in before.results.values())
        client.progress.begin(thread_id, done, len(before.results))
        return await self._watched(thread_id, client, lambda: self._worked(thread_id, None, fitting, client, context))

    async def get(self, thread_id: str) -> Report:
        """Return how a run stands.

        Raises:
            RunError: there is no such run.
        """
        plan = await stored_plan(self.database.saver, thread_id)
        return as_live(await self._stored(thread_id, plan), await self.database.leases.live())

    async def _stored(self, thread_id: str, plan: Mapping[str, Any] | None) -> Report:
        if plan is not None and {task["specialist"] for task in plan["tasks"]} <= self.known:
            return await report(self.graph, thread_id)
        return await stored_report(self.database, thread_id, plan or {"tasks": ()})

    async def _ended(self, thread_id: str) -> None:
        """Wait for a run that is being cancelled."""
        task = self._working.get(thread_id)
        if task is not None and task.cancelling():
            await asyncio.wait([task])

    async def _watched(self, thread_id: str, client: Client, work: Callable[[], Coroutine[Any, Any, Report]]) -> Report:
        """Wait for a run; end it when the request is cancelled, or nobody waits for it any more."""
        if self._stopping:
            raise RunError("the server is being stopped: try again when it is back")
        if thread_id in self._working:
            raise RunError(f"the run {thread_id!r} is at work already, in this server: wait for it, or cancel its call")
        if len(self._working) >= self.max_runs:
            raise RunError(f"{len(self._working)} runs are at work here, which is the limit: try again later")
        task = asyncio.create_task(work(), name=f"fanwise-run-{thread_id}")
        self._working[thread_id] = task
        task.add_done_callback(lambda task: self._forget(thread_id, task))
        gone = asyncio.create_task(client.dropped.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not task.done():
                task.cancel()
        if not task.done():
            await asyncio.wait([task])
        if task.cancelled():
            raise RunError(f"the run {thread_id!r} was stopped: resume_run goes on with it")
        return task.result()

    def _forget(self, thread_id: str, task: asyncio.Task[Report]) -> None:
        del self._working[thread_id]
        self._controls.pop(thread_id, None)
        if not task.cancelled():
            task.exception()  # nobody may be left to be told

    async def _worked(
        self,
        thread_id: str,
        given: Mapping[str, Any] | None,
        answers: Mapping[str, Any] | None,
        client: Client,
        context: RunContext,
    ) -> Report:
        """Run, or go on; ask the user what is open when nothing else is left, and go on with the answers."""
        async with self.database.leases.hold(thread_id):
            made = await self._executed(thread_id, given, answers, client, context)
            while made.status == "paused" and not self._stopping and await self._answered(made, client.user):
                try:
                    made = await self._executed(thread_id, None, None, client, context)
                except RunError as error:  # whether an answer fits a specialist's question is told only now
                    made = await report(self.graph, thread_id)
                    return made.model_copy(update={"warnings": (*made.warnings, str(error))})
            return made

    async def _executed(
        self,
        thread_id: str,
        given: Mapping[str, Any] | None,
        answers: Mapping[str, Any] | None,
        client: Client,
        context: RunContext,
    ) -> Report:
        control = self._controls[thread_id] = RunControl()
        return await execute(
            self.graph,
            given,
            thread_id,
            context=self._limited(context),
            on_event=lambda event: client.progress.on_event(event, thread_id),
            control=control,
            answers=answers,
            asker=client.user,
            history=self.database.history,
        )

    async def _answered(self, made: Report, user: User | None) -> bool:
        """Ask the user what is open, and keep each answer at once; tell whether there is one."""
        given = False
        for asked in user.unasked(all_asked(made.interrupts)) if user is not None else ():
            assert user is not None
            answer = await user.answer(asked)
            if answer is not None:
                await keep_answers(self.graph, made.thread_id, {asked.id: answer})
                given = True
        return given

    def _limited(self, context: RunContext) -> RunContext:
        """Return a run's options within the server's limits."""
        own = self.limits
        return replace(
            context,
            max_parallel=_least(context.max_parallel, own.max_parallel),
            deadline_s=_least(context.deadline_s, own.deadline_s),
            max_rounds=own.max_rounds,
            max_tokens=own.max_tokens,
            max_cost=own.max_cost,
        )

    async def stop(self, grace: float) -> None:
        """Stop all runs: what works has so many seconds to end, the rest stays for a resume."""
        self._stopping = True
        for control in self._controls.values():
            control.request_drain()
        if self._working:
            await asyncio.wait(list(self._working.values()), timeout=grace or 0.01)
        left = list(self._working.values())
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


def _least(*numbers: Any) -> Any:
    return min((number for number in numbers if number is not None), default=None)


@asynccontextmanager
async def opened(
    db: str,
    setup: Setup,
    limits: RunContext,
    own: OwnCode,
    logs: EventLogs,
    *,
    max_runs: int = MAX_RUNS,
    **options: Any,
) -> AsyncIterator[Runs]:
    """Open the database, build the graph, and stop all runs at the end.

    Args:
        db: the database's path or address.
        setup: what runs work with beside their plans.
        limits: what each run may have at most.
        own: the user's own code.
        logs: what event logs may be read.
        max_runs: runs at work at the same time.
        options: further options of `build_graph`.
    """
    readers = guarded(setup.equipment, logs, {item.name for item in own.specialists})
    code = OwnCode([*own.specialists, *readers], own.reducers)
    async with open_database(db) as database:
        graph = setup.build(code, database, **options)
        runs = Runs(setup, limits, database, graph, code, logs, max_runs)
        try:
            yield runs
        finally:
            with suppress(asyncio.CancelledError):
                await runs.stop(0)
