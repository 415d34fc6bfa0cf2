"""The event store over local files: questions answered by DuckDB, each call with a cursor of its own."""

from __future__ import annotations

import threading
from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import duckdb

from ..schema.errors import EventsError
from .clock import log_now
from .database import Scratch
from .ending import Stopped, go_on, interruptible
from .filters import RAW, columns_of, conditions
from .layouts import COLUMNS
from .protocol import Field, FileInfo, StoreInfo, Where

_BATCH = 5000
_CLOSED = "the event store is closed; open it again with open_events()"
_MEASURES = {"duration_ms": "e.duration_ms", "delay_s": "(epoch_us(e.received) - epoch_us(e.ts)) / 1e6"}


class DuckDBStore:
    """Events in a DuckDB database; safe to ask from many threads at once."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        scratch: Scratch,
        files: Sequence[FileInfo],
        mtime: float,
        pages: Sequence[int] = (),
    ) -> None:
        self._connection = connection
        self._scratch = scratch
        self._files = tuple(files)
        self._mtime = mtime
        self._pages = tuple(pages)
        self._lock = threading.Lock()
        self._info: StoreInfo | None = None
        self._closed = False

    def info(self) -> StoreInfo:
        """Return what the store holds. Cheap after the first call."""
        with self._lock:
            if self._info is None:
                self._info = self._describe()
            return self._info

    def counts(
        self,
        by: Sequence[Field] = (),
        *,
        where: Where | None = None,
        bucket_s: float | None = None,
    ) -> list[dict[str, Any]]:
        """Count events by fields and, with `bucket_s`, by time; see `EventStore.counts`. Buckets start at the epoch."""
        parameters: dict[str, Any] = {}
        keys = [f'{sql} AS "{name}"' for name, sql in columns_of(by).items()]
        if bucket_s is not None:
            if not bucket_s > 0:
                raise EventsError(f"a bucket of {bucket_s!r} seconds is not possible; give a number above 0")
            parameters["step"] = max(1, round(bucket_s * 1e6))
            keys.append("make_timestamp(epoch_us(e.ts) - epoch_us(e.ts) % $step) AS bucket")
        clause = conditions(where, parameters)
        bucket = ["iso(bucket) AS bucket"] if bucket_s is not None else []
        names = [f'"{name}"' for name in by]
        order = (["g.bucket"] if bucket else []) + ["events DESC", *(f"{name} NULLS LAST" for name in names)]
        inner = ", ".join([*keys, "count(*) AS events", "min(e.ts) AS first", "max(e.ts) AS last"])
        group = " GROUP BY ALL" if keys else " HAVING count(*) > 0"
        return self._rows(
            f"SELECT {', '.join([*names, *bucket, 'events', 'iso(first) AS first', 'iso(last) AS last'])}"
            f" FROM (SELECT {inner} FROM events e JOIN files f USING (fid) {clause}{group}) g"
            f" ORDER BY {', '.join(order)}",
            parameters,
        )

    def quantiles(
        self, of: Literal["duration_ms", "delay_s", "gap_s"], by: Sequence[Field] = (), *, where: Where | None = None
    ) -> list[dict[str, Any]]:
        """Summarise a number by group; see `EventStore.quantiles`."""
        if of not in ("duration_ms", "delay_s", "gap_s"):
            raise EventsError(f"no such number: {of!r}; known are 'duration_ms', 'delay_s' and 'gap_s'")
        parameters: dict[str, Any] = {}
        clause = conditions(where, parameters)
        columns = columns_of(by)
        measure = _gap(columns) if of == "gap_s" else _MEASURES[of]
        keys = "".join(f'{sql} AS "{name}", ' for name, sql in columns.items())
        names = "".join(f'"{name}", ' for name in by)
        group = " GROUP BY ALL" if columns else " HAVING count(*) > 0"
        return self._rows(
            f"""SELECT {names} events, low AS min, q[1] AS p50, q[2] AS p95, q[3] AS p99, high AS max, total AS sum
            FROM (
                SELECT {names} count(*) AS events, min(x) AS low, max(x) AS high, sum(x) AS total,
                    quantile_cont(x, [0.5, 0.95, 0.99]) AS q
                FROM (SELECT {keys}{measure} AS x FROM events e JOIN files f USING (fid) {clause})
                WHERE x IS NOT NULL AND isfinite(x){group}) ORDER BY events DESC, ALL""".replace(", ALL", _tie(by)),
            parameters,
        )

    def gaps(
        self, by: Sequence[Field], *, min_s: float, where: Where | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List pauses between consecutive events of a group; see `EventStore.gaps`."""
        parameters: dict[str, Any] = {"min_s": min_s, "rows": limit}
        clause = conditions(where, parameters)
        columns = columns_of(by)
        keys = "".join(f'{sql} AS "{name}", ' for name, sql in columns.items())
        names = "".join(f'"{name}", ' for name in by)
        return self._rows(
            f"""SELECT {names} iso(previous) AS start, iso(ts) AS "end", gap_s FROM (
                SELECT {keys} e.ts AS ts, lag(e.ts) OVER ({_partition(columns)} ORDER BY e.ts) AS previous,
                    {_gap(columns)} AS gap_s
                FROM events e JOIN files f USING (fid) {clause})
            WHERE gap_s >= $min_s ORDER BY gap_s DESC, previous LIMIT $rows""",
            parameters,
        )

    def duplicates(self, *, where: Where | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """List raw lines that occur repeatedly with the same timestamp, host and source, the most frequent first."""
        parameters: dict[str, Any] = {"rows": limit}
        clause = conditions(where, parameters)
        return self._rows(
            f"""SELECT l.raw, g.host, g.source, iso(g.ts) AS ts, g.events FROM (
                SELECT min(e.id) AS id, e.host, e.source, e.ts, count(*) AS events
                FROM events e JOIN files f USING (fid) JOIN lines l ON l.rowid = e.id {clause}
                GROUP BY e.ts, e.host, e.source, hash(l.raw) HAVING count(*) > 1
                ORDER BY events DESC, e.ts, id LIMIT $rows) g
            JOIN lines l ON l.rowid = g.id ORDER BY g.events DESC, g.ts, g.id""",
            parameters,
        )

    def sample(
        self, *, where: Where | None = None, limit: int = 5, order: Literal["first", "last", "slowest"] = "first"
    ) -> list[dict[str, Any]]:
        """Return whole events (all fields, `file`, `line`), for evidence; `raw` has the continuation lines too."""
        orders = {"first": "ts, id", "last": "ts DESC, id DESC", "slowest": "duration_ms DESC NULLS LAST, ts, id"}
        if order not in orders:
            raise EventsError(f"no such order: {order!r}; known are 'first', 'last' and 'slowest'")
        parameters: dict[str, Any] = {"rows": limit}
        clause = conditions(where, parameters)
        names = ", ".join(
            f'iso(p.{name}) AS "{name}"' if kind == "TIMESTAMP" else f'p."{name}"' for name, kind in COLUMNS.items()
        )
        rows = self._rows(
            f"""WITH p AS (
                SELECT e.*, f.file, e.id - f.first + 1 AS line FROM events e JOIN files f USING (fid) {clause}
                ORDER BY {orders[order]} LIMIT $rows)
            SELECT {names}, {RAW} AS raw, p.file, p.line FROM p ORDER BY {orders[order]}""",
            parameters,
        )
        return [self._on_page(row) for row in rows] if len(self._pages) > 1 else rows

    def messages(self, *, where: Where | None = None, limit: int = 200_000) -> Iterator[tuple[str, str]]:
        """Yield `(ts, message)` in time order; above `limit` an even sample."""
        parameters: dict[str, Any] = {"rows": limit}
        clause = conditions(where, parameters)
        cursor = self._execute(
            f"""SELECT iso(ts), coalesce(message, '') FROM (
                SELECT e.ts, e.id, e.message, row_number() OVER (ORDER BY e.ts, e.id) AS n, count(*) OVER () AS c
                FROM events e JOIN files f USING (fid) {clause})
            WHERE c <= $rows OR n * $rows // c <> (n - 1) * $rows // c ORDER BY ts, id""",
            parameters,
        )
        try:
            while True:
                with interruptible(cursor.interrupt):
                    rows = cursor.fetchmany(_BATCH)
                if not rows:
                    break
                yield from rows
        finally:
            cursor.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the same tables, which its user closes; see `nodes.tools.sql`.

        Raises:
            EventsError: the store is closed.
        """
        if self._closed:
            raise EventsError(_CLOSED)
        return self._connection.cursor()

    def close(self) -> None:
        """Release files and memory. Further questions raise `EventsError`."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()
                self._scratch.remove()

    def _execute(self, sql: str, parameters: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        cursor = self.cursor()
        try:
            with interruptible(cursor.interrupt):
                return cursor.execute(sql, parameters)
        except Stopped:
            cursor.close()
            raise
        except duckdb.Error as error:
            cursor.close()
            go_on()
            raise EventsError(f"the event store could not answer: {str(error).splitlines()[0]}") from error

    def _rows(self, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        cursor = self._execute(sql, parameters)
        try:
            names = [column[0] for column in cursor.description or ()]
            with interruptible(cursor.interrupt):
                rows = cursor.fetchall()
            return [dict(zip(names, row, strict=True)) for row in rows]
        finally:
            cursor.close()

    def _on_page(self, row: dict[str, Any]) -> dict[str, Any]:
        """Name an event's place by the page of the answer that it came on."""
        page = bisect(self._pages, row["line"])
        return {**row, "file": f"{row['file']}, page {page}", "line": row["line"] - self._pages[page - 1] + 1}

    def _describe(self) -> StoreInfo:
        filled = ", ".join(f'count("{name}") AS "{name}"' for name in COLUMNS)
        row = self._rows(
            f"SELECT count(*) AS events, iso(min(ts)) AS first, iso(max(ts)) AS last, {filled} FROM events", {}
        )[0]
        return StoreInfo(
            events=row["events"],
            start=row["first"],
            end=row["last"],
            now=log_now(self._rows, self._mtime, arrivals=row["received"] > 0),
            hosts=self._values("host"),
            sources=self._values("source"),
            sourcetypes=self._values("sourcetype"),
            fields=(*(name for name in COLUMNS if row[name]), "raw", "file", "line"),
            files=self._files,
        )

    def _values(self, column: str) -> tuple[str, ...]:
        rows = self._rows(f"SELECT DISTINCT {column} AS v FROM events WHERE {column} IS NOT NULL ORDER BY v", {})
        return tuple(row["v"] for row in rows)


def _partition(columns: dict[str, str]) -> str:
    return f"PARTITION BY {', '.join(columns.values())}" if columns else ""


def _gap(columns: dict[str, str]) -> str:
    """SQL: seconds since the group's last event."""
    return f"(epoch_us(e.ts) - epoch_us(lag(e.ts) OVER ({_partition(columns)} ORDER BY e.ts))) / 1e6"


def _tie(by: Sequence[str]) -> str:
    return "".join(f', "{name}" NULLS LAST' for name in by)
