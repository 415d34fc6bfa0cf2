"""The year of lines that do not name it, as in traditional syslog.

The lines are read in their order: a step back of more than half a year is a new year (December to January), a step
forward of more than half a year is a late line of the old one. Messages that repeat their own day with a year (`at Fri
Jun 17 07:07:00 2005`) tell it; else, where other files of the log do name years, the last line's year is the one
nearest to their end; else it is the latest that does not lie after the file's own modification.
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

_TOLD = r"""
    SELECT fid, CAST(x.y AS INTEGER) - years AS year, count(*) AS lines FROM (
        SELECT s.fid, s.ts, s.years, regexp_extract(
            l.raw, '([A-Z][a-z]{2}) +(\d{1,2}) \d{2}:\d{2}:\d{2} (?:[A-Z]{3,4} )?((?:19|20)\d{2})\b', ['m', 'd', 'y']
        ) AS x
        FROM steps s JOIN lines l ON l.rowid = s.id)
    WHERE x.y <> '' AND x.m = strftime(ts, '%b') AND CAST(x.d AS INTEGER) = day(ts) GROUP BY ALL
"""
"""The year of a file's first line, by how many messages that repeat their own day with a year say so."""


def give_years(connection: duckdb.DuckDBPyConnection, mtimes: Iterable[float]) -> dict[int, str]:
    """Set the year of events that have none; return a note for each file concerned, by its number."""
    if not connection.execute("SELECT 1 FROM events WHERE NOT dated LIMIT 1").fetchone():
        return {}
    connection.execute(_STEPS)
    last = connection.execute("SELECT fid, arg_max(ts, id), arg_max(years, id) FROM steps GROUP BY fid").fetchall()
    end = connection.execute("SELECT quantile_disc(ts, 0.99) FROM events WHERE dated").fetchone()
    told_by = _told_years(connection)
    hinted = [_in_year(moment, told_by[fid] + int(crossed)) for fid, moment, crossed in last if fid in told_by]
    known = (end[0] if end else None) or max(hinted, default=None)
    modified = [datetime.fromtimestamp(mtime, UTC).replace(tzinfo=None) for mtime in mtimes]
    notes = {}
    for fid, moment, crossed in last:
        if fid in told_by:
            year, told = told_by[fid] + int(crossed), "dates in the messages"
        elif known:
            year, told = _nearest_year(moment, known), "the other files"
        else:
            year, told = _latest_year(moment, modified[fid]), "the file's modification time"
        connection.execute(
            "UPDATE events SET ts = events.ts + to_years(CAST($year + s.years AS INTEGER)), dated = true FROM steps s"
            " WHERE s.id = events.id AND s.fid = $fid",
            {"year": year - _BASE - int(crossed), "fid": fid},
        )
        notes[fid] = f"the lines name no year: the last is taken as {year}, from {told}"
    connection.execute("DROP TABLE steps")
    return notes


def _told_years(connection: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Return the year of each file's first lines, by its number, where messages agree on it."""
    votes: dict[int, dict[int, int]] = {}
    for fid, year, lines in connection.execute(_TOLD).fetchall():
        votes.setdefault(fid, {})[int(year)] = lines
    return {
        fid: year
        for fid, found in votes.items()
        for year, lines in found.items()
        if lines >= max(2, 0.8 * sum(found.values()))
    }


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
