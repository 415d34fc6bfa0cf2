"""One attempt at a task whose work is a remote graph's: where that is, or is to be, and what comes after a failure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig

from ....schema.progress import DeploymentChanged, TaskMoved
from ....tracing.streaming import Teller
from ...steps import questions_asked
from ...usage import report_warning
from .clients import Opened
from .course import Course
from .faults import Busy, NoneLive, RemoteError, RunFailed, RunLost, ServerFault, Unreachable
from .pool import Deployment, Pool
from .settings import Remote
from .thread import RemoteThread, thread_id

MOVES = 5
"""How often one attempt is taken up again after its deployment failed it: a task that kills servers kills no more."""

TRIES = 100
"""Threads of one task that are looked at; each stands for a time that the work began anew."""

CANCEL_S = 1.5
"""Seconds for telling a deployment that a run is to end; what is cancelled here has two seconds to its own end."""


@dataclass(slots=True)
class Attempt:
    """One attempt."""

    name: str
    """The specialist's."""
    remote: Remote
    pool: Pool
    clients: Opened
    key: str
    """Names the work; see `idempotency_key`."""
    given: Any
    """The graph's input."""
    config: RunnableConfig
    teller: Teller | None
    may_be_repeated: bool
    """Whether the work may have been begun before: by an earlier attempt, before a question, before a crash."""
    first_question: int = field(init=False)
    _begun_at: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.first_question = questions_asked(self.config)

    async def output(self) -> Any:
        """Return the task's output.

        Raises:
            GraphInterrupt: the remote run asks a person; so does the task.
            RemoteError: see `faults`.
        """
        stay: Deployment | None = None
        moves = 0
        while True:
            place = stay or await self._place()
            self._tell_move(place)
            try:
                with place.at_work():
                    return await self._at(place)
            except (Unreachable, Busy, ServerFault, RunLost) as error:
                moves += 1
                if moves > MOVES:
                    raise
                stay = await self._after(error, place)

    async def _place(self) -> Deployment:
        """Return where the work is, or is to be."""
        if self.may_be_repeated and not self._begun_at and len(self.pool.deployments) > 1:
            await self.pool.look_at_all(self.clients, self._tell_change)
            if (known := await self._where_known()) is not None:
                return known
        while True:
            try:
                return await self.pool.least(self.key, self.clients, self._tell_change)
            except NoneLive:
                pause = self.pool.next_look_s(self.remote.wait_s)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _where_known(self) -> Deployment | None:
        """Return the deployment that knows the work; of several the one that came furthest with it."""
        rank = {"idle": 0, "busy": 1, "interrupted": 2, "error": 3}
        live = self.pool.live
        asked = (self._thread(place, 1).standing() for place in live)
        standing = await asyncio.gather(*asked, return_exceptions=True)
        found = [(rank.get(s, 4), place) for s, place in zip(standing, live, strict=True) if isinstance(s, str)]
        return min(found, key=lambda item: (item[0], item[1].outstanding))[1] if found else None

    async def _after(self, error: RemoteError, place: Deployment) -> Deployment | None:
        """Decide what comes after a deployment's failure: the same place, or `None` for whichever there is.

        Raises:
            RemoteError: the failure is not the deployment's end, and the attempt's.
        """
        if isinstance(error, RunLost):
            return place
        if isinstance(error, Busy):
            if not any(item is not place for item in self.pool.live):
                raise error
            self._leave_out(place, str(error), _asked_s(error))
            return None
        if trouble := await self.clients.trouble(place.url):
            self._leave_out(place, trouble)
            return None
        if isinstance(error, ServerFault):
            raise error
        return place  # the connection broke, the deployment lives: the work is still there

    async def _at(self, place: Deployment) -> Any:
        """Work at a deployment."""
        self._begun_at = place.url
        for number in range(1, TRIES + 1):
            thread = self._thread(place, number)
            is_new = await thread.open()
            place.was_reached = True
            try:
                done, output = await self._course(thread).run(is_new)
            except asyncio.CancelledError:
                await self._cancel(thread)
                raise
            if done:
                return output
        raise RunFailed(f"{place.url}: the work began anew {TRIES} times, and failed each time", "RecursionError")

    async def _cancel(self, thread: RemoteThread) -> None:
        """End the remote run; say so where that fails."""
        try:
            async with asyncio.timeout(CANCEL_S):
                await thread.cancel()
        except TimeoutError:
            self._warn_running(thread, f"no answer within {CANCEL_S:g} s")
        except RemoteError as error:
            self._warn_running(thread, str(error))

    def _warn_running(self, thread: RemoteThread, why: str) -> None:
        run = f"run {thread.run_id} " if thread.run_id else "a run "
        report_warning(f"{run}of thread {thread.id} may still be at work, it could not be cancelled: {why}")

    def _course(self, thread: RemoteThread) -> Course:
        how = (self.given, self.config, self.teller, self.first_question)
        return Course(thread, self.remote, self.clients, *how)

    def _thread(self, place: Deployment, number: int) -> RemoteThread:
        client = self.clients.of(place.url)
        return RemoteThread(self.remote, place.url, client, thread_id(self.key, self.name, number))

    def _leave_out(self, place: Deployment, why: str, wait_s: float = 0.0) -> None:
        if place.leave_out(why, wait_s):
            if len(self.pool.deployments) > 1:
                report_warning(f"the deployment {place.url} was left out: {why}", of_run=True)
            self._tell_change(place)

    def _tell_change(self, place: Deployment) -> None:
        if self.teller is None:
            return
        live, why = place.is_live, place.why or ""
        told = DeploymentChanged(type="deployment_changed", url=place.url, live=live, why=why)
        if not self.pool.live and (wait_s := self.pool.waits_s(self.remote.wait_s)):
            told["wait_s"] = wait_s
        self.teller.emit(told)

    def _tell_move(self, place: Deployment) -> None:
        before = self._begun_at
        if self.teller is None or before in ("", place.url):
            return
        why = next((item.why for item in self.pool.deployments if item.url == before), None) or "it failed"
        task_id, attempt = self.teller.task_id, self.teller.attempt
        self.teller.emit(TaskMoved(type="task_moved", task_id=task_id, attempt=attempt, url=before, why=why))


def _asked_s(error: Busy) -> float:
    from ...throttling import asked_to_wait

    return asked_to_wait(error) or 0.0
