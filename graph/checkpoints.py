"""Where runs are kept: checkpointers by address, and what they hold."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..schema.errors import RunError
from .sqlite import GroupCommitSaver


@asynccontextmanager
async def open_checkpointer(db: str, *, must_exist: bool = False) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Open the database at `db`, a file's path; it is made where it does not exist yet.

    Args:
        db: path of a SQLite file.
        must_exist: whether a missing file is an error.

    Raises:
        RunError: it can't be opened, or it is no database of runs.
    """
    path = _sqlite_path(db)
    if must_exist and not path.exists():
        raise RunError(f"no database of runs at {db}: nothing was run here yet, or give --db PATH")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        async with GroupCommitSaver.from_conn_string(str(path)) as saver:
            await saver.setup()
            yield saver
    except (sqlite3.DatabaseError, OSError) as error:
        raise RunError(f"the database {db} can't be used: {error}; give another one with --db PATH") from error


def _sqlite_path(db: str) -> Path:
    if "://" in db:
        scheme = db.split("://", 1)[0]
        raise RunError(f"--db {scheme}://...: this version keeps runs in SQLite files only; give a file's path")
    return Path(db).expanduser()


async def list_threads(saver: BaseCheckpointSaver[str], limit: int) -> list[tuple[str, str]]:
    """Return the threads in a database with the moment of their latest start, latest first."""
    found: dict[str, str] = {}
    async for item in saver.alist(None, filter={"source": "input"}):
        if item.config["configurable"].get("checkpoint_ns"):
            continue
        thread = str(item.config["configurable"]["thread_id"])
        found[thread] = max(found.get(thread, ""), str(item.checkpoint["ts"]))
    return sorted(found.items(), key=lambda pair: pair[1], reverse=True)[:limit]
