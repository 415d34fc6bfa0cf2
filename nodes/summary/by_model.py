"""The summary as a model writes it: streamed, with citations that are checked, on top of the deterministic one.

The deterministic summary of the same results gives the typed fields and the facts, and is the answer where the model
fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from ...models.chat import context_tokens
from ...models.faults import fault_of
from ...models.prices import NO_PRICES, Prices
from ...schema.results import Summary
from ..usage import Used
from . import Summarizer, summarize
from .told import Told
from .writing import Wire, Writing

CONTEXT = 16_000
"""Tokens that a model takes in, where nobody knows."""

LIMIT_S = 120.0
"""Seconds for the whole writing: condensing, attempts and the text."""

SHORTEST_S = 1.0
"""With less time than this nothing is asked."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """A summary, and what it took to write it."""

    summary: Summary
    warnings: tuple[str, ...] = ()
    """What a person should know of it: why it is not the model's, what was cut, which statements cite nothing."""
    usage: dict[str, Any] | None = None
    """Tokens and cost, `by_model` too; `None` where the model was not reached."""


@dataclass(frozen=True, slots=True)
class ModelSummarizer:
    """Writes summaries with a chat model."""

    model: BaseChatModel
    fallback: Summarizer = summarize
    """The deterministic summarizer."""
    context: int | None = None
    """Tokens that the model takes in; what its profile says, or 16,000, if not given."""
    limit_s: float = LIMIT_S
    """Seconds for the whole writing; the deterministic summary is given when they are over."""
    prices: Prices = NO_PRICES

    async def write(
        self,
        results: Mapping[str, Any],
        *,
        request: str = "",
        plan: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
        on_text: Tell = lambda text: None,
        on_restart: Tell | None = None,
        config: RunnableConfig | None = None,
        within_s: float | None = None,
    ) -> Written:
        """Return the summary; whatever goes wrong with the model, there is one.

        All pieces that `on_text` was told, since the last call of `on_restart`, make the summary's text.

        Args:
            results: `TaskResult`s, or their dicts, by task id, with their whole outputs.
            request: what the person asked.
            plan: the plan that was run.
            warnings: what else the person should know.
            on_text: is told each piece of the text as it comes.
            on_restart: is told why what was told so far does not hold, before the text begins anew. Without it a
                stream that broke off is not asked for again, and what comes in its place is not told.
            config: the calling node's: callbacks, tags, metadata.
            within_s: seconds that are left for it, if fewer than `limit_s`.
        """

        def deterministic(*more: str) -> Summary:
            return self.fallback(results, request=request, plan=plan, warnings=[*warnings, *more])

        limit_s = self.limit_s if within_s is None else min(self.limit_s, within_s)
        used, told = Used(prices=self.prices), Told(on_text, on_restart)
        facts = await asyncio.to_thread(deterministic)
        wire = Wire(self.model, merge_configs(config, {"callbacks": [used.models]}), told, limit_s)
        context = self.context or context_tokens(self.model, CONTEXT)
        writing = await asyncio.to_thread(Writing, wire, facts, results, request, plan, warnings, context)
        try:
            summary = await _within(writing.summary(), limit_s)
        except Exception as error:
            why = f"the model wrote no summary, so this one is written without it: {_why(error)}"
            summary = await asyncio.to_thread(deterministic, why)
            told.instead(summary.text, why)
            return Written(summary, (why,), used.total())
        return Written(summary, tuple(writing.warnings), used.total())


class _NoTimeError(Exception):
    """The time for writing is over."""


async def _within(work: Coroutine[Any, Any, Summary], limit_s: float) -> Summary:
    if limit_s < SHORTEST_S:
        work.close()
        raise _NoTimeError("there was no time left for it")
    try:
        async with asyncio.timeout(limit_s) as clock:
            return await work
    except TimeoutError:
        if clock.expired():
            raise _NoTimeError(f"it did not come to its end within {limit_s:.3g} s") from None
        raise


def _why(error: Exception) -> str:
    if isinstance(error, _NoTimeError):
        return str(error)
    fault = fault_of(error)
    return fault.text if fault else f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
