"""A SQLite checkpointer that commits what is saved at the same time in one transaction.

LangGraph's own commits each task's writes by itself: many tasks that finish together wait in line for as many
transactions. Here whatever is there when a transaction begins goes into it (group commit, as databases do for their own
logs). A save is still over only when its transaction is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

_COLUMNS = "thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value"
_PLACES = ", ".join("?" * len(_COLUMNS.split(", ")))

Row = tuple[Any, ...]
Save = tuple[str, list[Row], "asyncio.Future[None]"]
"""A statement, its rows, and the future of whoever waits for them to be saved."""


class GroupCommitSaver(AsyncSqliteSaver):
    """LangGraph's `AsyncSqliteSaver`, with group commit for the writes of tasks."""

    def __init__(self, conn: aiosqlite.Connection, **options: Any) -> None:
        super().__init__(conn, **options)
        self._waiting: list[Save] = []
        self._writer: asyncio.Task[None] | None = None

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save a task's writes; returns when they are in the file."""
        await self.setup()
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((_statement(writes), self._rows(config, writes, task_id, task_path), saved))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_waiting())
        await saved

    def _rows(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> list[Row]:
        own = config["configurable"]
        place = (str(own["thread_id"]), str(own["checkpoint_ns"]), str(own["checkpoint_id"]), task_id, task_path)
        return [
            (*place, WRITES_IDX_MAP.get(channel, index), channel, *self.serde.dumps_typed(value))
            for index, (channel, value) in enumerate(writes)
        ]

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                error = await self._write(group)
                for _, _, saved in group:
                    if not saved.done():
                        saved.set_result(None) if error is None else saved.set_exception(error)
        finally:
            self._writer = None

    async def _write(self, group: Sequence[Save]) -> Exception | None:
        """Write a group in one transaction, in order; return what went wrong."""
        async with self.lock:
            try:
                for statement, saves in groupby(group, key=lambda save: save[0]):
                    async with self.conn.executemany(statement, [row for _, rows, _ in saves for row in rows]):
                        pass
                await self.conn.commit()
            except Exception as error:
                await self.conn.rollback()
                return error
        return None


def _statement(writes: Sequence[tuple[str, Any]]) -> str:
    """Return how writes are kept: special ones (errors, interrupts, answers) anew, a task's own for good."""
    kept = "REPLACE" if all(channel in WRITES_IDX_MAP for channel, _ in writes) else "IGNORE"
    return f"INSERT OR {kept} INTO writes ({_COLUMNS}) VALUES ({_PLACES})"
