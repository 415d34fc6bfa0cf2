"""Further attempts, with tenacity: exponential backoff, capped, with full jitter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langgraph.errors import GraphBubbleUp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_exponential, wait_random_exponential

from ..schema.policy import Retry
from .attempt import AttemptCut, AttemptTimedOut
from .specialist import RetryOn
from .throttling import AtLeastAsked, asked_to_wait


async def retrying(
    retry: Mapping[str, Any],
    retry_on: RetryOn,
    *,
    attempt: Callable[[], Awaitable[Any]],
    pause: Callable[[float], Awaitable[None]],
    on_failure: Callable[[BaseException, float], None],
) -> Any:
    """Call `attempt` until it returns, its error is not worth another one, or there are none left.

    Args:
        retry: a `Retry` as a dict.
        retry_on: which errors of the specialist are worth another attempt; a time-out always is.
        attempt: one attempt.
        pause: waits the given seconds before the next one.
        on_failure: is told of each failed attempt that another follows, and the seconds until then.
    """
    policy = Retry.model_construct(**retry)

    def is_worth_it(error: BaseException) -> bool:
        if isinstance(error, AttemptCut | GraphBubbleUp) or not isinstance(error, Exception):
            return False
        return isinstance(error, AttemptTimedOut) or asked_to_wait(error) is not None or retry_on(error)

    def tell(state: RetryCallState) -> None:
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            on_failure(error, round(state.upcoming_sleep, 3))

    async def once() -> Any:
        return await attempt()

    strategy = AsyncRetrying(
        stop=stop_after_attempt(policy.max_attempts),
        wait=AtLeastAsked(_wait(policy)),
        retry=retry_if_exception(is_worth_it),
        before_sleep=tell,
        sleep=pause,
        reraise=True,
    )
    return await strategy(once)


def _wait(policy: Retry) -> wait_base:
    kind = wait_random_exponential if policy.jitter else wait_exponential
    return kind(multiplier=policy.initial_s, exp_base=policy.backoff, max=policy.max_s)
