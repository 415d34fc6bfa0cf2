"""Read-only SQL over an event store: one statement at a time, within limits of rows, size and time.

What keeps it read-only, each by itself: DuckDB's own parser has to call the statement a SELECT or an EXPLAIN; it runs
in a read-only transaction; and the store has no access to files, network, extensions or settings once it is loaded.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
from pydantic import JsonValue

from ...events.duckdb_store import DuckDBStore
from ...events.ending import interruptible
from ...events.layouts import COLUMNS
from ...events.protocol import EventStore
from ..call import in_thread

ROWS = 200
"""Rows of one result."""

CHARS = 60_000
"""Characters of one result, as its values are written; rows beyond are left out."""

CELL = 2_000
"""Characters of one value; structures and nested lists are told as DuckDB's text."""

ITEMS = 200
"""Items of a list within a row."""

QUERY_S = 30.0
"""Seconds that one statement may take."""

_DESCRIBED = {
    "ts": "when it happened, UTC",
    "received": "when it arrived, UTC",
    "level": "debug, info, warning, error or critical",
    "duration_ms": "how long what it reports took",
    "message": "text without timestamp, host and level",
    "raw": "the line as it stands in the log",
}


class QueryError(ValueError):
    """A statement was refused, or could not be run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one statement may take."""

    rows: int = ROWS
    chars: int = CHARS
    seconds: float = QUERY_S


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of one statement."""

    sql: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, JsonValue], ...]
    cut: bool
    """Whether there are more rows than these."""


def schema_text() -> str:
    """Return what there is to query, as a CREATE VIEW that a model can read."""
    columns = {**COLUMNS, "raw": "VARCHAR", "file": "VARCHAR", "line": "BIGINT"}
    lines = [f'    "{name}" {kind}{_comment(_DESCRIBED.get(name, ""))}' for name, kind in columns.items()]
    return "\n".join(["VIEW events (one row for each event; a value that the log lacks is NULL)", *lines])


def _comment(text: str) -> str:
    return f"  -- {text}" if text else ""


async def run_query(store: EventStore, sql: str, limits: Limits | None = None) -> Rows:
    """Run one statement that reads, in a thread; it is interrupted when its time is over, or its caller is cancelled.

    Args:
        store: the event store; one that DuckDB holds.
        sql: the statement, over the view `events`; moments in it are in UTC.
        limits: how much it may take.

    Raises:
        QueryError: it is not one statement that reads, it is wrong, or it takes too long.
    """
    if not isinstance(store, DuckDBStore):
        raise QueryError(f"this event store ({type(store).__name__}) takes no SQL; use its checks")
    query = checked(sql)
    cursor = store.cursor()
    rows: Rows = await in_thread(lambda: _run(cursor, query, limits or Limits()), name="fanwise-sql")
    return rows


def checked(sql: str) -> str:
    """Return a statement without what stands around it.

    Raises:
        QueryError: DuckDB's parser does not call it one statement that reads.
    """
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_first(error)) from None
    if len(statements) != 1:
        raise QueryError(f"give one statement, not {len(statements)}")
    kind = statements[0].type
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        hint = "; write PIVOT with IN (...)" if kind == duckdb.StatementType.MULTI else ""
        raise QueryError(f"only reading is allowed: SELECT, not {kind.name}{hint}")
    return _bare(str(statements[0].query))


def _bare(query: str) -> str:
    """Return a statement without semicolons and comments at its end."""
    text = query.encode()  # tokens are told by their place in bytes
    for place, kind in reversed(duckdb.tokenize(query)):
        if kind != duckdb.token_type.comment and text[place:].strip() != b";":
            break
        text = text[:place]
    return text.decode().strip()


def _run(cursor: duckdb.DuckDBPyConnection, query: str, limits: Limits) -> Rows:
    late = threading.Event()

    def stop() -> None:
        late.set()
        cursor.interrupt()

    timer = threading.Timer(limits.seconds, stop)
    timer.daemon = True
    try:
        timer.start()
        with interruptible(cursor.interrupt):
            _set_up(cursor)
            relation = cursor.sql(query)
            names = _unique(relation.columns)
            cursor.execute(_bounded(query, [str(kind) for kind in relation.types], limits))
            return _read(cursor, query, names, limits)
    except duckdb.InterruptException:
        told = f"took more than {limits.seconds:g} s" if late.is_set() else "was interrupted"
        raise QueryError(f"the query {told}; ask for less: a shorter time, fewer groups, no cross join") from None
    except duckdb.Error as error:
        raise QueryError(_first(error)) from None
    finally:
        timer.cancel()
        timer.join()  # what it interrupts must still be open
        cursor.close()


def _set_up(cursor: duckdb.DuckDBPyConnection) -> None:
    """Show the store's tables as one view, to this connection alone, and let it write nothing from here on."""
    found = cursor.execute("SELECT current_database()").fetchone()
    tables = f'"{found[0] if found else "memory"}".main'
    columns = ", ".join(f'e."{name}"' for name in COLUMNS)
    cursor.execute(
        f"CREATE TEMP VIEW events AS SELECT {columns}, l.raw, f.file, e.id - f.first + 1 AS line"
        f" FROM {tables}.events e JOIN {tables}.files f USING (fid) LEFT JOIN {tables}.lines l ON l.rowid = e.id"
    )
    cursor.execute("BEGIN TRANSACTION READ ONLY")


