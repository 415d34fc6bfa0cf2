"""How text that came from a file gets into SQL: as a quoted literal, never as code."""

from __future__ import annotations

from collections.abc import Iterable


def lit(text: str) -> str:
    """Return `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def lits(texts: Iterable[str]) -> str:
    """Return `texts` as an SQL list of string literals."""
    return "[" + ", ".join(lit(text) for text in texts) + "]"
