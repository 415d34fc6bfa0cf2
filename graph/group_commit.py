"""Checkpointers that commit what is saved at the same time in one transaction.

LangGraph's own commit each task's writes by themselves: many tasks that finish together wait in line for as many
transactions. Here whatever is there when a transaction begins goes into it (group commit, as databases do for their own
logs). A save is still over only when its transaction is.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

Row = tuple[Any, ...]
Save = tuple[str, list[Row], "asyncio.Future[None]"]
"""A statement, its rows, and the future of whoever waits for them to be saved."""


class GroupCommit(BaseCheckpointSaver[str]):
    """Group commit for the writes of tasks; stands before one of LangGraph's checkpointers."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: list[Save] = []
        self._writer: asyncio.Task[None] | None = None

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Save a task's writes; returns when they are in the database."""
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.statement(writes), self.rows(config, writes, task_id, task_path), saved))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_waiting())
        await saved

    async def settle(self, patience_s: float = 5.0) -> None:
        """Let a transaction that is under way end, before the database is closed; one that hangs is cancelled."""
        if (writer := self._writer) is not None:
            await asyncio.wait([writer], timeout=patience_s)
            writer.cancel()
            await asyncio.wait([writer], timeout=patience_s)

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                error = await self._outcome(group)
                for _, _, saved in group:
                    if not saved.done():
                        saved.set_result(None) if error is None else saved.set_exception(error)
        finally:
            self._writer = None

    async def _outcome(self, group: Sequence[Save]) -> Exception | None:
        try:
            await self.write(group)
        except Exception as error:
            return error
        return None

    @abstractmethod
    def statement(self, writes: Sequence[tuple[str, Any]]) -> str:
        """Return how writes are kept: special ones (errors, interrupts, answers) anew, a task's own for good."""

    @abstractmethod
    def rows(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> list[Row]:
        """Return writes as rows of the table."""

    @abstractmethod
    async def write(self, group: Sequence[Save]) -> None:
        """Write a group in one transaction, in order."""


def by_statement(group: Sequence[Save]) -> Iterator[tuple[str, list[Row]]]:
    """Return the rows of a group in order, those of one statement that follow each other together."""
    for statement, saves in groupby(group, key=lambda save: save[0]):
        yield statement, [row for _, rows, _ in saves for row in rows]
