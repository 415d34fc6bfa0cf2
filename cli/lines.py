"""Progress as plain lines, for logs and pipes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..nodes.summary.text import clean
from .output import say, seconds
from .progress import Progress, started

MANY = 200
"""Runs of more tasks tell only failures, and every twentieth part of the way."""


_WHY = {"before": ": may it run?", "after": ": is its output right?"}


class Lines:
    """One line for each task that ends; with `verbose`, for each step."""

    def __init__(self, progress: Progress, *, verbose: bool = False) -> None:
        self._progress = progress
        self._verbose = verbose
        self._held: list[str] | None = None
        """Lines that wait until a question is answered; `None` where nobody is asked."""

    def pause(self) -> None:
        """Hold lines back while somebody is asked."""
        self._held = []

    def resume(self) -> None:
        """Write the lines that were held back."""
        held, self._held = self._held, None
        for line in held or ():
            say(line)

    def _say(self, line: str) -> None:
        if self._held is None:
            say(line)
        else:
            self._held.append(line)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event and write its line."""
        progress, before = self._progress, self._progress.done
        progress.take(event, time.monotonic())
        kind = event.get("type")
        if kind == "task_finished":
            if progress.done > before:
                self._ended(event)
        elif kind == "run_started":
            self._say(started(event))
        elif kind == "attempt_failed":
            again = event.get("retry_in_s")
            rest = "" if again is None else f"; again in {seconds(again)}"
            self._step(event, f"attempt {event.get('attempt')} failed: {clean(str(event.get('error')), 400)}{rest}")
        elif kind == "task_paused":
            self._step(event, f"waits for a person{_WHY.get(str(event.get('review')), '')}")
        elif kind == "pool_changed":
            limit = event.get("limit")
            now = "no limit any more" if limit is None else f"at most {limit} at a time"
            self._say(f"{clean(str(event.get('pool')), 120)}: {now}, {clean(str(event.get('why')), 200)}")
        elif self._verbose and kind == "task_started":
            attempt = event.get("attempt", 1)
            self._step(event, "started" if attempt == 1 else f"started, attempt {attempt}")
        elif self._verbose and kind == "task_queued":
            self._step(event, "queued")

    async def tick(self) -> None:
        """Do nothing: lines change with events alone."""

    def _ended(self, event: Mapping[str, Any]) -> None:
        status = str(event.get("status"))
        progress = self._progress
        if status == "succeeded" and progress.total > MANY and not self._verbose:
            if progress.done % max(1, progress.total // 20) == 0:
                elapsed = seconds(time.monotonic() - progress.started)
                self._say(
                    f"[{progress.done}/{progress.total}] tasks have ended, {progress.failed} failed, after {elapsed}"
                )
            return
        told = status.replace("_", " ")
        if event.get("duration_s") and status != "skipped":
            told += f" {'after' if status != 'succeeded' else 'in'} {seconds(event['duration_s'])}"
        error = event.get("error")
        if error:
            told += f"{' by its fallback' if status == 'succeeded' else ''}: {clean(str(error), 400)}"
        self._step(event, told)

    def _step(self, event: Mapping[str, Any], text: str) -> None:
        self._say(f"[{self._progress.done}/{self._progress.total}] {clean(str(event.get('task_id')), 120)} {text}")
