"""Memories in LangGraph's store: saved, found, listed, forgotten."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..tools.ranked import ranked

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangGraph takes
    from langgraph.store.base import BaseStore, Item, SearchItem

    from .embedder import Embedder
    from .memory_vectors import Vectors

LOOKED_AT = 10_000
"""Memories of one namespace that are ranked; of more, the latest."""

_PAGE = 500


class Found(NamedTuple):
    """A memory that fits a query."""

    key: str
    score: float
    by: Literal["meaning", "words"]
    """What its score tells of: a cosine, or words that are shared. The two can't be compared."""


class Memories:
    """The memories of one namespace."""

    def __init__(self, store: BaseStore, namespace: str, embedder: Embedder | None = None) -> None:
        self._store = store
        self._place = memory_namespace(namespace)
        self._vectors_place = (*self._place[:-1], "vectors")
        self._embedder = embedder

    @property
    def is_semantic(self) -> bool:
        """Whether the store finds texts by their meaning."""
        return bool(getattr(self._store, "index_config", None))

    async def save(self, text: str, *, key: str | None = None, tags: list[str] | None = None, source: str = "") -> str:
        """Keep a text; return its key. The same text under no key of its own is kept once."""
        key = key or hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
        value = {"text": text, "tags": tags or [], "source": source, "saved_at": datetime.now(UTC).isoformat()}
        await self._store.aput(self._place, key, value, index=["text"] if self.is_semantic else None)
        if (vectors := self._vectors()) is not None:
            await vectors.add(key, _searched(value))
        return key

    async def recall(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Return the memories that fit a query, the best first, each with its score."""
        if self.is_semantic:
            found = await self._store.asearch(self._place, query=query, limit=limit)
            return [_told(item, item.score, "meaning") for item in found if item.namespace == self._place]
        items = {item.key: item for item in await self._all(LOOKED_AT)}
        texts = {key: _searched(item.value) for key, item in items.items()}
        vectors = self._vectors()
        near = await vectors.nearness(query, texts) if texts and vectors is not None else {}
        keys = list(texts)
        words = ranked(list(texts.values()), query, len(texts)) if len(near) < len(texts) else []
        best = merged(near, [(keys[place], score) for place, score in words])[:limit]
        return [_told(items[found.key], found.score, found.by) for found in best]

    async def latest(self, limit: int) -> list[dict[str, Any]]:
        """Return the memories that were saved last, the latest first."""
        items = sorted(await self._all(LOOKED_AT), key=lambda item: item.updated_at, reverse=True)
        return [_told(item) for item in items[:limit]]

    async def forget(self, key: str) -> bool:
        """Delete a memory; tell whether there was one."""
        found = await self._store.aget(self._place, key)
        if found is not None:
            await self._store.adelete(self._place, key)
        await self._store.adelete(self._vectors_place, key)  # also one that was kept when there was an embedding model
        return found is not None

    def _vectors(self) -> Vectors | None:
        """Return the vectors beside the memories; nothing without a model, or where the store has an index."""
        if self._embedder is None or self.is_semantic:
            return None
        from .memory_vectors import Vectors

        return Vectors(self._store, self._vectors_place, self._place, self._embedder)

    async def _all(self, limit: int) -> list[SearchItem]:
        items: list[SearchItem] = []
        while len(items) < limit:
            page = await self._store.asearch(self._place, limit=_PAGE, offset=len(items))
            items.extend(item for item in page if item.namespace == self._place)
            if len(page) < _PAGE:
                break
        return items


def memory_namespace(namespace: str) -> tuple[str, ...]:
    """Return where the memories of a namespace are kept.

    Stores look places up by the beginning of their text, some without regard to case and with wildcards; so a name is
    written with characters that mean only themselves, and what follows it ends it.
    """
    safe = re.sub(r"[^a-z0-9-]", lambda found: f"~{ord(found[0]):x}~", namespace)
    return ("fanwise", "memory", safe, "items")


def merged(near: Mapping[str, float], words: Sequence[tuple[str, float]]) -> list[Found]:
    """Order memories, the best first: those with a vector by nearness, each other at the place that words give it.

    Args:
        near: how near memories are to the query, by key; those without a vector are left out.
        words: memories with their scores as words rank them, the best first, those with a vector among them.
    """
    nearest = sorted(near.items(), key=lambda pair: -pair[1])
    placed = [(place, Found(key, score, "meaning")) for place, (key, score) in enumerate(nearest)]
    placed += [(place, Found(key, score, "words")) for place, (key, score) in enumerate(words) if key not in near]
    return [found for _, found in sorted(placed, key=lambda pair: pair[0])]


def _searched(value: Mapping[str, Any]) -> str:
    """Return what a memory is found by."""
    return " ".join([value["text"], *value["tags"]])


def _told(item: Item, score: float | None = None, by: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {"key": item.key, **item.value}
    return told if score is None else {**told, "score": round(score, 6), "by": by}
