"""Vectors beside memories, for stores that have no index of their own.

A SQLite store's index needs a Python that loads extensions, PostgreSQL's needs pgvector. So each memory's vector is
kept as an item of its own, in a namespace beside the memories', with the model's name and a digest of the text: one of
another model, or of an older text, is made anew when memories are next recalled. All are compared, one after another.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from operator import mul
from typing import TYPE_CHECKING, Any

from ...models.embeddings import EmbeddingError
from .embedder import CUTS, Embedder, Vector

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

AT_ONCE = 500
"""Vectors that are read from the store at once."""

BATCH = 256
"""Texts in one request to the model."""

BATCH_CHARS = 200_000
"""Characters of them; servers limit the tokens of a request."""


class Vectors:
    """The vectors of one namespace's memories."""

    def __init__(
        self, store: BaseStore, place: tuple[str, ...], texts_place: tuple[str, ...], embedder: Embedder
    ) -> None:
        self._store = store
        self._place = place
        self._texts_place = texts_place
        self._embedder = embedder

    async def add(self, key: str, text: str) -> None:
        """Keep the vector of a memory that was saved; without one it is kept all the same, with a warning."""
        from ..usage import report_warning

        kept = await self._store.aget(self._place, key)
        if kept is not None and self._is_of(kept.value, text):
            return
        try:
            await self._made({key: text})
        except EmbeddingError as error:
            report_warning(f"a memory is kept without a vector, which the next recall makes: {error}")

    async def nearness(self, query: str, texts: Mapping[str, str]) -> dict[str, float]:
        """Return how near memories are to a query, by key: cosines, 1 at most.

        What has no vector of this model yet gets one. What can't be embedded is left out, with a warning.

        Args:
            query: what is looked for.
            texts: the memories' texts, by key.
        """
        from ..usage import report_warning

        try:
            wanted = await self._embedder.query(query)
        except EmbeddingError as error:
            report_warning(f"memories were ranked by their words alone: {error}")
            return {}
        near = await self._kept(wanted, texts)
        try:
            for batch in batches({key: text for key, text in texts.items() if key not in near}):
                near.update(_near(wanted, await self._made(batch)))
        except EmbeddingError as error:
            report_warning(f"memories without a vector were ranked by their words: {error}")
        return near

    async def _kept(self, wanted: Vector, texts: Mapping[str, str]) -> dict[str, float]:
        """Return how near the memories are whose vectors are there."""
        from langgraph.store.base import GetOp

        from ..call import in_thread

        near: dict[str, float] = {}
        keys = list(texts)
        for start in range(0, len(keys), AT_ONCE):
            page = keys[start : start + AT_ONCE]
            items: Sequence[Any] = await self._store.abatch([GetOp(self._place, key) for key in page])
            values = {item.key: item.value for item in items if item is not None}
            near.update(await in_thread(partial(self._near_of, wanted, values, texts), name="fanwise-vectors"))
        return near

    def _near_of(
        self, wanted: Vector, values: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]
    ) -> dict[str, float]:
        right = {
            key: unpacked(value)
            for key, value in values.items()
            if value["dims"] == len(wanted) and self._is_of(value, texts[key])
        }
        return _near(wanted, right)

    def _is_of(self, value: Mapping[str, Any], text: str) -> bool:
        return bool(value["model"] == self._embedder.name and value["of"] == _digest(text))

    async def _made(self, texts: Mapping[str, str]) -> dict[str, Vector]:
        """Make vectors and keep them.

        Raises:
            EmbeddingError: the model did not answer with them.
        """
        from langgraph.store.base import PutOp

        vectors = dict(zip(texts, await self._embedder.documents(list(texts.values())), strict=True))
        await self._store.abatch(
            [
                PutOp(self._place, key, packed(vector, self._embedder.name, texts[key]), index=False)
                for key, vector in vectors.items()
            ]
        )
        await self._drop_forgotten(list(vectors))
        return vectors

    async def _drop_forgotten(self, keys: Sequence[str]) -> None:
        """Delete vectors of memories that were forgotten while they were made: a vector tells of its text."""
        from langgraph.store.base import GetOp, PutOp

        items = await self._store.abatch([GetOp(self._texts_place, key) for key in keys])
        gone = [key for key, item in zip(keys, items, strict=True) if item is None]
        if gone:
            await self._store.abatch([PutOp(self._place, key, None) for key in gone])


def packed(vector: Vector, model: str, text: str) -> dict[str, Any]:
    """Return a vector as a JSON value: numbers of four bytes, in base64."""
    numbers = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return {"model": model, "dims": len(vector), "of": _digest(text), "vector": numbers}


def unpacked(value: Mapping[str, Any]) -> Vector:
    """Return the vector that `packed` wrote."""
    return struct.unpack(f"<{value['dims']}f", base64.b64decode(value["vector"]))


def batches(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield texts in groups that one request may hold."""
    batch: dict[str, str] = {}
    chars = 0
    for key, text in texts.items():
        size = min(len(text), CUTS[0])
        if batch and (len(batch) == BATCH or chars + size > BATCH_CHARS):
            yield batch
            batch, chars = {}, 0
        batch[key] = text
        chars += size
    if batch:
        yield batch


def _near(wanted: Vector, vectors: Mapping[str, Vector]) -> dict[str, float]:
    return {key: sum(map(mul, wanted, vector)) for key, vector in vectors.items() if len(vector) == len(wanted)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
