"""The list of threads that LangGraph's server keeps in memory: put right after a crash, and written again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from .saver import ServerSaver

log = logging.getLogger(__name__)

TOLD = ("graph_id", "assistant_id", "owner")
"""What the list says of a thread; its owner, so that nobody else is shown it."""


async def put_back(saver: ServerSaver) -> None:
    """List threads again that were saved and are not listed: a crash came before the server wrote its list."""
    threads = _listed()
    if threads is None:
        return
    known = {str(thread["thread_id"]) for thread in threads}
    for span in await saver.spans():
        if span.thread_id not in known and (entry := await _entry(saver, span.thread_id)) is not None:
            threads.append(entry)


async def _entry(saver: ServerSaver, thread_id: str) -> dict[str, Any] | None:
    """Return what the list says of a thread; `None` for a run of the command's, whose name the server can't take."""
    try:
        own_id = UUID(thread_id)
    except ValueError:
        return None
    found = await saver.aget_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}})
    if found is None:
        return None
    noted: Mapping[str, Any] = found.metadata
    values, at = found.checkpoint["channel_values"], datetime.fromisoformat(found.checkpoint["ts"])
    is_over = bool(values.get("summary")) and noted.get("source") != "input"
    return {
        "thread_id": own_id,
        "created_at": at,
        "updated_at": at,
        "state_updated_at": at,
        "metadata": {name: noted[name] for name in TOLD if name in noted},
        "status": "idle" if is_over else "interrupted",
        "config": {},
        "values": None,
    }


def flush_in_peace() -> None:
    """Let the server write its list while it changes: the error of one time would end the writing for good."""
    from langgraph_runtime_inmem.database import GLOBAL_STORE

    GLOBAL_STORE.sync = _patient(type(GLOBAL_STORE).sync, GLOBAL_STORE)


def _patient(write: Callable[[Any], None], kept: Any, tries: int = 5) -> Callable[[], None]:
    def written() -> None:
        for _ in range(tries):
            try:
                write(kept)
                return
            except (RuntimeError, OSError) as error:  # a dictionary changed while it was written, or the disk is full
                log.debug("the server's list of threads was not written", exc_info=error)
        log.warning("the server's list of threads could not be written, and is tried again in 10 s")

    return written


def _listed() -> list[dict[str, Any]] | None:
    """Return the server's own list; `None` in another server than the one that keeps it in memory."""
    try:
        from langgraph_runtime_inmem.database import GLOBAL_STORE
    except ImportError:
        return None
    threads: list[dict[str, Any]] = GLOBAL_STORE["threads"]
    return threads
