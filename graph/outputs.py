"""The store for large outputs: opened at its first use, so that a run without large outputs makes no file."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from langgraph.store.base import BaseStore, GetOp, Op, PutOp, Result
from langgraph.store.base.batch import AsyncBatchedBaseStore

from ..nodes.outputs import outputs_namespace


class OutputStore(BaseStore):
    """A store that opens another one when it is first needed, and whose errors are `RunError`s."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inner: AsyncBatchedBaseStore | None = None
        self._opening = asyncio.Lock()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several things at once; what reads a store that does not exist yet finds nothing."""
        wanted = list(ops)
        writes = any(isinstance(op, PutOp) and op.value is not None for op in wanted)
        inner = await self._ready(create=writes)
        if inner is None:
            return [None if isinstance(op, GetOp | PutOp) else [] for op in wanted]
        return await self.attempt(inner, wanted)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several things at once, from another thread than the event loop's."""
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                raise asyncio.InvalidStateError(
                    "inside the event loop use the store's async methods: aget, aput, asearch"
                )
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()

    async def forget(self, thread_id: str) -> None:
        """Delete all outputs of a run."""
        if await self._ready(create=False) is not None:
            await self.delete_namespace(".".join(outputs_namespace(thread_id)))

    async def close(self) -> None:
        """Stop what runs in the background."""
        if self._inner is not None and self._inner._task is not None:
            self._inner._task.cancel()
            await asyncio.wait([self._inner._task])
        self._inner = None

    async def _ready(self, *, create: bool) -> AsyncBatchedBaseStore | None:
        async with self._opening:
            if self._inner is None and (create or await self.exists()):
                self._inner = await self.open()
            return self._inner

    @abstractmethod
    async def exists(self) -> bool:
        """Tell whether there is anything to be read."""

    @abstractmethod
    async def open(self) -> AsyncBatchedBaseStore:
        """Open the store; make it where it does not exist."""

    @abstractmethod
    async def attempt(self, inner: AsyncBatchedBaseStore, ops: Sequence[Op]) -> list[Result]:
        """Do several things at once in the open store."""

    @abstractmethod
    async def delete_namespace(self, prefix: str) -> None:
        """Delete everything in a namespace, written with full stops."""


async def forget_outputs(store: BaseStore, thread_id: str) -> None:
    """Delete all large outputs of a run."""
    if isinstance(store, OutputStore):
        await store.forget(thread_id)
        return
    namespace: Any = outputs_namespace(thread_id)
    while found := await store.asearch(namespace, limit=100):
        for item in found:
            await store.adelete(item.namespace, item.key)
