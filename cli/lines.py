"""Progress as plain lines, for logs and pipes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ..nodes.summary.text import clean, seconds
from .output import say
from .progress import Progress, about, added, limited, started, tokens_text

MANY = 200
"""Runs of more tasks tell only failures, and every twentieth part of the way."""

SILENCE_S = 30.0
"""Seconds without a line after which it is told what is at work."""

_WHY = {"before": ": may it run?", "after": ": is its output right?"}


class Lines:
    """One line for each task that ends; with `verbose`, for each step."""

    def __init__(self, progress: Progress, *, verbose: bool = False) -> None:
        self._progress = progress
        self._verbose = verbose
        self._told = time.monotonic()
        """When the last line was written."""
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
        self._told = time.monotonic()
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
            self._step(event, f"waits for a person{_why_asked(event)}")
        elif kind == "pool_changed":
            self._say(limited(str(event.get("pool")), event.get("limit"), str(event.get("why") or "")))
        elif kind == "deployment_changed":
            self._say(_deployment(event))
        elif kind == "budget_used":
            self._say(f"{clean(progress.over_budget, 400)}: what runs ends, nothing more starts")
        elif kind == "round_started":
            self._say(added(event))
        elif self._verbose and kind == "task_started":
            attempt = event.get("attempt", 1)
            self._step(event, "started" if attempt == 1 else f"started, attempt {attempt}")
        elif self._verbose and kind == "task_queued":
            self._step(event, "queued")

    def on_update(self, update: Mapping[str, Any]) -> None:
        """Take what nodes wrote to the state."""
        self._progress.take_update(update)

    async def tick(self) -> None:
        """Tell what is at work where there was nothing to tell for long, until cancelled."""
        while True:
            await asyncio.sleep(max(1.0, self._told + SILENCE_S - time.monotonic()))
            if (now := time.monotonic()) - self._told >= SILENCE_S and self._held is None:
                self._say(self.standing(now))

    def standing(self, now: float) -> str:
        """Return the line that tells how a run stands in which nothing ends for long."""
        progress = self._progress
        if not progress.total:
            return f"planning, {seconds(now - progress.started)} so far"
        first = sorted(progress.running.items(), key=lambda item: item[1].since)
        named = [f"{clean(task, 60)} ({seconds(round(now - at_work.since))})" for task, at_work in first[:3]]
        more = f" and {len(first) - 3} more" if len(first) > 3 else ""
        parts = [f"at work: {', '.join(named)}{more}" if named else "nothing is at work"]
        if progress.waiting:
            count = len(progress.waiting)
            parts.append(f"{count} wait{'s' * (count == 1)} for a person")
        if (left := progress.left_s(now)) is not None:
            parts.append(f"expected {about(left)} more")
        if progress.tokens:
            parts.append(tokens_text(progress.tokens))
        return f"[{progress.done}/{progress.total}] {'; '.join(parts)}"

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
        progress = self._progress
        self._say(f"[{progress.done}/{progress.total}] {progress.label(str(event.get('task_id')))} {text}")


def _why_asked(event: Mapping[str, Any]) -> str:
    """Return what a person is asked, in a few words."""
    if remote := event.get("remote"):
        return f": its remote run asks ({clean(str(remote), 160)})"
    return _WHY.get(str(event.get("review")), "")


def _deployment(event: Mapping[str, Any]) -> str:
    """Return the line that tells what became of a deployment."""
    url = clean(str(event.get("url")), 120)
    if event.get("live"):
        return f"{url}: given work again"
    wait_s = event.get("wait_s")
    waits = f" (its tasks wait for it, {seconds(wait_s)} at most)" if wait_s else ""
    return f"{url}: left out{waits}: {clean(str(event.get('why')), 200)}"
