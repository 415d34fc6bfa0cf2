"""Markdown and plain text, cut into passages that know their heading and their lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

PASSAGE_CHARS = 1_200
"""Characters after which a passage ends at the next blank line."""

LONGEST_CHARS = 4_000
"""Characters after which it ends at the next line."""

LINE_CHARS = 2_000
"""Characters of one line that are kept."""


class Passage(NamedTuple):
    """A part of a text."""

    heading: str
    """The headings that it stands under, outermost first: `Trip > Packing`; empty where there are none."""
    line: int
    """Its first line, counted from 1."""
    end_line: int
    text: str


def passages(text: str, *, markdown: bool) -> Iterator[Passage]:
    """Cut a text into passages: at headings, and at blank lines where it is long."""
    headings: list[tuple[int, str]] = []
    held: list[str] = []
    start, size, fence = 1, 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _HEADING.match(line) if markdown and not fence else None
        blank = not line.strip()
        full = size >= LONGEST_CHARS or (size >= PASSAGE_CHARS and blank and not fence)
        if found or full:
            yield from _passage(headings, start, held)
            held, start, size = [], number, 0
        if found:
            level = len(found[1])
            headings = [*((n, name) for n, name in headings if n < level), (level, found[2])]
        elif markdown:
            fence = _fence(line, fence)
        held.append(line[:LINE_CHARS])
        size += len(line)
    yield from _passage(headings, start, held)


_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def _fence(line: str, open_with: str) -> str:
    """Return the marks of the code block that is open after a line; a `#` in code is no heading."""
    found = _FENCE.match(line)
    if not found:
        return open_with
    if not open_with:
        return found[1]
    closes = found[1].startswith(open_with) and not found[2].strip()
    return "" if closes else open_with


def _passage(headings: list[tuple[int, str]], start: int, lines: list[str]) -> Iterator[Passage]:
    while lines and not lines[0].strip():
        lines, start = lines[1:], start + 1
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    if lines:
        yield Passage(" > ".join(name for _, name in headings), start, start + len(lines) - 1, "\n".join(lines))
