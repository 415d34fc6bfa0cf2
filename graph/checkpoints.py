"""Where runs are kept: databases by address, and what they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from ..nodes.outputs import outputs_namespace
from ..schema.errors import RunError
from ..schema.words import install
from .database import Database, ListsThreads, Span
from .lease_table import MemoryLeases
from .leases import HeldError
from .outputs import forget_outputs
from .sqlite_file import opened_sqlite

__all__ = [
    "Database",
    "list_threads",
    "open_checkpointer",
    "open_database",
    "outputs_namespace",
    "prune",
    "without_password",
]


def open_database(db: str, *, must_exist: bool = False) -> AbstractAsyncContextManager[Database]:
    """Open the database at `db`; it is made where it does not exist yet.

    Args:
        db: path of a SQLite file, `postgresql://USER:PASSWORD@HOST:PORT/NAME`, or `memory`.
        must_exist: whether a missing one is an error.

    Raises:
        RunError: it can't be opened, or it is no database of runs; or, later on, it can't be used any longer.
    """
    if db in ("memory", ":memory:"):
        return _in_memory()
    scheme, _, rest = db.partition("://")
    if scheme in ("postgresql", "postgres") and rest:
        return _postgres(db, must_exist)
    if rest and scheme != "sqlite":
        raise RunError(
            f"--db {scheme}://...: runs are kept in a SQLite file (a path), in postgresql://..., or in memory"
        )
    path = rest.removeprefix("/") if rest else db
    return opened_sqlite(Path(path).expanduser(), must_exist=must_exist)


def without_password(db: str) -> str:
    """Return an address that may be shown: without a password, which libpq finds in PGPASSWORD or ~/.pgpass as well."""
    scheme, mark, rest = db.partition("://")
    if not mark or ("@" not in rest and "password" not in rest):
        return db
    before, _, place = rest.rpartition("@")
    user = before.partition(":")[0]
    place, _, query = place.partition("?")
    kept = "&".join(part for part in query.split("&") if part and "password" not in part)
    return f"{scheme}://{user}{'@' if user else ''}{place}{'?' if kept else ''}{kept}"


@asynccontextmanager
async def open_checkpointer(db: str, *, must_exist: bool = False) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Open the database at `db` for its checkpointer alone; takes and raises the same as `open_database`."""
    async with open_database(db, must_exist=must_exist) as database:
        yield database.saver


@asynccontextmanager
async def _in_memory() -> AsyncIterator[Database]:
    from langgraph.store.memory import InMemoryStore

    yield Database(InMemorySaver(), InMemoryStore(), MemoryLeases())


def _postgres(url: str, must_exist: bool) -> AbstractAsyncContextManager[Database]:
    try:
        from .postgres_server import opened_postgres
    except ImportError as error:
        raise RunError(f"--db postgresql://... needs more packages: {install('postgres')} ({error})") from error
    return opened_postgres(url, must_exist=must_exist)


async def list_threads(saver: BaseCheckpointSaver[str], limit: int) -> list[tuple[str, str]]:
    """Return the threads in a database with the moment of their start, latest first."""
    spans = sorted(await _spans(saver), key=lambda span: span.first, reverse=True)[:limit]
    return [(span.thread_id, _moment(span.first).isoformat()) for span in spans]


async def prune(database: Database, older_than: timedelta, *, statuses: Collection[str] | None = None) -> list[str]:
    """Delete the runs whose latest checkpoint is older, with all that belongs to them; return their threads.

    A run that a process works on is left alone.

    Args:
        database: where.
        older_than: how long a run must have lain still.
        statuses: only runs that ended so; `interrupted` and `paused` are those that did not end.
    """
    oldest = datetime.now(UTC) - older_than
    pruned = []
    for span in await _spans(database.saver):
        if _moment(span.last) < oldest and await _has_status(database.saver, span.thread_id, statuses):
            pruned += [span.thread_id] if await _deleted(database, span.thread_id) else []
    if pruned:
        await database.compact()
    return pruned


async def _deleted(database: Database, thread_id: str) -> bool:
    """Delete a run while it is ours, so that nobody resumes it meanwhile; tell whether it could be done."""
    try:
        async with database.leases.hold(thread_id):
            await forget_outputs(database.store, thread_id)
            await database.saver.adelete_thread(thread_id)
    except HeldError:
        return False
    return True


async def _has_status(saver: BaseCheckpointSaver[str], thread_id: str, statuses: Collection[str] | None) -> bool:
    if statuses is None:
        return True
    found = await saver.aget_tuple({"configurable": {"thread_id": thread_id}})
    values = found.checkpoint["channel_values"] if found is not None else {}
    asks = found is not None and any(channel == "__interrupt__" for _, channel, _ in found.pending_writes or ())
    unfinished = "paused" if asks else "interrupted"
    return (values["status"] if values.get("summary") else unfinished) in statuses


async def _spans(saver: BaseCheckpointSaver[str]) -> Sequence[Span]:
    """Return all threads; of a checkpointer that can't tell them, all checkpoints are read."""
    if isinstance(saver, ListsThreads):
        return await saver.spans()
    ids: dict[str, list[str]] = {}
    async for item in saver.alist(None):
        own = item.config["configurable"]
        ids.setdefault(str(own["thread_id"]), []).append(str(own["checkpoint_id"]))
    return [Span(thread_id, min(found), max(found)) for thread_id, found in ids.items()]


_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)


def _moment(checkpoint_id: str) -> datetime:
    """Return when a checkpoint was made, which its id says (RFC 9562, version 6); else a moment that is not over."""
    try:
        number = UUID(checkpoint_id)
    except ValueError:
        return datetime.now(UTC)
    if number.version != 6:
        return datetime.now(UTC)
    ticks = (number.int >> 80 << 12) | (number.int >> 64 & 0xFFF)
    return _GREGORIAN + timedelta(microseconds=ticks // 10)
