"""What time it is for events in Splunk: silence up to that moment is silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..clock import latest_plausible
from .rows import moment, text
from .searcher import Row


def present(row: Row, ranges: Callable[[], list[Row]]) -> str:
    """Return the present as ISO 8601: the first of these that is not further off than the log is long.

    Splunk's own time, or the end of the range where that is earlier. For events of another time (a log that was
    imported): the last arrival, or else the last plausible timestamp.

    Args:
        row: sizes and range of the events, and what `addinfo` says of the search.
        ranges: asks for the first and the last event of each host.
    """
    first, last = moment(row["first"]), moment(row["last"])
    told, end = bound(row, "info_search_time"), bound(row, "info_max_time")
    there = moment(told) if told else datetime.now(UTC)
    there = min(there, moment(end)) if end else there
    span = max(last - first, timedelta(hours=1))
    for at in (there, moment(row["arrived"])):
        if at - last <= span:
            return at.isoformat()
    found = [(_naive(host["first"]), _naive(host["last"])) for host in ranges()]
    plausible = latest_plausible(found, there.replace(tzinfo=None))
    return last.isoformat() if plausible is None else plausible.replace(tzinfo=UTC).isoformat()


def bound(row: Row, name: str) -> str:
    """Return a time of `addinfo` in seconds since 1970; empty for infinity."""
    told = text(row, name) or ""
    return "" if told.lstrip("+-").lower().startswith("inf") else told


def _naive(seconds: str) -> datetime:
    return moment(seconds).replace(tzinfo=None)
