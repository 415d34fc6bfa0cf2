"""Account for every line: which belong to the event before them, which could not be read, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from .load import Loaded
from .names import LEVEL_WORD
from .protocol import FileInfo
from .quoting import lit

_LONGEST_TAIL = 200
"""A longer run of lines without a moment, none of which looks like the rest of a message, is no message's rest."""

_TRACE = (
    r"^(?:\s+\S|at |Caused by|\.\.\. \d+ more|Traceback|During handling|The above exception"
    r"|[}\])]+[;,]?\s*$|\||[-=*]{3,}"
    r"|Exception in|[\w.$]*(?:Exception|Error|Throwable|Warning|Interrupt)\b(?:[:\s]|$)|goroutine \d)"
)
"""What lines of a stack trace, or indented lines, begin with."""

_RECORD = rf"^(?:[\[(<]?(?i:{LEVEL_WORD})[\])>]?[\s:|,\]-]|<\d{{1,3}}>|\{{\"|[A-Za-z_]\w*=\S+ [A-Za-z_]\w*=)"
"""What a line begins with that is a record of its own, even though it has no moment."""

_OWNED = """
    CREATE TABLE owned AS SELECT r.id, r.fid, r.raw, e.id AS owner, e.ts
    FROM rest r ASOF LEFT JOIN (SELECT id, fid, ts FROM events) e ON r.fid = e.fid AND r.id > e.id
"""

_PARTS = """
    INSERT INTO parts
    SELECT id, owner FROM (SELECT *, count(*) OVER (PARTITION BY owner) AS run FROM owned WHERE owner IS NOT NULL)
    WHERE (regexp_matches(raw, {trace}) AND run <= {many})
        OR (fid IN ({loose}) AND run <= {few} AND NOT regexp_matches(raw, {record}))
"""

_UNREAD = """
    WITH unread AS (SELECT * FROM owned WHERE id NOT IN (SELECT id FROM parts)),
    runs AS (SELECT fid, owner, any_value(ts) AS since, min(id) AS first, max(id) AS last, count(*) AS run
        FROM unread GROUP BY fid, owner),
    longest AS (SELECT fid, arg_max(since, run) AS since, arg_max(first, run) AS first, arg_max(last, run) AS last
        FROM runs GROUP BY fid),
    shown AS (SELECT fid, count(*) AS lines, list(left(raw, 300) ORDER BY id)[1:3] AS examples FROM unread GROUP BY fid)
    SELECT fid, s.lines, s.examples, l.first, iso(l.since),
        iso((SELECT min(ts) FROM events e WHERE e.fid = l.fid AND e.id > l.last AND e.id < l.last + 1000))
    FROM shown s JOIN longest l USING (fid)
"""


def account(connection: duckdb.DuckDBPyConnection, files: Sequence[Loaded]) -> list[FileInfo]:
    """Attach continuation lines to their events and return how each file was read."""
    loose = ", ".join(str(file.fid) for file in files if file.loose) or "-1"
    connection.execute(_OWNED)
    connection.execute(
        _PARTS.format(trace=lit(_TRACE), record=lit(_RECORD), loose=loose, few=_LONGEST_TAIL, many=10 * _LONGEST_TAIL)
    )
    parsed = dict(connection.execute("SELECT fid, count(*) FROM events GROUP BY fid").fetchall())
    continued = dict(
        connection.execute("SELECT fid, count(*) FROM parts JOIN owned USING (id) GROUP BY fid").fetchall()
    )
    unread = {row[0]: row[1:] for row in connection.execute(_UNREAD).fetchall()}
    formats = dict(connection.execute("SELECT fid, mode(format) FROM events GROUP BY fid").fetchall())
    connection.execute("DROP TABLE owned; DROP TABLE IF EXISTS rest; DROP VIEW IF EXISTS fresh")
    return [
        _file_info(
            file, formats.get(file.fid), parsed.get(file.fid, 0), continued.get(file.fid, 0), unread.get(file.fid)
        )
        for file in files
    ]


def _file_info(file: Loaded, form: str | None, parsed: int, continued: int, unread: Sequence[Any] | None) -> FileInfo:
    lines = file.lines - (1 if file.header else 0)
    count, examples, first, since, until = unread or (0, (), None, None, None)
    return FileInfo(
        file=file.source.name,
        format=file.source.kind if file.source.kind != "lines" else form or "unknown",
        lines=lines,
        parsed=parsed,
        continued=continued,
        unparsed=count,
        blank=lines - parsed - continued - count,
        unparsed_examples=tuple(examples),
        note="; ".join(file.notes),
        unparsed_line=None if first is None else first - file.first + 1,
        unparsed_since=since,
        unparsed_until=until,
    )
