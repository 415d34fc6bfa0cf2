"""Whether an error is a server's "too many requests", and how long it asks to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from tenacity import RetryCallState
from tenacity.wait import wait_base

STATUSES = (429, 503)
"""Too Many Requests and Service Unavailable (RFC 6585, RFC 9110)."""

OUT_OF_MONEY = "insufficient_quota"
"""By which OpenAI's protocol tells an account that is used up from a pace that is too fast."""

LONGEST_S = 3600.0
"""The longest wait that a server is believed."""


def asked_to_wait(error: BaseException, now: float | None = None) -> float | None:
    """Return the seconds that a refusing server asks to wait; 0 where it names none, `None` where it did not refuse.

    A 429 that says that the account is used up is no wait: it lasts.

    The status is looked for where HTTP clients and model SDKs put it: `status_code` on the error or on its `response`,
    the wait in the response's `Retry-After`, in seconds or as a date.
    """
    response = getattr(error, "response", None)
    if not any(getattr(holder, "status_code", None) in STATUSES for holder in (error, response)):
        return None
    if getattr(error, "code", None) == OUT_OF_MONEY or OUT_OF_MONEY in str(error):
        return None
    headers = getattr(response, "headers", None) or getattr(error, "headers", None)
    return _seconds(_header(headers, "retry-after"), time.time() if now is None else now)


def _header(headers: Any, name: str) -> str | None:
    if not isinstance(headers, Mapping):
        return None
    return next((str(value) for key, value in headers.items() if str(key).lower() == name), None)


def _seconds(text: str | None, now: float) -> float:
    if text is None:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), LONGEST_S) if math.isfinite(seconds) else 0.0


class AtLeastAsked(wait_base):
    """Waits as long as a policy says, and as a refusing server asks for."""

    def __init__(self, policy: wait_base) -> None:
        self._policy = policy

    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the seconds before the next attempt."""
        error = retry_state.outcome.exception() if retry_state.outcome is not None else None
        asked = asked_to_wait(error) if error is not None else None
        return max(float(self._policy(retry_state)), asked or 0.0)
