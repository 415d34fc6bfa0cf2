"""Opening a SQLite file of runs: what is damaged, foreign or of a newer version is refused as it is."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import quote

import aiosqlite
from langgraph.store.base import Op, Result
from langgraph.store.base.batch import AsyncBatchedBaseStore

from ..schema.errors import RunError
from .database import SCHEMA_VERSION, Database
from .leases import LEASES_TABLE
from .outputs import OutputStore
from .sqlite import GroupCommitSaver, SqliteLeases

BUSY_S = 30.0
"""Seconds that a write waits for others which write to the same file."""


@asynccontextmanager
async def opened_sqlite(path: Path, *, must_exist: bool = False) -> AsyncIterator[Database]:
    """Open a file of runs; it is made where it does not exist yet.

    Raises:
        RunError: it can't be opened, is no database of runs, or can't be written to later on.
    """
    try:
        await asyncio.to_thread(_prepare, path, must_exist)
        async with aiosqlite.connect(path, timeout=BUSY_S) as connection:
            saver = GroupCommitSaver(connection)
            await saver.setup()
            await asyncio.to_thread(_install, path)
            store = SqliteOutputs(path.with_name(f"{path.stem}.outputs{path.suffix}"))

            async def compact() -> None:
                await saver.compact()
                await store.compact()

            try:
                yield Database(saver, store, SqliteLeases(path), compact)
            finally:
                await saver.settle()
                await store.close()
    except sqlite3.Error as error:
        raise explained(error, path) from error


def explained(error: sqlite3.Error, path: Path) -> RunError:
    """Return what went wrong in words that say what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    known = {
        sqlite3.SQLITE_FULL: "has no space left on its disk: free some; what was saved before is kept",
        sqlite3.SQLITE_IOERR: "can't be read or written, its disk may be full: what was saved before is kept",
        sqlite3.SQLITE_READONLY: "is read-only: make the file and its folder writable, or give another one with --db",
        sqlite3.SQLITE_CANTOPEN: "can't be opened: make its folder writable, or give another one with --db",
        sqlite3.SQLITE_CORRUPT: "is damaged: restore a copy of it, or give another one with --db",
        sqlite3.SQLITE_NOTADB: "is no SQLite database, or its start is damaged: give another one with --db",
        sqlite3.SQLITE_BUSY: f"was kept busy by another program for {BUSY_S:.0f} s: end that one, or wait for it",
    }
    return RunError(f"the database {path} {known.get(code, 'can not be used: give another one with --db')} ({error})")


def _prepare(path: Path, must_exist: bool) -> None:
    """Look at a file without changing it; then make sure that it can be written to, and by several at once."""
    if path.is_dir():
        raise RunError(f"the database {path} is a folder: give the path of a file with --db")
    if path.exists():
        _check(path, "checkpoints", ("thread_id", "checkpoint_ns", "checkpoint_id"))
    elif must_exist:
        raise RunError(f"no database of runs at {path}: nothing was run here yet, or give --db PATH")
    else:
        _make_folder(path.parent)
    _refuse_read_only(path)
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        _share(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _refuse_read_only(path: Path) -> None:
    """Find out without SQLite, which would open the file all the same and leave a journal beside it."""
    as_who = os.access in os.supports_effective_ids
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK, effective_ids=as_who):
            raise RunError(f"the database {path} is read-only: make it and its folder writable, or give another --db")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"the folder {folder} can't be made for the database: {error.strerror}; give another --db"
        ) from error


def _share(connection: sqlite3.Connection) -> None:
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


def _check(path: Path, table: str, columns: Sequence[str]) -> None:
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


def _install(path: Path) -> None:
    """Add our own tables to LangGraph's."""
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'fanwise_schema'").fetchone():
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(LEASES_TABLE)
        connection.execute("CREATE TABLE IF NOT EXISTS fanwise_schema (version INTEGER NOT NULL)")
        connection.execute(
            "INSERT INTO fanwise_schema SELECT ? WHERE NOT EXISTS (SELECT 1 FROM fanwise_schema)", (SCHEMA_VERSION,)
        )
        connection.execute("COMMIT")


class SqliteOutputs(OutputStore):
    """Large outputs in a second file, so that the file of runs stays quick."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._connection: aiosqlite.Connection | None = None

    async def exists(self) -> bool:
        """Tell whether there is a file."""
        return await asyncio.to_thread(self._path.exists)

    async def open(self) -> AsyncBatchedBaseStore:
        """Open the file."""
        from langgraph.store.sqlite.aio import AsyncSqliteStore  # takes as long to import as all the rest

        try:
            await asyncio.to_thread(self._prepare)
            connection = await aiosqlite.connect(self._path, timeout=BUSY_S, isolation_level=None)
            try:
                store = AsyncSqliteStore(connection)
                await store.setup()
            except BaseException:
                await connection.close()
                raise
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
        self._connection = connection
        return store

    def _prepare(self) -> None:
        if self._path.exists():
            _check(self._path, "store", ("prefix", "key", "value"))
        _refuse_read_only(self._path)
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as connection:
            _share(connection)

    async def close(self) -> None:
        """Close the file."""
        await super().close()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def attempt(self, inner: AsyncBatchedBaseStore, ops: Sequence[Op]) -> list[Result]:
        """Do several things at once in the file."""
        try:
            return await inner.abatch(ops)
        except sqlite3.Error as error:
            if self._connection is not None:
                await self._connection.rollback()
            raise explained(error, self._path) from error

    async def delete_namespace(self, prefix: str) -> None:
        """Delete everything in a namespace and below it; the sign `/` comes right after the full stop."""
        assert self._connection is not None
        await self._connection.execute(
            "DELETE FROM store WHERE prefix = ? OR (prefix > ? AND prefix < ?)", (prefix, f"{prefix}.", f"{prefix}/")
        )

    async def compact(self) -> None:
        """Give the space of what was deleted back to the disk."""
        if self._connection is not None:
            await self._connection.execute("VACUUM")
            await self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
