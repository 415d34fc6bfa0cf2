"""Progress on a terminal, redrawn in place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..nodes.summary.text import clean
from .progress import Progress, Running

TICK_S = 0.125
"""Seconds between two drawings."""

ROWS = 10
"""Tasks at work that are shown, on a terminal high enough."""

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES = "|/-\\"


class LiveDisplay:
    """A bar with counts, the tasks at work, and the last failures. It vanishes when the run is over."""

    def __init__(self, progress: Progress, console: Console | None = None) -> None:
        self._progress = progress
        self._console = console or Console(stderr=True)
        self._fancy = (self._console.encoding or "").lower().startswith("utf")
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(Text(""))
        self._live.stop()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event; it is drawn with the next tick."""
        self._progress.take(event, time.monotonic())

    async def tick(self) -> None:
        """Draw the picture again and again."""
        while True:
            try:
                self._live.update(self.picture(time.monotonic()), refresh=True)
            except (OSError, ValueError):  # nobody looks any more
                return
            await asyncio.sleep(TICK_S)

    def picture(self, now: float) -> RenderableType:
        """Return what is drawn at a moment."""
        progress = self._progress
        high = max(1, min(ROWS, self._console.height - 3 - len(progress.failures)))
        rows = [self._head(now)]
        shown = sorted(progress.running.items(), key=lambda item: item[1].since)
        room = high if len(shown) <= high else high - 1
        rows += [self._at_work(task, running, now) for task, running in shown[:room]]
        if len(shown) > room:
            rows.append(Text(f"  {'…' if self._fancy else '...'} and {len(shown) - room} more at work", style="dim"))
        rows += self._failures()
        return Group(*rows)

    def _head(self, now: float) -> RenderableType:
        progress = self._progress
        if not progress.total:
            return self._cut(Text(f"{self._frame(now)} planning {_clock(now - progress.started)}"))
        words = f" {progress.done}/{progress.total}"
        failed = f" {progress.failed} failed" if progress.failed else ""
        clock = f" {_clock(now - progress.started)}"
        bar = max(4, min(40, self._console.width - len(words) - len(failed) - len(clock) - 1))
        line = Table.grid()
        line.add_row(
            ProgressBar(total=progress.total, completed=progress.done, width=bar),
            Text.assemble((words, "bold"), (failed, "red"), (clock, "dim"), no_wrap=True, overflow="crop"),
        )
        return line

    def _at_work(self, task: str, running: Running, now: float) -> Text:
        tail = f" {now - running.since:.0f} s"
        if running.attempt > 1 and not running.note:
            tail = f" attempt {running.attempt}{tail}"
        mark = f"{self._frame(now)} " if not running.note else "~ "
        text = Text(mark, style="yellow" if running.note else "cyan")
        name = clean(task, 60)
        text.append(name, style="default")
        if running.note:
            text.append(f": {clean(running.note, 200)}, to be tried again", style="yellow")
            return self._cut(text)
        room = self._console.width - 1 - len(tail)
        text.truncate(max(room, 8), overflow="ellipsis" if self._fancy else "crop")
        text.append(tail, style="dim")
        return self._cut(text)

    def _failures(self) -> Iterable[Text]:
        for task, error in self._progress.failures:
            mark = "✗" if self._fancy else "x"
            text = Text(f"{mark} {clean(task, 60)}", style="red")
            text.append(f": {clean(error, 300)}", style="default")
            yield self._cut(text)

    def _frame(self, now: float) -> str:
        frames = FRAMES if self._fancy else PLAIN_FRAMES
        return frames[int(now / TICK_S) % len(frames)]

    def _cut(self, text: Text) -> Text:
        """Keep a line on one row: one that wraps would leave its rest behind when it is drawn anew."""
        text.no_wrap, text.overflow = True, "ellipsis" if self._fancy else "crop"
        return text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
