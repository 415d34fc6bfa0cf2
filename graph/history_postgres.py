"""History in PostgreSQL, in the database of the runs."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg

from .history_table import TABLES, SqlHistory, Statement

Made = TypeVar("Made")
Connection = psycopg.Connection[tuple[Any, ...]]

_LOCK = 0x66616E77686973
"""Number of the advisory lock under which the tables are made."""

NEWEST = "fanwise_events"
"""The table that came last: where it is, the others are."""


class PostgresHistory(SqlHistory):
    """History in three tables, on a connection of its own."""

    def __init__(self, conninfo: str, explained: Callable[[psycopg.Error], Exception]) -> None:
        self._conninfo = conninfo
        self._explained = explained
        self._connection: Connection | None = None
        self._tables: set[str] = set()
        """Those that are known to be there."""
        self._lock = threading.Lock()

    def change(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction; what was written twice is the same as once."""
        self._do(lambda connection: self._change(connection, statements))

    def query(
        self, statement: str, values: Mapping[str, Any], *, table: str = "fanwise_attempts"
    ) -> Sequence[tuple[Any, ...]]:
        """Return the rows that a statement finds."""
        return self._do(lambda connection: self._query(connection, statement, values, table))

    def close(self) -> None:
        """Close the connection, unless a request hangs on it."""
        if self._lock.acquire(timeout=1):
            self._drop()
            self._lock.release()

    def _do(self, work: Callable[[Connection], Made]) -> Made:
        """Do something; once more, on a new connection, if the last one is gone."""
        with self._lock:
            known = self._connection is not None
            try:
                try:
                    return work(self._connected())
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    self._drop()
                    if not known:
                        raise
                return work(self._connected())
            except psycopg.Error as error:
                raise self._explained(error) from error

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            self._connection.execute("SET statement_timeout = '30s'")
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _change(self, connection: Connection, statements: Sequence[Statement]) -> None:
        if not self._is_there(connection, NEWEST):
            self._make_tables(connection)
        with connection.transaction(), connection.cursor() as cursor:
            for statement, rows in statements:
                cursor.executemany(_with_places(statement), rows)

    def _query(
        self, connection: Connection, statement: str, values: Mapping[str, Any], table: str
    ) -> Sequence[tuple[Any, ...]]:
        if not self._is_there(connection, table):
            return []
        return connection.execute(_with_places(statement), values).fetchall()

    def _is_there(self, connection: Connection, table: str) -> bool:
        if table not in self._tables:
            found = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
            if found is not None and found[0] is not None:
                self._tables.add(table)
        return table in self._tables

    def _make_tables(self, connection: Connection) -> None:
        with connection.transaction():  # `IF NOT EXISTS` alone fails where two do it at the same time
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            for table in TABLES:
                connection.execute(table)
        self._tables.add(NEWEST)


def _with_places(statement: str) -> str:
    """Return a statement with psycopg's places in place of `:name`."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement)
