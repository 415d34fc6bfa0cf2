"""Words and numbers as a picture shows them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

NOTHING, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BIDI = {ord(mark): None for mark in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}


def shown(text: str, most: int = 200) -> str:
    """Return text on one line, as an image may hold it: without marks of direction, and without what XML forbids."""
    line = " ".join(_NOT_XML.sub("\ufffd", text[: most * 4]).translate(_BIDI).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def fitted(text: str, width: float, size: float) -> str:
    """Return text cut to a width, in pixels, by what its letters take on average."""
    line, room = shown(text), width / (size * 0.56)
    taken, kept = 0.0, 0
    for letter in line:
        taken += 1.8 if unicodedata.east_asian_width(letter) in "WF" else 1.0
        if taken > room:
            return f"{line[: max(0, kept - 1)]}…" if kept > 1 else ""
        kept += 1
    return line


def duration(seconds: float | None) -> str:
    """Return a duration for a person."""
    if seconds is None:
        return NOTHING
    if seconds < 0.0005:
        return "0 s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def usage(used: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return tokens and cost, as far as they are known."""
    if not used:
        return []
    tokens = used.get("total_tokens") or used.get("input_tokens", 0) + used.get("output_tokens", 0)
    found = [("tokens", f"{tokens:,.0f}")] if tokens else []
    return found + ([("cost", f"{used['cost']:g}")] if used.get("cost") else [])


def tick(seconds: float) -> str:
    """Return a round moment of an axis."""
    if seconds < 1e-9:
        return "0"
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    return f"{seconds:g} s" if seconds < 60 else duration(seconds)


STEPS = (
    *(base * 10.0**power for power in range(-4, 1) for base in (1, 2, 5)),
    *(10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800),
)
"""Steps between the moments that an axis marks, in seconds."""
