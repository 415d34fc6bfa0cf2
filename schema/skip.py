"""How a specialist says that there is nothing for it to do."""

from __future__ import annotations


class Skip(BaseException):
    """Raised or returned by a specialist: there is nothing to do. The task is skipped, which counts as a success.

    Not an `Exception`, like `asyncio.CancelledError`: nothing went wrong, and a specialist's own `except Exception`
    must not take it for a failure.
    """

    def __init__(self, reason: str = "there is nothing to do") -> None:
        super().__init__(reason)
        self.reason = reason
        """Why, in a sentence; the result's `error` tells it."""
