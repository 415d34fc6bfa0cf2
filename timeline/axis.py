"""Time on a still image, with long stretches folded in which nothing was at work. Pure."""

from __future__ import annotations

from typing import NamedTuple

from .figures import BUSY, merged
from .model import Timeline
from .words import STEPS

WORTH_FOLDING = 0.3
"""A stretch is folded if it is so long, as a share of the work."""

FOLDED = 0.06
"""What it is drawn as, as a share of the rest."""


class Part(NamedTuple):
    """A piece of time, and where it is drawn."""

    start: float
    end: float
    x: float
    width: float
    is_idle: bool

    def place(self, moment: float) -> float:
        """Return where a moment is drawn."""
        share = (moment - self.start) / (self.end - self.start) if self.end > self.start else 0.0
        return self.x + share * self.width


class Axis:
    """From seconds to places on an image."""

    def __init__(self, timeline: Timeline, left: float, width: float) -> None:
        end = timeline.length_s
        idle = _idle(timeline)
        lost = sum(stop - start for start, stop in idle)
        idle = idle if lost > 0.25 * end else []
        lost = lost if idle else 0.0
        short = (end - lost) * FOLDED
        whole = end - lost + short * len(idle)
        self.rate = width / whole if whole > 0 else width
        """Points for each second that is not folded."""
        self.parts: list[Part] = []
        x, cursor = left, 0.0
        for start, stop in [*idle, (end, end)]:
            self.parts.append(Part(cursor, start, x, (start - cursor) * self.rate, False))
            x += self.parts[-1].width
            if stop > start:
                self.parts.append(Part(start, stop, x, short * self.rate, True))
                x += self.parts[-1].width
            cursor = stop

    def place(self, moment: float) -> float:
        """Return where a moment is drawn."""
        part = next((part for part in self.parts if moment <= part.end + 1e-9), self.parts[-1])
        return part.place(max(moment, part.start))

    def marks(self, room: float) -> list[tuple[float, float]]:
        """Return round moments and their places, so far apart that each has room for its text."""
        step = next((step for step in STEPS if step * self.rate >= room), STEPS[-1])
        found: list[tuple[float, float]] = []
        for part in self.parts:
            first = int(-(-part.start // step))
            moments = [] if part.is_idle else [n * step for n in range(first, int(part.end / step + 1e-9) + 1)]
            for moment in moments:
                if not found or part.place(moment) - found[-1][1] >= room * 0.6:
                    found.append((moment, part.place(moment)))
        return found


def _idle(timeline: Timeline) -> list[tuple[float, float]]:
    """Return the long stretches in which no task worked, queued or was about to try again."""
    busy = merged((s.start, s.end) for row in timeline.rows for s in row.segments if s.kind in BUSY)
    least = max(WORTH_FOLDING * sum(end - start for start, end in busy), 0.5)
    found, cursor = [], 0.0
    for start, end in [*busy, (timeline.length_s, timeline.length_s)]:
        if start - cursor > least:
            found.append((cursor, start))
        cursor = max(cursor, end)
    return found
