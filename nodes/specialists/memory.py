"""`memory`: what is worth knowing beyond one run, in LangGraph's store.

Memories are kept by namespace (a user, a project). What is recalled is near in meaning where the store has an index
with an embedding model; else it is ranked by the words that it shares with the query.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...schema.errors import FanwiseError
from ...schema.plan import Task
from ...schema.results import TaskResult
from ..held import Held
from ..specialist import Specialist, specialist
from ..tools.ranked import ranked
from .equipment import Equipment
from .inputs import read_input

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangGraph takes
    from langgraph.runtime import Runtime
    from langgraph.store.base import BaseStore, Item, SearchItem

NO_STORE = "`memory` needs a store: give `build_graph(store=...)`; the command's is in its --db"
"""What is said where the graph has no store."""

LOOKED_AT = 10_000
"""Memories of one namespace that are ranked by words; of more, the latest."""

TEXT_CHARS = 100_000
"""Characters of one memory."""

_PAGE = 500


class MemoryInput(BaseModel):
    """What to do with memories."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["recall", "save", "list", "forget"] = "recall"
    namespace: str | None = Field(None, min_length=1, max_length=200, description="whose memories: a user, a project")
    query: str | None = Field(None, description="recall: what to look for; the task's description if not given")
    text: str | None = Field(
        None,
        min_length=1,
        max_length=TEXT_CHARS,
        description="save: what to keep; if not given, the results of the tasks that this one depends on",
    )
    key: str | None = Field(None, min_length=1, max_length=200, description="the memory's name; save makes one up")
    tags: list[str] = Field(default_factory=list, max_length=50, description="save: words to find it by")
    limit: int = Field(5, ge=1, le=100, description="recall and list: how many at most")


class Memories:
    """The memories of one namespace."""

    def __init__(self, store: BaseStore, namespace: str) -> None:
        self._store = store
        self._place = memory_namespace(namespace)

    @property
    def is_semantic(self) -> bool:
        """Whether the store finds texts by their meaning."""
        return bool(getattr(self._store, "index_config", None))

    async def save(self, text: str, *, key: str | None = None, tags: list[str] | None = None, source: str = "") -> str:
        """Keep a text; return its key. The same text under no key of its own is kept once."""
        key = key or hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
        value = {"text": text, "tags": tags or [], "source": source, "saved_at": datetime.now(UTC).isoformat()}
        await self._store.aput(self._place, key, value, index=["text"] if self.is_semantic else None)
        return key

    async def recall(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Return the memories that fit a query, the best first, each with its score."""
        if self.is_semantic:
            found = await self._store.asearch(self._place, query=query, limit=limit)
            return [_told(item, item.score) for item in found if item.namespace == self._place]
        items = await self._all(LOOKED_AT)
        texts = [" ".join([item.value["text"], *item.value["tags"]]) for item in items]
        return [_told(items[place], score) for place, score in ranked(texts, query, limit)]

    async def latest(self, limit: int) -> list[dict[str, Any]]:
        """Return the memories that were saved last, the latest first."""
        items = sorted(await self._all(LOOKED_AT), key=lambda item: item.updated_at, reverse=True)
        return [_told(item) for item in items[:limit]]

    async def forget(self, key: str) -> bool:
        """Delete a memory; tell whether there was one."""
        found = await self._store.aget(self._place, key)
        if found is not None:
            await self._store.adelete(self._place, key)
        return found is not None

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


def _told(item: Item, score: float | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"key": item.key, **item.value}
    return told if score is None else {**told, "score": round(score, 6)}


def memories_of(runtime: Runtime[Any], namespace: str) -> Memories:
    """Return the memories that a specialist may use.

    Raises:
        FanwiseError: the graph has no store.
    """
    if runtime.store is None:
        raise FanwiseError(NO_STORE)
    return Memories(runtime.store, namespace)


def memory(equipment: Equipment) -> Specialist:
    """Return the specialist `memory`; it needs no model, and the graph's store."""
    usual = equipment.memories[0] if equipment.memories else "default"

    @specialist(
        "memory",
        description="Recalls what earlier runs saved (facts, preferences, results); saves, lists and forgets it.",
        input_schema=MemoryInput,
    )
    async def work(task: Task, results: Mapping[str, TaskResult], runtime: Runtime[Any]) -> dict[str, Any]:
        asked = read_input(MemoryInput, task)
        kept = memories_of(runtime, asked.namespace or usual)
        match asked.action:
            case "recall":
                query = _needed(asked.query or task.description, "recall", "query")
                return {"query": query, "memories": await kept.recall(query, asked.limit)}
            case "list":
                return {"memories": await kept.latest(asked.limit)}
            case "forget":
                key = _needed(asked.key, "forget", "key")
                return {"key": key, "forgotten": await kept.forget(key)}
            case "save":
                text = _needed(asked.text or _results_text(results), "save", "text")
                key = await kept.save(text, key=asked.key, tags=asked.tags, source=task.id)
                return {"key": key, "saved": True}

    held = {
        "namespace": Held(equipment.memories, why="a model's plan keeps to the memories that the user gave"),
        "action": Held(("recall", "save", "list"), why="only a plan of the user's own forgets"),
    }
    return replace(work, held=held)


def _needed(value: str | None, action: str, field: str) -> str:
    if not value:
        raise ValueError(f"input of `memory`: {action} needs {field!r}")
    return value


def _results_text(results: Mapping[str, TaskResult]) -> str:
    outputs = [result.output for result in results.values() if result.ok]
    texts = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in outputs]
    return "\n\n".join(texts)[:TEXT_CHARS]
