"""Opening a SQLite file of runs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiosqlite

from ..schema.errors import RunError
from .database import SCHEMA_VERSION, Database
from .history_sqlite import SqliteHistory, history_path
from .lease_table import LEASES_TABLE
from .sqlite import GroupCommitSaver, SqliteLeases
from .sqlite_checks import BUSY_S, check_file, explained, refuse_read_only, share_file
from .sqlite_outputs import SqliteOutputs


@asynccontextmanager
async def opened_sqlite(
    path: Path, *, must_exist: bool = False, kind: type[GroupCommitSaver] = GroupCommitSaver
) -> AsyncIterator[Database]:
    """Open a file of runs; it is made where it does not exist yet.

    Args:
        path: where it is.
        must_exist: whether a missing one is an error.
        kind: the class of its checkpointer.

    Raises:
        RunError: it can't be opened, is no database of runs, or can't be written to later on.
    """
    try:
        await asyncio.to_thread(_prepare, path, must_exist)
        async with aiosqlite.connect(path, timeout=BUSY_S) as connection:
            saver = kind(connection)
            await saver.setup()
            await asyncio.to_thread(_install, path)
            store = SqliteOutputs(path.with_name(f"{path.stem}.outputs{path.suffix}"))

            async def compact() -> None:
                await saver.compact()
                await store.compact()

            try:
                yield Database(saver, store, SqliteLeases(path), compact, SqliteHistory(history_path(path)))
            finally:
                await saver.settle()
                await store.close()
    except sqlite3.Error as error:
        raise explained(error, path) from error


def _prepare(path: Path, must_exist: bool) -> None:
    """Look at a file without changing it; then make sure that it can be written to, and by several at once."""
    if path.is_dir():
        raise RunError(f"the database {path} is a folder: give the path of a file with --db")
    if path.exists():
        check_file(path, "checkpoints", ("thread_id", "checkpoint_ns", "checkpoint_id"))
    elif must_exist:
        raise RunError(f"no database of runs at {path}: nothing was run here yet, or give --db PATH")
    else:
        _make_folder(path.parent)
    refuse_read_only(path)
    with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        share_file(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"the folder {folder} can't be made for the database: {error.strerror}; give another --db"
        ) from error


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
