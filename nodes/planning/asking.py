"""One answer of the model: asked for again where the wire fails for a while, given up where it fails for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage
from langgraph.errors import GraphBubbleUp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from ...models.faults import Fault, fault_of
from ...models.structured import StructuredModel
from ...schema.errors import FanwiseError
from ..throttling import asked_to_wait

ATTEMPTS = 3

LONGEST_WAIT_S = 60.0
"""What a server may ask to wait before an answer is asked for again."""

OnText = Callable[[str], None]
"""Is given all of the answer's text so far, each time that it grows; none where an answer begins."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking."""

    text: str
    """The answer; with a fault, as much of it as came."""
    fault: Fault | None = None
    """Why there is no more of it."""


@dataclass(frozen=True)
class Patience:
    """How long a failing server is asked again."""

    attempts: int = ATTEMPTS
    first_s: float = 0.5
    """The longest first wait; it doubles."""
    sleep: Sleep = asyncio.sleep

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds until the next attempt: what the server asks for, else some that grow."""
        error = state.outcome.exception() if state.outcome else None
        asked = asked_to_wait(error) if error is not None else None
        return asked or float(wait_random_exponential(multiplier=self.first_s, max=10.0)(state))


async def ask(model: StructuredModel, messages: Sequence[BaseMessage], on_text: OnText, patience: Patience) -> Answer:
    """Return the model's answer.

    Raises:
        FanwiseError: the server does not accept the key.
    """
    text = ""

    async def once() -> None:
        nonlocal text
        text = ""
        on_text(text)
        async for so_far in model.stream(messages):
            text = so_far
            on_text(so_far)

    retrying = AsyncRetrying(
        stop=stop_after_attempt(patience.attempts),
        wait=patience.wait,
        retry=retry_if_exception(_is_worth_it),
        sleep=patience.sleep,
        reraise=True,
    )
    try:
        await retrying(once)
    except GraphBubbleUp:
        raise
    except Exception as error:
        fault = fault_of(error) or Fault("refused", f"{type(error).__name__}: {error}"[:500])
        if fault.kind == "bad_key":
            raise FanwiseError(f"planning with a model: {fault.text}") from None
        return Answer(text, fault)
    return Answer(text)


def _is_worth_it(error: BaseException) -> bool:
    fault = fault_of(error)
    return fault is not None and fault.is_transient and (asked_to_wait(error) or 0) <= LONGEST_WAIT_S
