"""Words for a person's terminal: text from results is never trusted with control characters or length."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x9b[0-9;?]*[ -/]*[@-~]"
    r"|[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


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
