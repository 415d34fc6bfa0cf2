"""Exit codes, as scripts rely on them."""

from __future__ import annotations

SUCCEEDED = 0
FAILED = 1
REFUSED = 2
"""Bad usage or a refused plan: nothing ran."""
PAUSED = 3
PARTIAL = 4
INTERRUPTED = 130
"""Stopped on the way; can be resumed."""

_BY_STATUS = {
    "succeeded": SUCCEEDED,
    "partial": PARTIAL,
    "failed": FAILED,
    "cancelled": FAILED,
    "paused": PAUSED,
    "interrupted": INTERRUPTED,
    "running": INTERRUPTED,
}


def exit_code(status: str) -> int:
    """Return the exit code of a run that ended with this status."""
    return _BY_STATUS[status]


_has_begun = False


def begin() -> None:
    """Note that tasks run, or are about to: from now on an interruption leaves something behind."""
    global _has_begun
    _has_begun = True


def has_begun() -> bool:
    """Tell whether this process has begun to run tasks."""
    return _has_begun
