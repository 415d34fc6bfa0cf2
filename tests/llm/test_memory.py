"""`memory`: what is saved is found again, by words or by meaning, and only by whom it belongs to."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite.aio import AsyncSqliteStore
from openai_server import OpenAIServer

from fanwise.graph import build_graph
from fanwise.models.embeddings import embedding_index
from fanwise.nodes.specialists.equipment import Equipment
from fanwise.nodes.specialists.memories import memory_namespace
from fanwise.nodes.specialists.memory import NO_STORE, memory
from fanwise.state import FanwiseError

Results = dict[str, dict[str, Any]]


async def carried_out(store: BaseStore | None, *inputs: dict[str, Any]) -> Results:
    """Run memory tasks one after another, each as `t0`, `t1`, ..."""
    graph = build_graph([memory(Equipment())], store=store)
    tasks = [
        {"id": f"t{n}", "specialist": "memory", "input": given, "depends_on": [f"t{n - 1}"] if n else []}
        for n, given in enumerate(inputs)
    ]
    out: dict[str, Any] = await graph.ainvoke({"plan": {"tasks": tasks}})
    results: Results = out["results"]
    return results


SAVES = (
    {"action": "save", "text": "Ada drinks green tea in the morning.", "tags": ["habit"]},
    {"action": "save", "text": "The staging database is db-7.", "key": "staging"},
    {"action": "save", "text": "Releases go out on Thursdays."},
)


def texts(result: dict[str, Any]) -> list[str]:
    """Return the texts that a recall, or a list, came to."""
    assert result["status"] == "succeeded", result["error"]
    return [item["text"] for item in result["output"]["memories"]]


def test_memories_are_ranked_by_words_without_an_index() -> None:
    """The one that shares words comes first; one that shares none is not there; stems and tags count."""
    recalls = ({"query": "which database is for staging?"}, {"query": "release"}, {"query": "habits"}, {"query": "?!"})
    found = asyncio.run(carried_out(InMemoryStore(), *SAVES, *recalls))
    assert texts(found["t3"])[0] == "The staging database is db-7."
    assert texts(found["t4"]) == ["Releases go out on Thursdays."]
    assert texts(found["t5"]) == ["Ada drinks green tea in the morning."]
    assert texts(found["t6"]) == []


def test_the_same_text_is_kept_once_and_can_be_forgotten() -> None:
    """A key of its content makes a repeated save harmless."""
    steps = (SAVES[0], SAVES[0], {"action": "list"}, SAVES[1], {"action": "forget", "key": "staging"})
    found = asyncio.run(carried_out(InMemoryStore(), *steps, {"action": "list"}, {"action": "forget", "key": "none"}))
    assert texts(found["t2"]) == texts(found["t5"]) == [SAVES[0]["text"]]
    assert found["t4"]["output"] == {"key": "staging", "forgotten": True}
    assert found["t6"]["output"] == {"key": "none", "forgotten": False}


@pytest.mark.parametrize("other", ["ann2", "Ann", "a_n", "%", "ann.items", "a", "ann/x"])
def test_no_namespace_sees_another(other: str) -> None:
    """Names that begin alike, differ in case, or hold wildcards, keep apart: in memory and in SQLite."""

    async def scenario(store: BaseStore) -> Results:
        return await carried_out(
            store,
            {"action": "save", "text": "secret of ann", "namespace": "ann"},
            {"query": "secret", "namespace": other},
            {"action": "list", "namespace": other},
            {"query": "secret", "namespace": "ann"},
        )

    async def in_sqlite() -> Results:
        async with AsyncSqliteStore.from_conn_string(":memory:") as store:
            await store.setup()
            return await scenario(store)

    for found in (asyncio.run(scenario(InMemoryStore())), asyncio.run(in_sqlite())):
        assert texts(found["t1"]) == texts(found["t2"]) == []
        assert texts(found["t3"]) == ["secret of ann"]
    assert memory_namespace(other) != memory_namespace("ann")


def test_results_of_dependencies_are_saved_where_no_text_is_given() -> None:
    """A plan can end in a memory of what it found."""
    graph = build_graph([memory(Equipment())], store=(store := InMemoryStore()))
    tasks = [
        {"id": "find", "specialist": "wait", "input": {"output": "the fault is in the cable"}},
        {"id": "keep", "specialist": "memory", "input": {"action": "save"}, "depends_on": ["find"]},
    ]
    out = asyncio.run(graph.ainvoke({"plan": {"tasks": tasks}}))
    assert out["results"]["keep"]["output"]["saved"] is True
    assert texts(asyncio.run(carried_out(store, {"query": "fault"}))["t0"]) == ["the fault is in the cable"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"action": "forget"}, "forget needs 'key'"),
        ({"action": "save"}, "save needs 'text'"),
        ({"action": "recall"}, "recall needs 'query'"),
    ],
)
def test_what_is_missing_is_said(given: dict[str, Any], message: str) -> None:
    """Each action names the field that it needs."""
    result = asyncio.run(carried_out(InMemoryStore(), given))["t0"]
    assert result["status"] == "failed" and message in result["error"]


def test_without_a_store_it_says_what_to_do() -> None:
    """The error names the remedy."""
    result = asyncio.run(carried_out(None, {"action": "list"}))["t0"]
    assert result["status"] == "failed" and NO_STORE in result["error"]


@pytest.fixture
def embeddings(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server of embeddings."""
    with OpenAIServer() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


LOADS_EXTENSIONS = hasattr(sqlite3.Connection, "enable_load_extension")
"""Whether this Python's SQLite can load the extension that searches vectors."""


@pytest.mark.parametrize(
    "kind", ["memory", pytest.param("sqlite", marks=pytest.mark.skipif(not LOADS_EXTENSIONS, reason="no extensions"))]
)
def test_recall_is_semantic_where_the_store_has_an_index(embeddings: OpenAIServer, kind: str) -> None:
    """The embedding model ranks: a score is a likeness of vectors, and even what shares no word has one."""

    async def scenario() -> Results:
        index = await embedding_index("openai:text-embedding-3-small")
        assert index["dims"] == 64
        steps = (*SAVES, {"query": "staging database", "limit": 3})
        if kind == "memory":
            return await carried_out(InMemoryStore(index=index), *steps)
        async with AsyncSqliteStore.from_conn_string(":memory:", index=index) as store:  # type: ignore[arg-type]
            await store.setup()
            return await carried_out(store, *steps)

    found = asyncio.run(scenario())["t3"]
    assert len(texts(found)) == 3 and texts(found)[0] == "The staging database is db-7."
    assert 0 < found["output"]["memories"][0]["score"] <= 1


def test_an_embedding_model_that_cannot_be_had_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider, the server, the key: each is named."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(FanwiseError, match=r"embedding model 'openai:e': .*can't be reached"):
        asyncio.run(embedding_index("openai:e"))
    with pytest.raises(FanwiseError, match="embedding model 'nosuch:e'"):
        asyncio.run(embedding_index("nosuch:e"))
