"""What a run leaves for those who look at it later: traces in LangSmith and OpenTelemetry, trace files, a log.

`Tracing` says what is traced and what of it is left out; `flush` waits until it is sent.
"""

from .redact import Redactor
from .settings import Tracing

__all__ = ["Redactor", "Tracing", "flush"]


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until what was traced is sent, or the time is over; tell whether all of it was sent."""
    from .relays import flush_all

    return flush_all(timeout_s)