_PLAIN = re.compile(
    r"BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*|UUID"
    r"|DATE|TIME(STAMP)?( WITH TIME ZONE|_.*)?|INTERVAL"
)
"""Types whose values are short."""


def _bounded(query: str, types: list[str], limits: Limits) -> str:
    """Return the query with its values cut by DuckDB: turning a huge one into Python's takes minutes and gigabytes."""
    if query[:7].upper() == "EXPLAIN":
        return query
    cells = ", ".join(_cell(number, kind) for number, kind in enumerate(types, 1))
    return f"SELECT {cells} FROM (\n{query}\n) LIMIT {limits.rows + 1}"


def _cell(number: int, kind: str) -> str:
    if _PLAIN.fullmatch(kind):
        return f"#{number}"
    if kind.endswith("[]") and _PLAIN.fullmatch(kind[:-2]):
        return f"list_slice(#{number}, 1, {ITEMS + 1})"
    if kind == "VARCHAR[]":
        return f"[left(x, {CELL + 1}) FOR x IN list_slice(#{number}, 1, {ITEMS + 1})]"
    return f"left(#{number}::VARCHAR, {CELL + 1})"


def _read(cursor: duckdb.DuckDBPyConnection, query: str, names: list[str], limits: Limits) -> Rows:
    rows: list[Mapping[str, JsonValue]] = []
    left = limits.chars
    while (raw := cursor.fetchone()) is not None:
        row = {name: _json(value) for name, value in zip(names, raw, strict=True)}
        left -= len(repr(row))
        if len(rows) == limits.rows or left < 0:
            return Rows(query, tuple(names), tuple(rows), True)
        rows.append(row)
    return Rows(query, tuple(names), tuple(rows), False)


def _unique(names: list[str]) -> list[str]:
    """Number columns of the same name, so that none hides the other."""
    return [name if names.index(name) == at else f"{name}_{at + 1}" for at, name in enumerate(names)]


def _json(value: Any) -> JsonValue:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list | tuple):
        return [*(_json(item) for item in value[:ITEMS]), *(["[... more was left out]"] if len(value) > ITEMS else [])]
    text = str(value)
    return text if len(text) <= CELL else f"{text[:CELL]} [... more was left out]"


def _first(error: duckdb.Error) -> str:
    """Return DuckDB's message with its hints, without the picture of the place."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith(("LINE ", " "))]
    return " ".join(lines)[:500]
