"""What `fanwise serve` keeps on the disk: states and large outputs at once, where LangGraph's server would keep them in
memory until it ends in peace.

The server itself keeps its lists of threads and runs in memory, and writes them every ten seconds. A thread that a
crash took from the list is put back, by what was saved of it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore

from ..graph.sqlite_file import opened_sqlite
from ..graph.sqlite_outputs import SqliteOutputs
from ..schema.errors import RunError
from .earlier import bring_items, bring_states
from .listed import flush_in_peace, put_back
from .saver import ServerSaver

DATA = "FANWISE_DATA"
"""Variable of the environment with the folder of a server's data; `fanwise serve` sets it."""

CONFIG: dict[str, Any] = {
    "checkpointer": {"path": f"{__name__}.checkpointer"},
    "store": {"path": f"{__name__}.store"},
}
"""What the server's configuration says of it."""


def states_path(data: Path) -> Path:
    """Return the file of a server's states; `fanwise show --db` and the others read it too."""
    return data / "threads.db"


def outputs_path(data: Path) -> Path:
    """Return the file of a server's store, large outputs among it."""
    path = states_path(data)
    return path.with_name(f"{path.stem}.outputs{path.suffix}")


@asynccontextmanager
async def checkpointer() -> AsyncIterator[ServerSaver]:
    """Open the server's states; once for each event loop."""
    async with opened_sqlite(states_path(_data()), kind=ServerSaver) as database:
        saver = database.saver
        assert isinstance(saver, ServerSaver)
        saver.outputs = database.store
        await bring_states(saver)
        await put_back(saver)
        flush_in_peace()
        yield saver


@asynccontextmanager
async def store() -> AsyncIterator[BaseStore]:
    """Open the server's store; once for each event loop."""
    kept = SqliteOutputs(outputs_path(_data()))
    try:
        await bring_items(kept)
        yield kept
    finally:
        await kept.close()


async def check(data: Path) -> None:
    """Find out whether a server can keep its states in a folder.

    Raises:
        RunError: it can't; the message says why.
    """
    try:
        async with opened_sqlite(states_path(data), kind=ServerSaver):
            pass
    except RunError as error:
        raise RunError(str(error).replace("--db", "--data")) from error


def _data() -> Path:
    return Path(os.environ[DATA])
