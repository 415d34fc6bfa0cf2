"""What a server of an earlier version left in its folder: taken over once, into the files that are used now.

It kept states and items of its store in pickles, which LangGraph's server reads when it starts.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.store.base import BaseStore, PutOp

from .saver import ServerSaver

log = logging.getLogger(__name__)


async def bring_states(saver: ServerSaver) -> None:
    """Take over the states of threads; nothing happens where there are none."""
    from langgraph_runtime_inmem.checkpoint import Checkpointer

    earlier = await asyncio.to_thread(Checkpointer)
    found = await asyncio.to_thread(lambda: list(earlier.list(None)))
    if not found:
        return
    for item in reversed(found):
        await _put(saver, item)
    await asyncio.to_thread(earlier.clear)
    earlier.blobs.clear()
    log.warning("took over %d checkpoints of an earlier version", len(found))


async def _put(saver: ServerSaver, item: CheckpointTuple) -> None:
    own = item.config["configurable"]
    before = (item.parent_config or {}).get("configurable", {}).get("checkpoint_id")
    place = {"thread_id": own["thread_id"], "checkpoint_ns": own.get("checkpoint_ns", "")}
    there: dict[str, Any] = {**place, **({"checkpoint_id": before} if before else {})}
    versions = item.checkpoint["channel_versions"]
    saved = await saver.aput({"configurable": there}, item.checkpoint, item.metadata, versions)
    by_task: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for task_id, channel, value in item.pending_writes or ():
        by_task[task_id].append((channel, value))
    for task_id, writes in by_task.items():
        await saver.aput_writes(saved, writes, task_id)


async def bring_items(store: BaseStore) -> None:
    """Take over the items of the store, large outputs among them."""
    from langgraph_runtime_inmem.store import STORE

    found = await STORE.asearch((), limit=1_000_000)
    if not found:
        return
    await store.abatch([PutOp(item.namespace, item.key, item.value, index=False) for item in found])
    await STORE.abatch([PutOp(item.namespace, item.key, None) for item in found])
    log.warning("took over %d items of an earlier version's store", len(found))
