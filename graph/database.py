"""What a database of runs is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from .history import History, MemoryHistory
from .leases import Leases

SCHEMA_VERSION = 1
"""Version of our own tables; a database with a larger one is refused."""


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Database:
    """An open database of runs."""

    saver: BaseCheckpointSaver[str]
    """Keeps the runs."""
    store: BaseStore
    """Keeps outputs that are too large for the runs' state."""
    leases: Leases
    """Who works on which run."""
    compact: Callable[[], Awaitable[None]] = _nothing
    """Gives the space of deleted runs back, where the database does not do so by itself."""
    history: History = field(default_factory=MemoryHistory)
    """What runs and attempts took; it outlives them."""


class Span(NamedTuple):
    """A thread's life in checkpoints, whose ids are ordered by time."""

    thread_id: str
    first: str
    """Id of the first checkpoint."""
    last: str
    """Id of the latest one."""


SPANS = "SELECT thread_id, min(checkpoint_id) AS first, max(checkpoint_id) AS last FROM checkpoints GROUP BY thread_id"


@runtime_checkable
class ListsThreads(Protocol):
    """A checkpointer that can tell its threads without reading all its checkpoints."""

    async def spans(self) -> Sequence[Span]:
        """Return all threads."""
