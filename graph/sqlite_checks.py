"""Looking at a SQLite file before it is used: what is damaged, foreign, newer or read-only is refused as it is."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from ..schema.errors import RunError
from .database import SCHEMA_VERSION

BUSY_S = 30.0
"""Seconds that a write waits for others which write to the same file."""


def explained(error: sqlite3.Error, path: Path) -> RunError:
    """Return what went wrong in words that say what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    known = {
        sqlite3.SQLITE_FULL: "has no space left on its disk: free some, then resume the run; what was saved is kept",
        sqlite3.SQLITE_IOERR: "can't be written: if its disk is full, free some; then resume, what was saved is kept",
        sqlite3.SQLITE_READONLY: "is read-only: make the file and its folder writable, or give another one with --db",
        sqlite3.SQLITE_CANTOPEN: "can't be opened: make its folder writable, or give another one with --db",
        sqlite3.SQLITE_CORRUPT: "is damaged: restore a copy of it, or give another one with --db",
        sqlite3.SQLITE_NOTADB: "is no SQLite database, or its start is damaged: give another one with --db",
        sqlite3.SQLITE_BUSY: f"was kept busy by another program for {BUSY_S:.0f} s: end that one, or wait for it",
    }
    return RunError(f"the database {path} {known.get(code, 'can not be used: give another one with --db')} ({error})")


def refuse_read_only(path: Path) -> None:
    """Find out without SQLite, which would open the file all the same and leave a journal beside it."""
    as_who = os.access in os.supports_effective_ids
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK, effective_ids=as_who):
            raise RunError(f"the database {path} is read-only: make it and its folder writable, or give another --db")


def share_file(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once; SQLite does not wait for others when it changes over, so this does."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def check_file(path: Path, table: str, columns: Sequence[str]) -> None:
    """Refuse a file that is damaged, of something else, or of a newer version."""
    known, version = _look(path, table)
    if version > SCHEMA_VERSION:
        raise RunError(
            f"the database {path} is of a newer version of Fanwise (its tables have version {version}, this one knows "
            f"{SCHEMA_VERSION}): upgrade Fanwise, or give another one with --db"
        )
    if known is not None and not set(columns) <= known:
        raise RunError(
            f"the database {path} belongs to another program: give another one with --db; it is left as it is"
        )


def _look(path: Path, table: str) -> tuple[set[str] | None, int]:
    """Return the columns of a table, `None` for a file without any table; and the version of our own tables.

    Where no journal stands beside the file it is read without locks: SQLite would make a journal even to read. So what
    another process writes at this moment may look damaged, and is looked at once more.
    """
    journal = path.with_name(path.name + "-wal")
    for _ in range(3):
        with suppress(sqlite3.DatabaseError):
            return _read(path, table, "" if journal.exists() else "&immutable=1")
        time.sleep(0.03)
    return _read(path, table, "" if journal.exists() else "&immutable=1")


def _read(path: Path, table: str, options: str) -> tuple[set[str] | None, int]:
    address = f"file:{quote(str(path.absolute()))}?mode=ro{options}"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = 0
        if "fanwise_schema" in tables:
            version = connection.execute("SELECT coalesce(max(version), 0) FROM fanwise_schema").fetchone()[0]
        if not tables:
            return None, version
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}, version
