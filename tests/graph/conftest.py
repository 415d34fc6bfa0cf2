"""Graphs over every kind of checkpointer, and a saver that notices when what it saved is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fanwise.graph.checkpoints import open_checkpointer


class ImmutableSaver(InMemorySaver):
    """An in-memory saver that fails when a checkpoint is not what it was when it was saved."""

    def __init__(self) -> None:
        super().__init__()
        self._given: list[tuple[Any, tuple[str, bytes]]] = []

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Keep what was given, to compare it later."""
        self._given.extend((value, self.serde.dumps_typed(value)) for _, value in writes)
        await super().aput_writes(config, writes, task_id, task_path)

    def assert_unchanged(self) -> None:
        """Fail if a value that was saved has been changed since."""
        for value, saved in self._given:
            assert self.serde.dumps_typed(value) == saved


OpenSaver = Callable[[], Any]


@pytest.fixture(params=["memory", "immutable", "sqlite", "fanwise"])
def open_saver(request: pytest.FixtureRequest, tmp_path: Path) -> OpenSaver:
    """How to open a checkpointer of each kind, as an async context manager."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[BaseCheckpointSaver[Any]]:
        if request.param == "sqlite":
            async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
                yield saver
        elif request.param == "fanwise":
            async with open_checkpointer(str(tmp_path / "runs.db")) as saver:
                yield saver
        elif request.param == "immutable":
            immutable = ImmutableSaver()
            yield immutable
            immutable.assert_unchanged()
        else:
            yield InMemorySaver()

    return opened


@pytest.fixture
def go() -> Callable[[Coroutine[Any, Any, Any] | Awaitable[Any]], Any]:
    """Run a coroutine to its end."""

    def run(work: Any) -> Any:
        return asyncio.run(work)

    return run
