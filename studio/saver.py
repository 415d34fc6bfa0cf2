"""The checkpointer of `fanwise serve`: what LangGraph's server asks of one, on SQLite with group commit."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pydantic_core
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.store.base import BaseStore

from ..graph.outputs import forget_outputs
from ..graph.sqlite import GroupCommitSaver
from ..nodes.outputs import outputs_namespace

_RUN = "json_extract(CAST(metadata AS TEXT), '$.run_id')"
_INDEX = f"CREATE INDEX IF NOT EXISTS fanwise_checkpoints_by_run ON checkpoints ({_RUN})"
_PLACE = "(thread_id, checkpoint_ns, checkpoint_id)"
_COPIED = (
    "INSERT OR REPLACE INTO checkpoints SELECT :to, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, "
    "checkpoint, CAST(json_set(CAST(metadata AS TEXT), '$.thread_id', :to) AS BLOB) "
    "FROM checkpoints WHERE thread_id = :source",
    "INSERT OR REPLACE INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, "
    "value) SELECT :to, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value "
    "FROM writes WHERE thread_id = :source",
)


class ServerSaver(GroupCommitSaver):
    """Group commit, and the calls by which a server deletes, copies and rolls back."""

    outputs: BaseStore | None = None
    """Where the large outputs of threads are: they are deleted and copied with them."""

    async def setup(self) -> None:
        """Make the tables, and an index by which the checkpoints of a run are found."""
        is_new = not self.is_setup
        await super().setup()
        if is_new:
            await self._execute((_INDEX,), {})

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint; the server names some by an UUID, others by its text."""
        return await super().aget_tuple(_as_text(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, latest first, without holding the connection for as long as the reader takes."""
        asked = super().alist(
            _as_text(config) if config else None,
            filter=filter,
            before=_as_text(before) if before else None,
            limit=limit,
        )
        for item in [item async for item in asked]:
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint with the metadata that the server gives it, and nothing else of the request.

        What JSON can't hold of it is kept as text.
        """
        plain = pydantic_core.from_json(pydantic_core.to_json(metadata, fallback=str))
        own = _as_text(config)["configurable"]
        place = {
            name: own[name] for name in ("thread_id", "checkpoint_ns", "checkpoint_id") if own.get(name) is not None
        }
        return await super().aput({"configurable": place}, checkpoint, plain, new_versions)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread with its large outputs."""
        await super().adelete_thread(thread_id)
        if self.outputs is not None:
            await forget_outputs(self.outputs, thread_id)

    async def adelete_for_runs(self, run_ids: Iterable[str]) -> None:
        """Delete what runs have written, as when they are rolled back."""
        for run_id in run_ids:
            found = f"SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints WHERE {_RUN} = :run"
            statements = (
                f"DELETE FROM writes WHERE {_PLACE} IN ({found})",
                f"DELETE FROM checkpoints WHERE {_RUN} = :run",
            )
            await self._execute(statements, {"run": str(run_id)})

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with its history and its large outputs."""
        await self._execute(_COPIED, {"source": source_thread_id, "to": target_thread_id})
        if self.outputs is not None:
            source, target = outputs_namespace(source_thread_id), outputs_namespace(target_thread_id)
            for item in await self.outputs.asearch(source, limit=1_000_000):
                await self.outputs.aput(target, item.key, item.value, index=False)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete threads; their history alone is kept whole, as forks and edits go back to it.

        Raises:
            NotImplementedError: the history is to be shortened.
        """
        if strategy not in ("delete", "delete_all"):
            raise NotImplementedError(f"threads can be deleted; {strategy!r} is not there")
        for thread_id in thread_ids:
            await self.adelete_thread(str(thread_id))

    async def _execute(self, statements: Iterable[str], values: dict[str, str]) -> None:
        """Run statements in one transaction."""
        await super().setup()
        async with self.lock:
            try:
                for statement in statements:
                    await self.conn.execute(statement, values)
                await self.conn.commit()
            except sqlite3.Error:
                await self.conn.rollback()
                raise


def _as_text(config: RunnableConfig) -> RunnableConfig:
    own = config.get("configurable", {})
    texts = {name: str(own[name]) for name in ("thread_id", "checkpoint_id") if own.get(name)}
    return {**config, "configurable": {**own, **texts}}
