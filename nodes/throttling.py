"""Whether an error is a server's "too many requests", and how long it asks to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

STATUSES = (429, 503)
"""Too Many Requests and Service Unavailable (RFC 6585, RFC 9110)."""

LONGEST_S = 3600.0
"""The longest wait that a server is believed."""


def asked_to_wait(error: BaseException, now: float | None = None) -> float | None:
    """Return the seconds that a refusing server asks to wait; 0 where it names none, `None` where it did not refuse.

    The status is looked for where HTTP clients and model SDKs put it: `status_code` on the error or on its `response`,
    the wait in the response's `Retry-After`, in seconds or as a date.
    """
    response = getattr(error, "response", None)
    if not any(getattr(holder, "status_code", None) in STATUSES for holder in (error, response)):
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
