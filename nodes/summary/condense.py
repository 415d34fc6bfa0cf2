"""Results that are too long for a model, condensed in parallel until they fit: map, then reduce."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from langchain_core.messages import BaseMessage

from ...models.faults import fault_of
from .material import CHARS_PER_TOKEN, Part, cut, to_condense, tokens_of
from .text import shorten

PARALLEL = 4
"""Condensing calls at the same time."""

ROUNDS = 5
"""Rounds of condensing; what is still too long then is cut."""

LEAST = 150
"""Tokens that a condensed text may have at least; where there is less room for each task, several share one."""

WORDS_PER_TOKEN = 0.45

HOPELESS = frozenset({"bad_key", "context_too_long"})
"""Faults that the next call would have too: they end the condensing."""

Ask = Callable[[list[BaseMessage]], Awaitable[str]]
"""Puts messages to the model and returns its answer; tries again by itself."""


@dataclass(slots=True)
class Condenser:
    """Makes results shorter with a model's help."""

    ask: Ask
    request: str
    context: int
    """Tokens that the model takes in, its answer aside."""
    warnings: list[str] = field(default_factory=list)
    """What had to be cut because it could not be condensed."""
    _over: Exception | None = field(default=None, repr=False)
    """The fault that every other call would have too."""

    async def fit(self, parts: Sequence[Part], room: int) -> list[Part]:
        """Return the parts, condensed as far as they must be.

        Small results stay as they are; the long ones share the room that those leave.

        Args:
            parts: in order.
            room: tokens that all of them may have.

        Raises:
            Exception: a fault that every other call would have too.
        """
        fitting = list(parts)
        for _ in range(ROUNDS):
            if sum(part.tokens for part in fitting) <= room:
                return fitting
            fitting = await self._round(fitting, room)
        return self._cut(fitting, room)

    async def _round(self, parts: list[Part], room: int) -> list[Part]:
        share = fair_share([part.tokens for part in parts], room)
        slots = asyncio.Semaphore(PARALLEL)
        if share >= LEAST:
            work = [self._one(part, share, slots) for part in parts]
        else:
            groups = packed(parts, self._call_room)
            each = max(LEAST, room // len(groups))
            work = [self._group(group, each, slots) for group in groups]
        done = await asyncio.gather(*work, return_exceptions=True)
        if error := next((item for item in done if isinstance(item, BaseException)), None):
            raise error
        return [item for item in done if isinstance(item, Part)]

    async def _one(self, part: Part, share: int, slots: asyncio.Semaphore) -> Part:
        """Return one part with about as many tokens as its share."""
        if part.tokens <= share:
            return part
        goal = share - _mark(part)
        pieces = split(part, self._call_room)
        each = max(LEAST, goal // len(pieces))
        done = await asyncio.gather(*(self._condensed([piece], each, slots) for piece in pieces))
        return replace(part, text="\n".join(done), condensed=True)

    async def _group(self, group: Sequence[Part], goal: int, slots: asyncio.Semaphore) -> Part:
        ids = tuple(name for part in group for name in part.ids)
        pieces = split(group[0], self._call_room) if len(group) == 1 else None
        if pieces is None or len(pieces) == 1:
            text = await self._condensed(group, max(LEAST, goal - _mark(group[0])), slots)
        else:
            each = max(LEAST, goal // len(pieces))
            text = "\n".join(await asyncio.gather(*(self._condensed([piece], each, slots) for piece in pieces)))
        return Part(ids, text, condensed=True)

    async def _condensed(self, parts: Sequence[Part], goal: int, slots: asyncio.Semaphore) -> str:
        """Return what the model makes of parts; where it fails, their beginnings and ends."""
        words = max(20, int(goal * WORDS_PER_TOKEN))
        messages = to_condense(parts, request=self.request, words=words, context=self.context)
        try:
            async with slots:
                if self._over is not None:
                    raise self._over
                text = (await self.ask(messages)).strip()
        except Exception as error:
            fault = fault_of(error)
            if fault is not None and fault.kind in HOPELESS:
                self._over = error
                raise
            self._warn(parts, fault.text if fault else f"{type(error).__name__}: {error}")
            return _ends(parts, goal)
        if not text:
            self._warn(parts, "the model's answer is empty")
            return _ends(parts, goal)
        return text if tokens_of(text) <= 2 * goal else cut(text, 2 * goal)

    @property
    def _call_room(self) -> int:
        """Tokens of results that one condensing call takes."""
        return max(LEAST, int(self.context * 0.75) - 400)

    def _cut(self, parts: Sequence[Part], room: int) -> list[Part]:
        share = fair_share([part.tokens for part in parts], room)
        long = [part for part in parts if part.tokens > share]
        self._warn(long, "it was still too long after it had been condensed")
        return [
            part if part.tokens <= share else replace(part, text=cut(part.text, share - _mark(part))) for part in parts
        ]

    def _warn(self, parts: Sequence[Part], why: str) -> None:
        ids = [name for part in parts for name in part.ids]
        named = ", ".join(repr(shorten(name, 60)) for name in ids[:3]) + (
            f" and {len(ids) - 3} more" if ids[3:] else ""
        )
        whose = f"the result of task {named}" if len(ids) == 1 else f"the results of tasks {named}"
        text = f"the summary has seen {whose} only in part: {shorten(why, 300)}"
        if text not in self.warnings:
            self.warnings.append(text)


def fair_share(sizes: Sequence[int], room: int) -> int:
    """Return the size to which the long ones have to come down so that all fit, while the short ones stay."""
    left = room
    for done, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - done)
        if size > share:
            return max(share, 0)
        left -= size
    return max(sizes, default=0)


def split(part: Part, room: int) -> list[Part]:
    """Return a part in pieces whose blocks have at most about so many tokens each, cut between words if possible."""
    most = max(int((room - _mark(part)) * CHARS_PER_TOKEN), 200)
    pieces, text = [], part.text
    even = min(most, int(len(text) / math.ceil(len(text) / most) * 1.1) + 1) if text else most
    while len(text) > most:
        end = max(text.rfind(" ", even // 2, even), text.rfind("\n", even // 2, even)) + 1 or even
        pieces.append(text[:end])
        text = text[end:]
    return [replace(part, text=piece) for piece in [*pieces, text]]


def packed(parts: Sequence[Part], room: int) -> list[list[Part]]:
    """Return parts in groups, in order, each of at most so many tokens, or of one part."""
    groups: list[list[Part]] = []
    left = 0
    for part in parts:
        if not groups or part.tokens > left:
            groups.append([])
            left = room
        groups[-1].append(part)
        left -= part.tokens
    return groups


def _mark(part: Part) -> int:
    """Return the tokens of a part's marks."""
    return replace(part, text="", condensed=True).tokens + 1


def _ends(parts: Sequence[Part], goal: int) -> str:
    each = max(goal // len(parts), 20)
    return "\n".join(f"[{', '.join(part.ids)}] {cut(part.text, each)}" for part in parts)
