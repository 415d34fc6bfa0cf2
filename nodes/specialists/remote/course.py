"""The course of a task's work on one thread of a deployment: begun, followed, asked about, brought to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import interrupt

from ....schema.progress import TaskProgress
from ....schema.review import REMOTE
from ....tracing.propagate import trace_headers
from ....tracing.streaming import Teller
from ...steps import skip_answers, use_up_answers
from ...usage import report_place
from .clients import Opened
from .faults import RunFailed, Unreachable
from .output import output_of, text_of
from .settings import Remote
from .thread import RemoteThread, Seen

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 5.0
"""Seconds before a stream that ended before its run is joined again; twice as long each time that it brings nothing."""


@dataclass(slots=True)
class Course:
    """The work on one thread."""

    thread: RemoteThread
    remote: Remote
    clients: Opened
    given: Any
    """The graph's input."""
    config: RunnableConfig
    teller: Teller | None
    first_question: int
    """How many questions the task had asked before its attempts began."""

    async def run(self, is_new: bool) -> tuple[bool, Any]:
        """Bring the thread to its end, and return the output; `False` where it ended before, and can't go on.

        Raises:
            RunFailed: the run failed; for good, where a person has decided in it.
        """
        seen, is_ours, pause = Seen() if is_new else await self._look(), False, FIRST_PAUSE_S
        while True:
            if seen.is_busy:
                brought = await self._follow(str(seen.run_id))
            elif seen.questions:
                is_ours = brought = await self._answer(seen)
            elif seen.status == "success":
                try:
                    return True, output_of(seen.values, self.remote.output)
                except RunFailed as failed:
                    if is_ours or seen.is_decided:
                        raise self._as_decided(failed, seen) from None
                    return False, None
            elif seen.run_id is None:
                is_ours = brought = await self._begin()
            elif is_ours or not await self._may_go_on(seen):
                if is_ours or seen.is_decided:
                    raise self._as_decided(_failure(self.thread.url, seen), seen)
                return False, None
            else:
                is_ours = brought = await self._start(asked=seen.asked, passed=seen.passed)
            seen = await self._look()
            if seen.is_busy:
                pause = FIRST_PAUSE_S if brought else min(2 * pause, LONGEST_PAUSE_S)
                await asyncio.sleep(pause)

    async def _look(self) -> Seen:
        seen = await self.thread.look()
        report_place(self.thread.url, self.remote.graph, self.thread.id, seen.run_id)
        return seen

    async def _may_go_on(self, seen: Seen) -> bool:
        """Tell whether a run that failed before, or was cancelled, goes on from its last checkpoint.

        One that failed after a person decided in it does not: what was approved, or rejected, would be done again.
        """
        if self.remote.after_failure != "continue" or (seen.is_decided and seen.status != "interrupted"):
            return False
        return await self.thread.goes_on()

    def _as_decided(self, failed: RunFailed, seen: Seen) -> RunFailed:
        """Return a failure as it is told: for good, where a person has decided in the run."""
        if not seen.is_decided:
            return failed
        skip_answers(self.config, self.first_question + seen.asked)  # a fallback's questions are its own
        return failed.for_good()

    async def _begin(self) -> bool:
        """Begin anew. Answers that are there already were for a run that is lost; they are not used here."""
        passed = use_up_answers(self.config, self.first_question)
        return await self._start(input=self.given, asked=passed, passed=passed)

    async def _start(self, **how: Any) -> bool:
        """Begin a run and follow it; tell whether it is ours, and not somebody's who was faster."""
        modes = ["custom", *(["messages-tuple"] if self.teller is not None and self.teller.wants_text else [])]
        headers = trace_headers(self.config) if self.remote.trace else {}
        run_id = await self.thread.start(**how, modes=modes, headers=headers)
        if run_id is None:
            return False
        await self._follow(run_id)
        return True

    async def _answer(self, seen: Seen) -> bool:
        """Ask a person what the remote run asks, one question after the other, and hand each answer on."""
        question = seen.questions[0]
        skip_answers(self.config, self.first_question + seen.asked)
        answer = interrupt(self._as_ours(question["value"], seen))
        command = {"resume": {question["id"]: answer}}
        return await self._start(command=command, asked=seen.asked + 1, passed=seen.passed)

    def _as_ours(self, value: Any, seen: Seen) -> Any:
        """Return a question's value, with whose it is, where it has a place for that."""
        if not isinstance(value, Mapping):
            return value
        anew = {"anew": True} if seen.passed and not seen.is_decided else {}
        return {**value, REMOTE: {"url": self.thread.url, "graph": self.remote.graph, **anew}}

    async def _follow(self, run_id: str) -> bool:
        """Pass on what a run says until its stream ends; tell whether it said something."""
        report_place(self.thread.url, self.remote.graph, self.thread.id, run_id)
        said = False
        try:
            async for event, data in self.thread.follow(run_id):
                said = True
                self._pass_on(event, data)
        except Unreachable:
            if await self.clients.trouble(self.thread.url):
                raise
        return said

    def _pass_on(self, event: str, data: Any) -> None:
        if (teller := self.teller) is None:
            return
        if event == "custom":
            told = TaskProgress(type="task_progress", task_id=teller.task_id, attempt=teller.attempt, data=data)
            teller.emit(told)
        elif event == "messages" and teller.wants_text and isinstance(data, list) and data:
            if isinstance(data[0], Mapping) and data[0].get("type") == "AIMessageChunk" and (text := text_of(data[0])):
                teller.text(text)


def _failure(url: str, seen: Seen) -> RunFailed:
    """Return the failure of a run."""
    error = seen.error or {}
    kind, message = str(error.get("error") or ""), " ".join(str(error.get("message") or "").split())[:1000]
    if seen.status == "interrupted":
        return RunFailed(f"{url}: the remote run was stopped there, and asks nothing ({message or 'a breakpoint?'})")
    if seen.status == "timeout":
        return RunFailed(f"{url}: the remote run took longer than its deployment allows")
    return RunFailed(f"{url}: the remote run failed: {kind or seen.status}{f': {message}' if message else ''}", kind)
