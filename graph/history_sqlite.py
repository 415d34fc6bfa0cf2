"""History in a SQLite file of its own, beside the file of runs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .history_table import TABLES, SqlHistory, Statement
from .sqlite_checks import check_file, explained, refuse_read_only, share_file

PATIENCE_S = 2.0
"""Seconds that a write waits for another one; what is not written then is written with the next batch."""


def history_path(runs: Path) -> Path:
    """Return where the history of a file of runs is."""
    return runs.with_name(f"{runs.stem}.history{runs.suffix}")


class SqliteHistory(SqlHistory):
    """History in a file, which is made when the first row is written; each change on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_ready = False
        self._lock = threading.Lock()

    def change(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction."""
        with self._lock, self._explained(), closing(self._connect()) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in statements:
                connection.executemany(statement, rows)
            connection.execute("COMMIT")

    def query(
        self, statement: str, values: Mapping[str, Any], *, table: str = "fanwise_attempts"
    ) -> Sequence[tuple[Any, ...]]:
        """Return the rows that a statement finds; none where there is no file, or no table in it, yet."""
        if not self.path.exists():
            return []
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        with self._explained(), closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                return []
            return connection.execute(statement, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        if self._is_ready:
            return sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)
        if self.path.exists():
            check_file(self.path, "fanwise_attempts", ("thread_id", "task_id", "specialist", "duration_s"))
        refuse_read_only(self.path)
        connection = sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)
        try:
            share_file(connection)
            for table in TABLES:
                connection.execute(table)
        except BaseException:
            connection.close()
            raise
        self._is_ready = True
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._is_ready = False
            raise explained(error, self.path) from error
