"""A SQLite checkpointer with group commit, and leases in the same file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from .database import SPANS, Span
from .group_commit import GroupCommit, Row, Save, by_statement
from .lease_table import SqlLeases

_COLUMNS = "thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value"
_PLACES = ", ".join("?" * len(_COLUMNS.split(", ")))


class GroupCommitSaver(GroupCommit, AsyncSqliteSaver):
    """LangGraph's `AsyncSqliteSaver`, with group commit for the writes of tasks."""

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint; one that fails, as on a full disk, leaves no transaction open."""
        try:
            return await super().aput(config, checkpoint, metadata, new_versions)
        except sqlite3.Error:
            async with self.lock:
                await self.conn.rollback()
            raise

    def statement(self, writes: Sequence[tuple[str, Any]]) -> str:
        """Return how writes are kept."""
        kept = "REPLACE" if all(channel in WRITES_IDX_MAP for channel, _ in writes) else "IGNORE"
        return f"INSERT OR {kept} INTO writes ({_COLUMNS}) VALUES ({_PLACES})"

    def rows(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> list[Row]:
        """Return writes as rows of the table."""
        own = config["configurable"]
        place = (str(own["thread_id"]), str(own["checkpoint_ns"]), str(own["checkpoint_id"]), task_id, task_path)
        return [
            (*place, WRITES_IDX_MAP.get(channel, index), channel, *self.serde.dumps_typed(value))
            for index, (channel, value) in enumerate(writes)
        ]

    async def write(self, group: Sequence[Save]) -> None:
        """Write a group in one transaction, in order."""
        await self.setup()
        async with self.lock:
            try:
                for statement, rows in by_statement(group):
                    async with self.conn.executemany(statement, rows):
                        pass
                await self.conn.commit()
            except BaseException:
                await self.conn.rollback()
                raise

    async def spans(self) -> Sequence[Span]:
        """Return all threads; read from the table's index alone."""
        await self.setup()
        async with self.lock, self.conn.execute(SPANS) as found:
            return [Span(*row) for row in await found.fetchall()]

    async def compact(self) -> None:
        """Give the space of what was deleted back to the disk, unless another process is at work in the file."""
        async with self.lock:
            try:
                await self.conn.execute("VACUUM")
                await self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise


class SqliteLeases(SqlLeases):
    """Leases in a SQLite file, each change on a connection of its own."""

    errors = (sqlite3.Error,)
    now = ":now"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._address = f"file:{quote(str(path.absolute()))}?mode=rw"  # a file that was deleted is not made anew

    def execute(self, statement: str, values: Mapping[str, Any]) -> tuple[int, Sequence[tuple[Any, ...]]]:
        """Run a statement; where the file is being written to it waits, but less long than a lease lives."""
        timeout = self.stale_s / 4
        with closing(sqlite3.connect(self._address, uri=True, timeout=timeout, isolation_level=None)) as connection:
            cursor = connection.execute(statement, {**values, "now": time.time()})
            found = cursor.fetchall()
            return cursor.rowcount, found
