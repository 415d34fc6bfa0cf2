"""Runs in PostgreSQL: LangGraph's own checkpointer and store, with group commit, and patience when the server is away.

What is saved is written so that doing it twice is the same as once; so a write whose connection broke is simply done
again.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.base import Op, Result
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

from .database import SPANS, Span
from .group_commit import GroupCommit, Row, Save, by_statement
from .lease_table import SqlLeases
from .outputs import OutputStore

PATIENCE_S = 60.0
"""Seconds that a server may be away. A lease lives as long, so that nobody else goes on with the run meanwhile."""

Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]
Made = TypeVar("Made")

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # each failed attempt would be printed otherwise


def is_away(error: BaseException) -> bool:
    """Tell whether an error is of the connection or the moment, so that the same may work later."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    lasting = ("53100", "53200", "57014", "28", "3D")  # disk full, out of memory, cancelled, refused, no such database
    return not (error.sqlstate or "").startswith(lasting)


class Patience:
    """Does things again while the server is away."""

    def __init__(self, seconds: float = PATIENCE_S) -> None:
        self.seconds = seconds

    async def __call__(self, work: Callable[..., Awaitable[Made]], *args: Any, **options: Any) -> Made:
        """Do something, again and again while the server is away; the last error is raised."""
        again = AsyncRetrying(
            retry=retry_if_exception(is_away),
            stop=stop_after_delay(self.seconds),
            wait=wait_random_exponential(multiplier=0.1, max=3),
            reraise=True,
        )
        return await again(work, *args, **options)


class PostgresSaver(GroupCommit, AsyncPostgresSaver):
    """LangGraph's `AsyncPostgresSaver`, with group commit for the writes of tasks, that waits for a lost server."""

    def __init__(self, pool: Pool, patience: Patience) -> None:
        super().__init__(pool)
        self._patience = patience

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint."""
        return await self._patience(super().aput, config, checkpoint, metadata, new_versions)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return await self._patience(super().aget_tuple, config)

    async def alist(self, config: RunnableConfig | None, **options: Any) -> AsyncIterator[CheckpointTuple]:
        """Return checkpoints; all are read before the first is given, so that none comes twice."""
        listed = super().alist

        async def read() -> list[CheckpointTuple]:
            return [item async for item in listed(config, **options)]

        for item in await self._patience(read):
            yield item

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        await self._patience(super().adelete_thread, thread_id)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what was written to channels that keep their changes."""
        return await self._patience(super().aget_delta_channel_history, config=config, channels=channels)

    def statement(self, writes: Sequence[tuple[str, Any]]) -> str:
        """Return how writes are kept."""
        special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        return self.UPSERT_CHECKPOINT_WRITES_SQL if special else self.INSERT_CHECKPOINT_WRITES_SQL

    def rows(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> list[Row]:
        """Return writes as rows of the table."""
        own = config["configurable"]
        place = (own["thread_id"], own["checkpoint_ns"], own["checkpoint_id"])
        return self._dump_writes(*place, task_id, task_path, writes)

    async def write(self, group: Sequence[Save]) -> None:
        """Write a group in one transaction, in order."""
        await self._patience(self._write_once, group)

    async def _write_once(self, group: Sequence[Save]) -> None:
        async with self._cursor(pipeline=True) as cursor:  # one transaction, in one round trip
            for statement, rows in by_statement(group):
                await cursor.executemany(statement, rows)

    async def spans(self) -> Sequence[Span]:
        """Return all threads."""
        return await self._patience(self._spans)

    async def _spans(self) -> Sequence[Span]:
        async with self._cursor() as cursor:
            await cursor.execute(SPANS)
            return [Span(row["thread_id"], row["first"], row["last"]) for row in await cursor.fetchall()]


class PostgresOutputs(OutputStore):
    """Large outputs in the same database."""

    def __init__(self, pool: Pool, patience: Patience, explained: Callable[[psycopg.Error], Exception]) -> None:
        super().__init__()
        self._pool = pool
        self._patience = patience
        self._explained = explained

    async def exists(self) -> bool:
        """Tell that there is always a table."""
        return True

    async def open(self) -> AsyncBatchedBaseStore:
        """Return the store; its table was made with all others."""
        return AsyncPostgresStore(self._pool)

    async def attempt(self, inner: AsyncBatchedBaseStore, ops: Sequence[Op]) -> list[Result]:
        """Do several things at once in the table."""
        try:
            return await self._patience(inner.abatch, ops)
        except psycopg.Error as error:
            raise self._explained(error) from error

    async def delete_namespace(self, prefix: str) -> None:
        """Delete everything in a namespace."""
        await self._patience(self._delete, prefix)

    async def _delete(self, prefix: str) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM store WHERE prefix = %s OR starts_with(prefix, %s)", (prefix, f"{prefix}.")
            )


class PostgresLeases(SqlLeases):
    """Leases in PostgreSQL, by its clock, on a connection of their own."""

    errors = (psycopg.Error,)
    now = "extract(epoch FROM clock_timestamp())::double precision"

    def __init__(self, conninfo: str) -> None:
        super().__init__(stale_s=PATIENCE_S)
        self._conninfo = conninfo
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._lock = threading.Lock()

    def execute(self, statement: str, values: Mapping[str, Any]) -> tuple[int, Sequence[tuple[Any, ...]]]:
        """Run a statement; on a new connection if the last one is gone."""
        with self._lock:
            known = self._connection is not None
            try:
                return self._execute(statement, values)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._drop()
                if not known:
                    raise
            return self._execute(statement, values)

    def close(self) -> None:
        """Close the connection, unless a request hangs on it."""
        if self._lock.acquire(timeout=1):
            self._drop()
            self._lock.release()

    def _execute(self, statement: str, values: Mapping[str, Any]) -> tuple[int, Sequence[tuple[Any, ...]]]:
        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True)
            self._connection.execute("SET statement_timeout = '5s'")
        places = re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement)
        cursor = self._connection.execute(places, values)
        return cursor.rowcount, cursor.fetchall() if cursor.description else []

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
