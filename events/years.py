"""The year of lines that do not name it, as in traditional syslog.

The lines are read in their order: a step back of more than half a year is a new year (December to January), a step
forward of more than half a year is a late line of the old one. The last line's year is the latest that does not lie
after the file's own modification; where other files of the log do name years, it is the one nearest to their end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import duckdb

_BASE = 2000
"""The year that forms without one are parsed with; see `stamps.py`."""

_STEPS = """
    CREATE OR REPLACE TABLE steps AS
    SELECT id, fid, ts, sum(step) OVER (PARTITION BY fid ORDER BY id) AS years FROM (
        SELECT id, fid, ts, CASE WHEN ts < previous - INTERVAL 183 DAY THEN 1
            WHEN ts > previous + INTERVAL 183 DAY THEN -1 ELSE 0 END AS step
        FROM (SELECT id, fid, ts, lag(ts) OVER (PARTITION BY fid ORDER BY id) AS previous FROM events WHERE NOT dated))
"""


def give_years(connection: duckdb.DuckDBPyConnection, mtimes: Iterable[float]) -> dict[int, str]:
    """Set the year of events that have none; return a note for each file concerned, by its number."""
    if not connection.execute("SELECT 1 FROM events WHERE NOT dated LIMIT 1").fetchone():
        return {}
    connection.execute(_STEPS)
    last = connection.execute("SELECT fid, arg_max(ts, id), arg_max(years, id) FROM steps GROUP BY fid").fetchall()
    end = connection.execute("SELECT quantile_disc(ts, 0.99) FROM events WHERE dated").fetchone()
    known = end[0] if end else None
    modified = [datetime.fromtimestamp(mtime, UTC).replace(tzinfo=None) for mtime in mtimes]
    notes = {}
    for fid, moment, crossed in last:
        year = _nearest_year(moment, known) if known else _latest_year(moment, modified[fid])
        connection.execute(
            "UPDATE events SET ts = events.ts + to_years(CAST($year + s.years AS INTEGER)), dated = true FROM steps s"
            " WHERE s.id = events.id AND s.fid = $fid",
            {"year": year - _BASE - int(crossed), "fid": fid},
        )
        told = "the other files" if known else "the file's modification time"
        notes[fid] = f"the lines name no year: the last is taken as {year}, from {told}"
    connection.execute("DROP TABLE steps")
    return notes


def _latest_year(moment: datetime, modified: datetime) -> int:
    year = modified.year
    while _in_year(moment, year) > modified + timedelta(days=1):
        year -= 1
    return year


def _nearest_year(moment: datetime, known: datetime) -> int:
    return min((known.year + n for n in (0, -1, 1)), key=lambda year: abs(_in_year(moment, year) - known))


def _in_year(moment: datetime, year: int) -> datetime:
    day = 28 if (moment.month, moment.day) == (2, 29) else moment.day
    return moment.replace(year=min(max(year, 1), 9999), day=day)
