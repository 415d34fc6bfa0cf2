"""What time it was when the log ended, by the log itself.

The latest arrival, where the log has arrival times. Else the latest plausible timestamp, found per host (per file,
where no host is known) so that one wrong clock does not move it:

1. A host's range leaves out stray moments: those further beyond its middle 98 % than that is long (at least a day).
2. A host is ahead, and is left out, if its range ends at least 30 minutes after all others' *and* begins later than
   theirs by at least half as much: a shifted clock moves both ends, while a host that merely outlives the others began
   with them.
3. Moments after the newest file's modification do not count, unless all are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

Rows = Callable[[str, dict[str, Any]], list[dict[str, Any]]]

_AHEAD = timedelta(minutes=30)

_RANGES = """
    WITH q AS (
        SELECT coalesce(host, fid::VARCHAR) AS who, quantile_disc(ts, 0.01) AS low, quantile_disc(ts, 0.99) AS high
        FROM events GROUP BY who),
    s AS (SELECT *, greatest(high - low, INTERVAL 1 DAY) AS slack FROM q)
    SELECT min(e.ts) AS first, max(e.ts) AS last
    FROM events e JOIN s ON s.who = coalesce(e.host, e.fid::VARCHAR)
    WHERE e.ts BETWEEN low - slack AND high + slack GROUP BY s.who ORDER BY last DESC
"""


def log_now(rows: Rows, mtime: float, *, arrivals: bool) -> str | None:
    """Return the log's own present as ISO 8601; `mtime` is when the newest file was last written."""
    if arrivals:
        latest = rows("SELECT max(received) AS now FROM events", {})[0]["now"]
    else:
        ranges = [(row["first"], row["last"]) for row in rows(_RANGES, {})]
        latest = latest_plausible(ranges, datetime.fromtimestamp(mtime, UTC).replace(tzinfo=None))
    return None if latest is None else latest.replace(tzinfo=UTC).isoformat()


def latest_plausible(ranges: list[tuple[datetime, datetime]], written: datetime) -> datetime | None:
    """Return the latest end among `ranges` (one for each host) that no shifted clock explains."""
    limit = written + timedelta(minutes=5)
    left = sorted((r for r in ranges if r[1] <= limit), key=lambda r: r[1], reverse=True)
    left = left or sorted(ranges, key=lambda r: r[1], reverse=True)
    while len(left) > 1 and _is_ahead(left[0], left[1:]):
        left = left[1:]
    return left[0][1] if left else None


def _is_ahead(one: tuple[datetime, datetime], others: list[tuple[datetime, datetime]]) -> bool:
    lead = one[1] - others[0][1]
    usual_start = median(first.timestamp() for first, _ in others)
    return lead >= _AHEAD and one[0].timestamp() - usual_start >= lead.total_seconds() / 2
