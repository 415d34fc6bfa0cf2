"""Words for a person's terminal: text from results is never trusted with control characters or length."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x9b[0-9;?]*[ -/]*[@-~]"
    r"|[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


LINE = 4000
"""Characters of one line, at most."""


def clean(text: str, width: int = 200) -> str:
    """Return text on one line, without control, ANSI or direction characters, cut to a width."""
    flat = " ".join(_CONTROL.sub(" ", text[: 8 * width]).split())
    return flat if len(flat) <= width else flat[: width - 1].rstrip() + "…"


def shorten(text: str, width: int = 200) -> str:
    """Return text on one line, cut to a width, with a note of how much was cut."""
    flat = " ".join(_CONTROL.sub(" ", text).split())
    return flat if len(flat) <= width else f"{flat[:width].rstrip()}… ({len(flat) - width:,} more characters)"


def sentence(text: str) -> str:
    """Return text as a sentence: with a full stop, if it has no end of its own."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else text + "."


def clean_lines(text: str) -> str:
    """Return text without control and ANSI characters; its line breaks and indentation stay."""
    return "\n".join(indent_of(line) + clean(line, LINE) for line in text.splitlines())


def indent_of(line: str) -> str:
    """Return the spaces that a line begins with, 40 at most."""
    return " " * min(len(line) - len(line.lstrip(" ")), 40)


def seconds(value: float | None) -> str:
    """Return a duration for a person."""
    if value is None:
        return "-"
    if value < 60:
        return f"{value:.2f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
