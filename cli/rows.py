"""Rows of the live display: columns that stay where they are, and nothing that breaks out of its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..nodes.summary.text import clean

TICK_S = 0.125
"""Seconds between two drawings."""

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_FRAMES = "|/-\\"

STYLES = {
    "running": "cyan",
    "again": "yellow",
    "person": "bold yellow",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "notice": "yellow",
}
"""How marks are coloured; those of other states are dim."""

FANCY = {"succeeded": "✓", "failed": "✗", "timed_out": "✗", "again": "↻", "person": "?", "queued": "○", "notice": "!"}
PLAIN = {"succeeded": "+", "failed": "x", "timed_out": "x", "again": "~", "person": "?", "queued": "o", "notice": "!"}
OTHER = {"skipped": "-", "cancelled": "-"}

TIME = 7
"""Cells of a duration."""


@dataclass(frozen=True)
class Row:
    """A task as it is shown; its words need not be clean."""

    state: str
    name: str
    gutter: str = ""
    time: str = ""
    expected: str = ""
    title: str = ""
    note: str = ""
    note_style: str = "dim"


@dataclass(frozen=True)
class Columns:
    """How wide the columns are; worked out of the plan, not of what is shown, so that nothing moves sideways."""

    gutter: int
    name: int
    expected: int
    title: int
    detail: int

    @classmethod
    def of(cls, width: int, longest: int, title: int = 0, *, gutter: int = 0, expects: bool = False) -> Columns:
        """Fit columns into a width.

        Args:
            width: cells of the terminal.
            longest: cells of the longest name.
            title: cells of the longest title; 0 where there is none.
            gutter: cells in front of the marks.
            expects: whether expected durations are known.
        """
        room = width - 1 - gutter - 2
        name = max(4, min(longest, max(8, room * 2 // 5), room - 1 - TIME))
        left = room - name - 1 - TIME
        expected = 10 if expects and left >= 40 else 0
        detail = max(0, left - expected - 2)
        shown = min(title, detail * 9 // 20) if detail >= 50 else 0
        return cls(gutter, name, expected, shown, detail)


@dataclass(frozen=True)
class Pen:
    """Draws rows for a terminal of some width, with the marks that its encoding has."""

    width: int
    fancy: bool = True

    def frame(self, now: float) -> str:
        """Return what turns at a moment."""
        frames = FRAMES if self.fancy else PLAIN_FRAMES
        return frames[int(now / TICK_S) % len(frames)]

    def mark(self, state: str, now: float) -> tuple[str, str]:
        """Return the mark of a state, with its style."""
        if state == "running":
            return self.frame(now), STYLES[state]
        dot = "·" if self.fancy else "."
        return (FANCY if self.fancy else PLAIN).get(state) or OTHER.get(state, dot), STYLES.get(state, "dim")

    def row(self, row: Row, columns: Columns, now: float) -> Text:
        """Return a task on one row."""
        mark, style = self.mark(row.state, now)
        quiet = "" if style != "dim" else "dim"
        parts: list[tuple[str, str]] = []
        if columns.gutter:
            parts.append((f"{row.gutter:<{columns.gutter}}", "dim"))
        parts += [(f"{mark} ", style), (self.padded(clean(row.name, 200), columns.name), quiet)]
        if row.note and not row.time and not columns.expected and columns.detail + TIME > 6:
            room = columns.detail + TIME + 1  # where there is little room, a note takes that of the time
            return self.cut(Text.assemble(*parts, ("  ", ""), (self.short(clean(row.note, 400), room), row.note_style)))
        parts.append((f" {row.time:>{TIME}}", "dim"))
        if columns.expected:
            parts.append((self.padded(f" {row.expected}", columns.expected), "dim"))
        if columns.detail >= 5:
            parts += [("  ", ""), *self._detail(row, columns)]
        return self.cut(Text.assemble(*parts))

    def _detail(self, row: Row, columns: Columns) -> list[tuple[str, str]]:
        title, note = clean(row.title, 300), clean(row.note, 400)
        if not columns.title:
            return [(self.short(note, columns.detail), row.note_style) if note else (title, "dim")]
        if not note:
            return [(self.short(title, columns.detail), "dim")]
        room = columns.detail - columns.title - 2
        return [(self.padded(title, columns.title), "dim"), ("  ", ""), (self.short(note, room), row.note_style)]

    def fits(self, row: Row, columns: Columns) -> bool:
        """Tell whether a row shows its note whole."""
        room = columns.detail - columns.title - 2 if columns.title else columns.detail
        return cell_len(clean(row.note, 400)) <= room

    def bar(self, done: int, total: int, width: int, style: str = "cyan") -> list[tuple[str, str]]:
        """Return a bar; it is full only when all is done."""
        halves = 2 * width * min(done, total) // total if total else 0
        full, half = divmod(halves, 2)
        if not self.fancy:
            return [("=" * full, style), ("-" * (width - full), "dim")]
        colour = "green" if total and done >= total else style
        return [("━" * full + "╾" * half, colour), ("─" * (width - full - half), "dim")]

    def notice(self, state: str, text: str, now: float, most: int = 1) -> list[Text]:
        """Return something worth knowing, on a few rows at most."""
        from .output import wrapped_line

        mark, style = self.mark(state, now)
        pieces = wrapped_line(clean(text, 800), max(8, self.width - 3))
        if len(pieces) > most:
            pieces = [*pieces[: most - 1], self.short(" ".join(pieces[most - 1 :]), max(8, self.width - 3))]
        lead = [(f"{mark} ", style), *[("  ", "")] * (len(pieces) - 1)]
        return [self.cut(Text.assemble(first, (piece, ""))) for first, piece in zip(lead, pieces, strict=True)]

    def joined(self, parts: Sequence[tuple[str, str]], lead: str = "") -> Text:
        """Return facts on one row, with dots between them; those at the end give way where there is little room."""
        while len(parts) > 1 and cell_len(lead) + sum(cell_len(words) + 3 for words, _ in parts) - 3 >= self.width:
            parts = parts[:-1]
        dot = " · " if self.fancy else " - "
        text = Text(lead)
        for index, (words, style) in enumerate(parts):
            text.append(dot if index else "", style="dim")
            text.append(words, style=style)
        return self.cut(text)

    def padded(self, text: str, width: int) -> str:
        """Return text that takes so many cells."""
        text = self.short(text, width)
        return text + " " * (width - cell_len(text))

    def short(self, text: str, width: int) -> str:
        """Return text that takes no more than so many cells."""
        if cell_len(text) <= width:
            return text
        mark = "…" if self.fancy else "~"
        return set_cell_size(text, max(0, width - 1)).rstrip() + mark if width > 0 else ""

    def cut(self, text: Text) -> Text:
        """Keep a line on one row: one that wraps would leave its rest behind when it is drawn anew."""
        text.no_wrap, text.overflow = True, "ellipsis" if self.fancy else "crop"
        return text


def longest(texts: Sequence[str], most: int = 40) -> int:
    """Return the cells of the longest of some texts, up to a bound."""
    return max((min(most, cell_len(clean(text, 200))) for text in texts), default=0)
