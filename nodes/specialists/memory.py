"""`memory`: what is worth knowing beyond one run, in LangGraph's store.

Memories are kept by namespace (a user, a project). What is recalled is near in meaning where the store has an index
with an embedding model, or the specialist has such a model and keeps vectors beside the memories; else it is ranked by
the words that it shares with the query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...schema.errors import FanwiseError
from ...schema.plan import Task
from ...schema.results import TaskResult
from ..held import Held
from ..specialist import Specialist, specialist
from .equipment import Equipment
from .inputs import read_input
from .memories import Memories

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangGraph takes
    from langgraph.runtime import Runtime

    from .embedder import Embedder

NO_STORE = "`memory` needs a store: give `build_graph(store=...)`; the command's is in its --db"
"""What is said where the graph has no store."""

TEXT_CHARS = 100_000
"""Characters of one memory."""


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


def memories_of(runtime: Runtime[Any], namespace: str, embedder: Embedder | None = None) -> Memories:
    """Return the memories that a specialist may use.

    Args:
        runtime: LangGraph's, with the store.
        namespace: whose memories.
        embedder: makes vectors where the store has no index; without one, words rank.

    Raises:
        FanwiseError: the graph has no store.
    """
    if runtime.store is None:
        raise FanwiseError(NO_STORE)
    return Memories(runtime.store, namespace, embedder)


def memory(equipment: Equipment) -> Specialist:
    """Return the specialist `memory`; it needs no model, and the graph's store.

    Raises:
        FanwiseError: the embedding model can't be had.
    """
    embedder = equipment.embedder()
    usual = equipment.memories[0] if equipment.memories else "default"

    @specialist(
        "memory",
        description="Recalls what earlier runs saved (facts, preferences, results), by "
        f"{'words (with --embeddings NAME: by meaning)' if embedder is None else 'meaning'}; saves, lists and "
        "forgets it.",
        input_schema=MemoryInput,
    )
    async def work(task: Task, results: Mapping[str, TaskResult], runtime: Runtime[Any]) -> dict[str, Any]:
        asked = read_input(MemoryInput, task)
        kept = memories_of(runtime, asked.namespace or usual, embedder)
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
    return replace(work, held=held, model=None if embedder is None else embedder.own_name)


def _needed(value: str | None, action: str, field: str) -> str:
    if not value:
        raise ValueError(f"input of `memory`: {action} needs {field!r}")
    return value


def _results_text(results: Mapping[str, TaskResult]) -> str:
    outputs = [result.output for result in results.values() if result.ok]
    texts = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in outputs]
    return "\n\n".join(texts)[:TEXT_CHARS]
