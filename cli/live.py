"""Progress on a terminal, redrawn in place."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Self, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from .progress import Progress, added, started
from .rows import TICK_S, Pen
from .view import View


class LiveDisplay:
    """A bar with counts, the tasks, and the last errors. It vanishes when the run is over."""

    def __init__(self, progress: Progress, console: Console | None = None) -> None:
        self._progress = progress
        self._view = View(progress)
        self._console = console or Console(file=cast("IO[str]", _AtOnce(sys.stderr)))
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
        elif event.get("type") == "round_started":
            self._console.print(Text(added(event), style="dim"))

    def on_update(self, update: Mapping[str, Any]) -> None:
        """Take what nodes wrote to the state."""
        self._progress.take_update(update)

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
        pen = Pen(self._console.width, self._fancy)
        return Group(*self._view.rows(pen, self._console.height, now))


class _AtOnce:
    """A terminal that shows each writing as a whole, where it knows how to (DEC mode 2026); others ignore the marks."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write a drawing."""
        return self._file.write(f"\x1b[?2026h{text}\x1b[?2026l" if "\x1b[" in text else text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
