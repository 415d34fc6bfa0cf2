"""Load files into the tables `lines` and `events`.

All lines go into `lines`. Each round then runs every layout over the files that it was found in: a line whose moment
can be read becomes an event, the others are sampled again, which finds layouts too rare for the first sample. What is
left after the last round is blank, belongs to the event before it, or counts as unparsed; nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb

from ..schema.errors import EventsError
from .fields import Choose
from .layouts import COLUMNS, Layout
from .names import level_words
from .place import host_of
from .prepare import SEPARATOR, Prepared
from .quoting import lit
from .records import Header
from .sniff import Guess, sniff
from .stamps import Stamp

ROUNDS = 4
"""How often what is left is sampled again."""

_SAMPLE = 300
_HEAD = 12

_READ = f"""read_csv($path, delim = {lit(SEPARATOR)}, quote = '', escape = '', comment = '', header = false,
    auto_detect = false, columns = {{'raw': 'VARCHAR'}}, strict_mode = false, new_line = '\\n', nullstr = {lit(chr(2))},
    max_line_size = 24000000, buffer_size = 64000000)"""

NOT_BLANK = "trim(raw, ' ' || chr(9) || chr(13)) <> ''"
"""SQL condition: the line holds something."""

_TABLES = f"""
    CREATE TABLE files (fid INTEGER, file VARCHAR, host VARCHAR, first BIGINT);
    CREATE TABLE lines (fid INTEGER, raw VARCHAR);
    CREATE TABLE levels (word VARCHAR, level VARCHAR);
    CREATE TABLE parts (id BIGINT, owner BIGINT);
    CREATE TABLE events (id BIGINT, fid INTEGER, dated BOOLEAN, format VARCHAR,
        {", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())});
"""


@dataclass
class Loaded:
    """One file while it is being loaded."""

    fid: int
    source: Prepared
    first: int
    """Number of its first line in the table `lines`."""
    lines: int
    layouts: list[Layout] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    header: Header | None = None

    @property
    def loose(self) -> bool:
        """Whether lines without a timestamp are likely the rest of a message; said by the most frequent layout."""
        return bool(self.layouts) and self.layouts[0].loose

    def add(self, guess: Guess) -> list[Layout]:
        """Take over a guess; return those of its layouts that are new for this file."""
        fresh = [layout for layout in guess.layouts if layout not in self.layouts]
        self.layouts.extend(fresh)
        if fresh:
            self.note(*guess.notes, *(note for layout in fresh for note in layout.notes))
        return fresh

    def note(self, *texts: str) -> None:
        """Add notes that are not there yet."""
        self.notes.extend(text for text in texts if text not in self.notes)


def load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Prepared]) -> list[Loaded]:
    """Read all files into the tables; `events` is complete but for years that the lines do not name.

    Afterwards the table `rest` holds the lines, blank ones aside, that are no event.
    """
    connection.execute(_TABLES)
    connection.executemany("INSERT INTO levels VALUES (?, ?)", level_words())
    files = [_read(connection, fid, source) for fid, source in enumerate(sources)]
    _first_round(connection, files)
    for _ in range(ROUNDS - 1):
        if not _next_round(connection, files):
            break
    return files


def _read(connection: duckdb.DuckDBPyConnection, fid: int, source: Prepared) -> Loaded:
    first = _number(connection, "SELECT coalesce(max(rowid) + 1, 0) FROM lines")
    rows = f"SELECT {fid}, coalesce(raw, '') FROM {_READ}"
    if source.kind == "parquet":
        rows = f"SELECT {fid}, to_json(t)::VARCHAR FROM read_parquet($path) t"
    lines = 0
    if source.size:
        try:
            lines = _number(connection, f"INSERT INTO lines {rows}", {"path": [source.path]})
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise EventsError(f"cannot read {source.name!r}: {reason}; check that the file is whole") from error
    connection.execute("INSERT INTO files VALUES (?, ?, ?, ?)", [fid, source.name, host_of(source.name), first])
    return Loaded(fid, source, first, lines, notes=list(source.notes))


def _number(connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None) -> int:
    row = connection.execute(sql, parameters).fetchone()
    return int(row[0]) if row else 0


def _first_round(connection: duckdb.DuckDBPyConnection, files: Sequence[Loaded]) -> None:
    size = max(40, min(_SAMPLE, 30_000 // max(1, len(files))))
    samples = _first_sample(connection, files, size)
    for file in files:
        lines = samples.get(file.fid, [])
        guess = sniff(lines, _chooser(connection, file), head=lines[:_HEAD])
        file.header = guess.header
        file.add(guess)
    skip = [file.first + file.header.line for file in files if file.header] or [-1]
    comments = [file.fid for file in files if file.header and file.header.comments] or [-1]
    connection.execute(f"""CREATE VIEW fresh AS SELECT rowid AS id, fid, raw FROM lines
        WHERE {NOT_BLANK} AND rowid NOT IN ({_list(skip)}) AND NOT (fid IN ({_list(comments)}) AND raw LIKE '#%')""")
    _parse(connection, {file.fid: file.layouts for file in files}, "fresh")


def _next_round(connection: duckdb.DuckDBPyConnection, files: Sequence[Loaded]) -> bool:
    """Look at what is left; return whether a layout was found that had not been tried."""
    fresh: dict[int, list[Layout]] = {}
    for fid, lines in _rest_sample(connection).items():
        guess = sniff(lines, _chooser(connection, files[fid]), sure_only=bool(files[fid].layouts))
        fresh[fid] = files[fid].add(guess)
    if not any(fresh.values()):
        return False
    _parse(connection, fresh, "rest")
    return True


def _first_sample(connection: duckdb.DuckDBPyConnection, files: Sequence[Loaded], size: int) -> dict[int, list[str]]:
    wanted: set[int] = set()
    for file in files:
        wanted.update(range(file.first, file.first + min(file.lines, max(_HEAD, size // 4))))
        wanted.update(file.first + n * file.lines // size for n in range(size) if file.lines > size)
        wanted.update(range(file.first, file.first + file.lines) if file.lines <= size else ())
    rows = connection.execute(
        "SELECT fid, raw FROM lines WHERE rowid IN (SELECT unnest($ids)) ORDER BY rowid", {"ids": sorted(wanted)}
    ).fetchall()
    return _by_file(rows)


def _rest_sample(connection: duckdb.DuckDBPyConnection) -> dict[int, list[str]]:
    rows = connection.execute(f"""SELECT fid, raw FROM (
            SELECT *, row_number() OVER (PARTITION BY fid ORDER BY id) AS n, count(*) OVER (PARTITION BY fid) AS c
            FROM rest)
        WHERE n * {_SAMPLE} // c <> (n - 1) * {_SAMPLE} // c ORDER BY id""").fetchall()
    return _by_file(rows)


def _by_file(rows: Sequence[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for fid, raw in rows:
        found.setdefault(fid, []).append(raw)
    return found


def _parse(connection: duckdb.DuckDBPyConnection, layouts: dict[int, list[Layout]], lines: str) -> None:
    """Run each file's layouts in turn over `lines`; what none of them reads is then in the table `rest`."""
    for turn in range(max(1, max(map(len, layouts.values()), default=0))):
        users: dict[Layout, list[int]] = {}
        for fid, each in layouts.items():
            if turn < len(each):
                users.setdefault(each[turn], []).append(fid)
        for layout, fids in users.items():
            _run(connection, layout, f"(SELECT id, fid, raw FROM {lines} WHERE fid IN ({_list(fids)}))")
        _keep_rest(connection, lines, {fid for fids in users.values() for fid in fids})
        lines = "rest"


def _keep_rest(connection: duckdb.DuckDBPyConnection, lines: str, served: set[int]) -> None:
    """Make `rest` of the lines that no layout was run over, or that it could not read."""
    connection.execute("CREATE OR REPLACE TABLE failed AS SELECT id FROM events WHERE ts IS NULL")
    connection.execute("DELETE FROM events WHERE ts IS NULL")
    parts = [f"SELECT id, fid, raw FROM {lines} WHERE id IN (SELECT id FROM failed)"]
    if not _number(connection, "SELECT count(*) FROM failed"):
        parts = [f"SELECT id, fid, raw FROM {lines} WHERE false"]
    if others := _number(connection, f"SELECT count(*) FROM files WHERE fid NOT IN ({_list(served) or '-1'})"):
        parts.append(f"SELECT id, fid, raw FROM {lines} WHERE fid NOT IN ({_list(served) or '-1'})")
    order = " ORDER BY id" if others or len(served) > 1 else ""
    connection.execute(f"CREATE OR REPLACE TABLE rest AS {' UNION ALL '.join(parts)}{order}")
    connection.execute("DROP TABLE failed")


def _run(connection: duckdb.DuckDBPyConnection, layout: Layout, lines: str) -> None:
    """Insert an event for each line, with a null timestamp where the layout does not fit."""
    others = [name for name in COLUMNS if name not in ("host", "source", "level")]
    connection.execute(f"""
        INSERT INTO events (id, fid, dated, format, host, source, level, {", ".join(map(_name, others))})
        SELECT e.id, e.fid, e.dated, e.format, coalesce(e.host, f.host), coalesce(e.source, f.file), v.level,
            {", ".join(f"e.{_name(name)}" for name in others)}
        FROM ({layout.select(lines)}) e JOIN files f USING (fid) LEFT JOIN levels v ON v.word = upper(trim(e.level))""")


def _name(column: str) -> str:
    return f'"{column}"'


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _chooser(connection: duckdb.DuckDBPyConnection, file: Loaded) -> Choose:
    """Return the judge between forms such as day/month and month/day: valid, not in the future, in order, close."""
    limit = datetime.fromtimestamp(file.source.mtime, UTC).replace(tzinfo=None) + timedelta(days=2)

    def choose(stamps: Sequence[Stamp], texts: Sequence[str]) -> Stamp:
        return max(stamps, key=lambda stamp: _fit(connection, stamp, texts, limit))

    return choose


def _fit(
    connection: duckdb.DuckDBPyConnection, stamp: Stamp, texts: Sequence[str], limit: datetime
) -> tuple[float, float, float, float]:
    sql = f"SELECT {stamp.to_sql('t')} FROM (SELECT unnest($texts) AS t)"
    moments = [row[0] for row in connection.execute(sql, {"texts": list(texts)}).fetchall() if row[0] is not None]
    if not moments:
        return (0.0, 0.0, 0.0, 0.0)
    past = sum(moment <= limit for moment in moments) / len(moments)
    ordered = sum(a <= b for a, b in pairwise(moments)) / max(1, len(moments) - 1)
    span = (max(moments) - min(moments)).total_seconds()
    return (round(len(moments) / len(texts), 2), round(past, 2), round(ordered, 2), -span)
