"""Progress on a terminal, redrawn in place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..nodes.summary.text import clean
from .progress import Progress, Running, started

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
        self._paused = False
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
        if event.get("type") == "run_started":
            self._console.print(Text(started(event), style="dim"))

    def pause(self) -> None:
        """Leave the terminal to a question."""
        self._paused = True
        self._live.update(Text(""))
        self._live.stop()

    def resume(self) -> None:
        """Draw the picture again, below the question."""
        self._live.start()
        self._paused = False

    async def tick(self) -> None:
        """Draw the picture again and again."""
        while True:
            try:
                if not self._paused:
                    self._live.update(self.picture(time.monotonic()), refresh=True)
            except (OSError, ValueError):  # nobody looks any more
                return
            await asyncio.sleep(TICK_S)

    def picture(self, now: float) -> RenderableType:
        """Return what is drawn at a moment."""
        progress = self._progress
        high = max(1, min(ROWS, self._console.height - 3 - len(progress.failures)))
        rows = [self._head(now)]
        shown = sorted(progress.running.items(), key=lambda item: (bool(item[1].note), item[1].since))
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
        waiting = (
            f" {len(progress.waiting)} wait{'s' * (len(progress.waiting) == 1)} for you" if progress.waiting else ""
        )
        clock = f" {_clock(now - progress.started)}"
        bar = max(4, min(40, self._console.width - len(words) - len(failed) - len(waiting) - len(clock) - 1))
        line = Table.grid()
        line.add_row(
            ProgressBar(total=progress.total, completed=progress.done, width=bar),
            Text.assemble(
                (words, "bold"), (failed, "red"), (waiting, "yellow"), (clock, "dim"), no_wrap=True, overflow="crop"
            ),
        )
        return line

    def _at_work(self, task: str, running: Running, now: float) -> Text:
        if running.note:
            tail = f", again in {max(0.0, running.until - now):.0f} s"
            return self._row(("~ ", "yellow"), task, running.note, tail)
        tail = f" {now - running.since:.0f} s"
        if running.attempt > 1:
            tail = f" attempt {running.attempt},{tail}"
        return self._row((f"{self._frame(now)} ", "cyan"), task, "", tail)

    def _failures(self) -> Iterable[Text]:
        for task, error in self._progress.failures:
            yield self._row(("✗ " if self._fancy else "x ", "red"), task, error)

    def _row(self, mark: tuple[str, str], task: str, note: str = "", tail: str = "") -> Text:
        """Return a task on one row: where there is little room, its name gives way first, then the note."""
        room = max(8, self._console.width - 3 - len(tail))
        name, note = clean(task, 200), clean(note, 300)
        text = Text.assemble(mark, self._short(name, max(8, room // 2) if note else room))
        if note:
            text.append(": ")
            text.append(self._short(note, max(4, room - text.cell_len + 2)), style="dim")
        text.append(tail, style="dim")
        return self._cut(text)

    def _short(self, text: str, width: int) -> str:
        if cell_len(text) <= width:
            return text
        mark = "…" if self._fancy else "~"
        return set_cell_size(text, max(1, width - 1)).rstrip() + mark

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
