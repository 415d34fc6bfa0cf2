"""How checks write moments, durations, shares and example lines; what they say is read by people in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ...summary.text import clean

__all__ = ["clean", "count", "evidence", "iso", "lasting", "listed", "period", "seconds", "share", "when"]

EVIDENCE_LINES = 5
"""Example lines in one finding, at most."""


def seconds(moment: str) -> float:
    """Return an ISO 8601 moment as seconds since 1970; without an offset it is UTC.

    Raises:
        ValueError: it is no ISO 8601 moment.
    """
    parsed = datetime.fromisoformat(moment)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def iso(moment: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def when(moment: float, *, exact: bool = False) -> str:
    """Return a moment as a person reads it: `2025-03-01 13:42 UTC`; with `exact` to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC" if exact else "%Y-%m-%d %H:%M UTC")


def period(start: float, end: float) -> str:
    """Return a time range as a person reads it; the date stands once if it is one day."""
    left, right = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    if left.date() != right.date():
        return f"{left:%Y-%m-%d %H:%M} to {right:%Y-%m-%d %H:%M} UTC"
    if f"{left:%H:%M}" == f"{right:%H:%M}":
        return f"{left:%Y-%m-%d %H:%M} UTC"
    return f"{left:%Y-%m-%d %H:%M} to {right:%H:%M} UTC"


def lasting(duration: float) -> str:
    """Return a duration in its two leading units: `3 h 5 min`, `45 s`."""
    whole = round(abs(duration))
    if whole < 1:
        return f"{abs(duration) * 1000:.0f} ms"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole < 600 and whole % 60 else "")
    if whole < 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 else "")
    return f"{whole // 86400} d" + (f" {whole % 86400 // 3600} h" if whole % 86400 >= 3600 else "")


def share(part: float, whole: float) -> str:
    """Return a part of a whole in percent: `12%`, `0.4%`."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.2g}%"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 event`, `1,204 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], limit: int = 5) -> str:
    """Return names as `a, b and 3 more`."""
    all_names = list(names)
    if len(all_names) <= limit:
        return " and ".join([", ".join(all_names[:-1]), all_names[-1]] if len(all_names) > 1 else all_names)
    return f"{', '.join(all_names[:limit])} and {len(all_names) - limit} more"


def evidence(events: Iterable[Mapping[str, Any]], *, durations: bool = False) -> tuple[str, ...]:
    """Return events as example lines, `file:line: text`, each once, at most five; with how long they took, if asked."""
    lines = dict.fromkeys(
        clean(f"{event.get('file')}:{event.get('line')}: {_took(event) if durations else ''}{_line(event)}")
        for event in events
    )
    return tuple(lines)[:EVIDENCE_LINES]


def _took(event: Mapping[str, Any]) -> str:
    duration = event.get("duration_ms")
    return f"[{duration:,.0f} ms] " if isinstance(duration, int | float) else ""


def _line(event: Mapping[str, Any]) -> str:
    """Return the raw line; of a line of JSON what a person would look for in it."""
    raw, message = str(event.get("raw") or ""), str(event.get("message") or "")
    if raw.startswith("{") and message:
        return " ".join(str(event[k]) for k in ("ts", "host", "source", "level", "message") if event.get(k))
    return raw or message
