"""Large outputs in a SQLite file of their own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import aiosqlite
from langgraph.store.base import Op, Result
from langgraph.store.base.batch import AsyncBatchedBaseStore

from .outputs import OutputStore
from .sqlite_checks import BUSY_S, check_file, explained, refuse_read_only, share_file


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
            check_file(self._path, "store", ("prefix", "key", "value"))
        refuse_read_only(self._path)
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as connection:
            share_file(connection)

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
