"""Which display shows a run's progress."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from .job import Job
from .progress import Progress


class Display(Protocol):
    """Shows the progress of a run."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event."""

    def on_update(self, update: Mapping[str, Any]) -> None:
        """Take what nodes wrote to the state."""

    async def tick(self) -> None:
        """Draw what changes with time alone, until cancelled."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def resume(self) -> None:
        """Show the progress again, with what happened meanwhile."""


class Silent:
    """Shows nothing."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event."""

    def on_update(self, update: Mapping[str, Any]) -> None:
        """Do nothing."""

    async def tick(self) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""


@contextmanager
def watch(progress: Progress, job: Job) -> Iterator[Display]:
    """Show a run's progress for as long as the context lasts, in the way that fits."""
    progress.begin(time.monotonic())
    if job.quiet:
        yield Silent()
    elif job.verbose or not _is_live():
        from .lines import Lines

        yield Lines(progress, verbose=job.verbose)
    else:
        from .live import LiveDisplay

        with LiveDisplay(progress) as display:
            yield display


def _is_live() -> bool:
    """Tell whether standard error is a terminal that can be redrawn."""
    plain = ("NO_COLOR", "CI")
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not any(os.environ.get(name) for name in plain)
