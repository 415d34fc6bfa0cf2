"""The person at the terminal: asked one question at a time, while other tasks go on and when the run has stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from .answers import check_edit
from .asked import REVIEWS, Asked
from .dialogue import NoAnswer, ask
from .display import Display, Silent
from .output import clean_lines, say

T = TypeVar("T")


class Person:
    """Asks whoever sits at the terminal, and remembers what is left for later."""

    def __init__(self, known: set[str]) -> None:
        """Prepare to ask.

        Args:
            known: specialists that an edited plan may name.
        """
        self.display: Display = Silent()
        self.has_left = False
        """Whether nothing more is to be asked."""
        self._known = known
        self._put_off: set[tuple[str | None, str]] = set()
        self._turn = asyncio.Lock()
        self._leaving = asyncio.Event()

    async def __call__(self, question: Mapping[str, Any]) -> Any:
        """Answer a question of the run that goes on; `None` lets the run pause for it."""
        asked = Asked.of(question)
        async with self._turn:
            if self.has_left or self._leaving.is_set():
                return None
            self.display.pause()
            try:
                answer = await self._asked_until(asked)
            finally:
                self.display.resume()
        return None if isinstance(answer, NoAnswer) else answer

    async def answers(self, questions: Sequence[Asked]) -> dict[str, Any]:
        """Ask one question after another; return the answers by id."""
        given: dict[str, Any] = {}
        try:
            for number, asked in enumerate(questions, 1):
                place = f"question {number} of {len(questions)}" if len(questions) > 1 else "question"
                answer = await self._ask(asked, place)
                if not isinstance(answer, NoAnswer):
                    given[asked.id] = answer
                if self.has_left:
                    break
        except asyncio.CancelledError:
            dropped = f"; {len(given)} answer{'s' * (len(given) != 1)} given before it was dropped" if given else ""
            say(f"\ninterrupted{dropped}: the questions stay open")
            raise
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

    async def _asked_until(self, asked: Asked) -> Any:
        """Ask until the question's time is over, or the run stops."""
        place = "question" if asked.kind == "plan" else f"{clean_lines(asked.name)} asks; other tasks go on"
        try:
            async with asyncio.timeout(_left(asked)):
                return await _unless(self._leaving, self._ask(asked, place))
        except TimeoutError:
            say(f"\nnobody answered by {asked.until}: {asked.default}")
            return {"decisions": [{"type": asked.default, "message": f"nobody answered by {asked.until}"}]}

    async def _ask(self, asked: Asked, place: str) -> Any:
        answer = await ask(asked, place, self._check)
        if answer is NoAnswer.QUIT:
            self.has_left = True
        if isinstance(answer, NoAnswer):
            self._put_off.add(self._key(asked))
        return answer

    def _check(self, asked: Asked, answer: Any) -> None:
        check_edit(asked, answer, self._known)

    @staticmethod
    def _key(asked: Asked) -> tuple[str | None, str]:
        """Return what tells a question from others, whether it has an id yet or not."""
        return (asked.id, "own") if asked.kind not in REVIEWS else (asked.task_id, asked.kind)


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


def _left(asked: Asked) -> float | None:
    """Return the seconds that a person has for an answer."""
    if asked.until is None:
        return None
    with suppress(ValueError, TypeError):
        return max(0.0, (datetime.fromisoformat(asked.until) - datetime.now(UTC)).total_seconds())
    return None
