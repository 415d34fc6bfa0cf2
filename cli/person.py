"""The person at the terminal: asked one question at a time, while other tasks go on and when the run has stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import click

from ..nodes.summary.text import clean_lines
from ..runs.answers import check_edit
from ..runs.question_text import late
from ..runs.questions import REVIEWS, Asked
from ..schema.errors import RunError
from .dialogue import NoAnswer, ask
from .display import Display, Silent
from .output import say

T = TypeVar("T")

Keep = Callable[[Asked, Any], Awaitable[None]]
"""Keeps an answer; raises `RunError` where it does not fit."""


class Person:
    """Asks whoever sits at the terminal, and remembers what is left for later."""

    def __init__(self, known: set[str], resume: str = "fanwise resume") -> None:
        """Prepare to ask.

        Args:
            known: specialists that an edited plan may name.
            resume: the command that goes on with the run.
        """
        self.display: Display = Silent()
        self.has_left = False
        """Whether nothing more is to be asked."""
        self._known = known
        self._resume = resume
        self._put_off: set[tuple[str | None, str]] = set()
        self._turn = asyncio.Lock()
        self._leaving = asyncio.Event()

    async def __call__(self, question: Mapping[str, Any]) -> Any:
        """Answer a question of the run that goes on; `None` lets the run pause for it."""
        asked = Asked.of(question)
        place = "question" if asked.kind == "plan" else f"{clean_lines(asked.name)} asks; other tasks go on"
        async with self._turn:
            if self.has_left or self._leaving.is_set():
                return None
            self.display.pause()
            try:
                answer = await _unless(self._leaving, self._ask(asked, place))
            finally:
                self.display.resume()
        return None if isinstance(answer, NoAnswer) else answer

    async def answers(self, questions: Sequence[Asked], keep: Keep) -> int:
        """Ask one question after another, and keep each answer at once; return how many were given.

        Raises:
            Abort: the person, or a signal, interrupted.
        """
        given = 0
        try:
            with _interrupted_by(signal.SIGTERM):
                for number, asked in enumerate(questions, 1):
                    place = f"question {number} of {len(questions)}" if len(questions) > 1 else "question"
                    given += await self._kept(asked, place, keep)
                    if self.has_left:
                        break
        except asyncio.CancelledError:
            kept = f"{given} answer{'s are' if given != 1 else ' is'} kept; `{self._resume}` goes on"
            say(f"\ninterrupted: {kept if given else 'the questions stay open'}")
            raise click.Abort from None
        return given

    def unasked(self, questions: Sequence[Asked]) -> list[Asked]:
        """Return the questions that were not left for later."""
        return [] if self.has_left else [asked for asked in questions if self._key(asked) not in self._put_off]

    def leave(self) -> None:
        """Give up the question that is being asked: the run stops."""
        self._leaving.set()

    def stay(self) -> None:
        """Be there for another invocation of the run."""
        self._leaving.clear()

    async def _kept(self, asked: Asked, place: str, keep: Keep) -> bool:
        """Ask until there is an answer that fits, and keep it; tell whether there is one."""
        while True:
            answer = await self._ask(asked, place)
            if isinstance(answer, NoAnswer):
                return False
            try:
                await keep(asked, answer)
            except RunError as error:
                say(f"error: {clean_lines(str(error))}")
            else:
                return True

    async def _ask(self, asked: Asked, place: str) -> Any:
        answer = await ask(asked, place, self._check)
        if answer is NoAnswer.QUIT:
            self.has_left = True
        if isinstance(answer, NoAnswer):
            self._put_off.add(self._key(asked))
        elif told := late(asked):
            say(told)
        return answer

    def _check(self, asked: Asked, answer: Any) -> None:
        check_edit(asked, answer, self._known)

    @staticmethod
    def _key(asked: Asked) -> tuple[str | None, str]:
        """Return what tells a question from others, whether it has an id yet or not."""
        return (asked.id, "own") if asked.kind not in REVIEWS else (asked.task_id, asked.kind)


@contextmanager
def _interrupted_by(number: signal.Signals) -> Iterator[None]:
    """Let a signal cancel what goes on, as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    try:
        loop.add_signal_handler(number, task.cancel)
    except NotImplementedError:  # Windows
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(number)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Do something until it is done or a stop is asked for; `None` for a stop."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, stopping):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
