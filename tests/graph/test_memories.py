"""Memories by meaning in the command's own stores: vectors beside them, and words where these can't be had."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore, PutOp
from langgraph.store.memory import InMemoryStore
from openai_server import OpenAIServer, Say

from fanwise.graph import build_graph
from fanwise.graph.checkpoints import open_database
from fanwise.models.embeddings import embedding_index
from fanwise.nodes.specialists import memory_vectors
from fanwise.nodes.specialists.embedder import Embedder
from fanwise.nodes.specialists.equipment import Equipment
from fanwise.nodes.specialists.llm.toolbox import Toolbox
from fanwise.nodes.specialists.memories import Found, Memories, memory_namespace, merged
from fanwise.nodes.usage import Used, counted
from fanwise.state import FanwiseError
from fanwise.studio.settings import Environment

SMALL, LARGE = "openai:text-embedding-3-small", "text-embedding-3-large"

PLACE = memory_namespace("default")
VECTORS = (*PLACE[:-1], "vectors")

SAVES = tuple(
    {"action": "save", "key": key, "text": text}
    for key, text in (
        ("drive", "Ada has a red automobile"),
        ("tea", "Bob drinks it green"),
        ("out", "Releases go out on Thursdays"),
    )
)
CAR = {"query": "vehicle"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server of embeddings, to which OpenAI's client is led."""
    with OpenAIServer() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


async def in_store(store: BaseStore, *inputs: dict[str, Any], model: Any = SMALL, **options: Any) -> dict[str, Any]:
    """Run tasks of `memory` one after another, `t0`, `t1`, ..., and return the run's state."""
    graph = build_graph(equipment=Equipment(embeddings=model), store=store, **options)
    tasks = [
        {"id": f"t{n}", "specialist": "memory", "input": given, "depends_on": [f"t{n - 1}"] if n else []}
        for n, given in enumerate(inputs)
    ]
    out: dict[str, Any] = await graph.ainvoke({"plan": {"tasks": tasks}})
    assert {result["status"] for result in out["results"].values()} == {"succeeded"}, out["results"]
    return out


def ran(db: str, *inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Do the same in the store of a database, as one run of the command does."""

    async def work() -> dict[str, Any]:
        async with open_database(db) as database:
            return await in_store(database.store, *inputs, **options)

    return asyncio.run(work())


def found(out: dict[str, Any], task: str = "t0") -> list[tuple[str, str]]:
    """Return what a recall came to: keys, and what they were ranked by."""
    return [(item["key"], item["by"]) for item in out["results"][task]["output"]["memories"]]


def inputs(server: OpenAIServer) -> list[int]:
    """Return how many texts each request had, and forget the requests."""
    counts = [len(body["input"]) if isinstance(body["input"], list) else 1 for body in server.embedded]
    server.embedded.clear()
    return counts


def test_memories_are_found_by_meaning(server: OpenAIServer, shared_db: str) -> None:
    """A vector is made once, with the memory; a later run finds it, and its tokens and their cost are counted."""
    prices = {"models": {"text-embedding-3-small": {"input": 1_000_000, "output": 0}}}
    ran(shared_db, *SAVES)
    assert inputs(server) == [1, 1, 1]
    out = ran(shared_db, CAR, {"query": "launch", "limit": 1}, SAVES[0], {"action": "list"}, prices=prices)
    assert inputs(server) == [1, 1], "the same text again needs no new vector"
    assert found(out)[0] == ("drive", "meaning") and len(found(out)) == 3
    scores = [item["score"] for item in out["results"]["t0"]["output"]["memories"]]
    assert 0 < scores[0] <= 1 and scores == sorted(scores, reverse=True)
    assert found(out, "t1") == [("out", "meaning")]
    assert set(out["results"]["t3"]["output"]["memories"][0]) == {"key", "text", "tags", "source", "saved_at"}
    used = out["results"]["t0"]["usage"]
    assert used["by_model"] == {"text-embedding-3-small": {"input_tokens": 1, "output_tokens": 0, **COST}}
    assert out["metrics"]["usage"]["cost"] == 2 and out.get("warnings", []) == []


COST = {"total_tokens": 1, "cost": 1.0}


def test_other_models_and_other_texts_get_new_vectors(server: OpenAIServer, shared_db: str) -> None:
    """Vectors of another model, of another length, of a text that was changed, or none at all: made in one request."""
    ran(shared_db, *SAVES, model=None)
    assert inputs(server) == []
    for model in (SMALL, LARGE, "openai:other", SMALL):
        assert found(ran(shared_db, CAR, model=model))[0] == ("drive", "meaning"), model
        assert inputs(server) == [1, 3], f"{model}: the query, and all that have no vector of this model"
        assert found(ran(shared_db, CAR, model=model))[0] == ("drive", "meaning"), model
        assert inputs(server) == [1], "they were saved"
    ran(shared_db, {**SAVES[0], "text": "Ada walks"}, {**SAVES[1], "text": "Bob sold his car"}, model=None)
    assert found(ran(shared_db, CAR))[0] == ("tea", "meaning")
    assert inputs(server) == [1, 2]


def test_what_is_forgotten_leaves_no_vector(server: OpenAIServer, shared_db: str) -> None:
    """A vector tells of its text; it goes also where there is no model any more."""

    async def work() -> None:
        async with open_database(shared_db) as database:
            store = database.store
            await in_store(store, *SAVES)
            assert len(await store.asearch(VECTORS)) == 3
            out = await in_store(store, {"action": "forget", "key": "tea"}, CAR, model=None)
            assert out["results"]["t0"]["output"]["forgotten"] and found(out, "t1") == []
            assert {item.key for item in await store.asearch(VECTORS)} == {"drive", "out"}

    asyncio.run(work())


def test_what_is_forgotten_while_its_vector_is_made_leaves_none() -> None:
    """The model's answer comes later; a model may be given as it is."""
    store = InMemoryStore()

    class Slow(Embeddings):
        def embed_query(self, text: str) -> list[float]:
            return [1.0, 0.0]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            store.delete(PLACE, "tea")
            return [[1.0, 0.0] for _ in texts]

    asyncio.run(in_store(store, SAVES[0], SAVES[1], model=Slow()))
    assert [item.key for item in store.search(PLACE)] == [item.key for item in store.search(VECTORS)] == ["drive"]


NOW = {"retry-after-ms": "1"}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Say("no", status=401), "the model's server does not accept the key"),
        (Say("boom", status=500, headers=NOW), "the model's server has an error of its own"),
        (Say("slow down", status=429, headers=NOW), "the model's server asks to wait (429)"),
        (Say("pay", status=429, code="insufficient_quota", headers=NOW), "the model's server refused the request"),
        (Say("maximum context length is 1 token", status=400), "the model can't take in so much at once"),
        (Say('{"data": [], "usage": {}}'), "No embedding data received"),
        (Say('{"data": [{"embedding": [1]}, {"embedding": [2]}]}'), "not what was asked for: 2 vectors for 1 text"),
        (Say('{"data": [{"embedding": [NaN]}]}'), "a vector that is empty, not finite, or not as long as the others"),
    ],
)
def test_a_failure_of_the_server_loses_no_memory(server: OpenAIServer, fault: Say, says: str) -> None:
    """It is kept, and found by words with a warning; the vector is made when the server is well again."""
    memories, used = Memories(InMemoryStore(), "default", Embedder.of(SMALL)), Used()

    async def work() -> list[list[dict[str, Any]]]:
        server.embedding_fault = lambda body: fault
        with counted(used):
            await memories.save("Ada has a red automobile")
            by_words = await memories.recall("Ada's automobile", 5)
            server.embedding_fault = None
            return [by_words, await memories.recall("vehicle", 5)]

    assert [[item["by"] for item in recalled] for recalled in asyncio.run(work())] == [["words"], ["meaning"]]
    saved, recalled = used.warnings
    assert saved.startswith("a memory is kept without a vector, which the next recall makes: embedding model 'openai:")
    assert recalled.startswith("memories ") and " by their words" in recalled
    assert says in saved and says in recalled


def test_a_server_that_is_not_there_is_a_warning_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the server's address as what to look at."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    (warning,) = asyncio.run(in_store(InMemoryStore(), SAVES[0]))["warnings"]
    assert warning.startswith("task 't0': a memory is kept without a vector")
    assert "the model's server can't be reached; is OPENAI_BASE_URL right, and does it run?" in warning


def test_tools_of_agents_find_by_meaning(server: OpenAIServer) -> None:
    """`recall` and `save_memory` of a specialist in a file work with the same vectors."""
    equipment = Equipment(embeddings=SMALL)

    async def work() -> Any:
        recall, save = await Toolbox(equipment, ["recall", "save_memory"]).tools(Runtime(store=InMemoryStore()))
        await save.ainvoke({"text": "Ada has a red automobile"})
        return await recall.ainvoke({"query": "vehicle"})

    assert [(item["text"], item["by"]) for item in asyncio.run(work())] == [("Ada has a red automobile", "meaning")]


def test_where_some_have_no_vector_words_give_their_place(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made is kept; the rest is ranked by words, among all, and says so."""
    monkeypatch.setattr(memory_vectors, "BATCH", 1)
    db = str(tmp_path / "runs.db")
    ran(db, *SAVES, model=None)
    server.embedding_fault = lambda body: Say("no", status=400) if "Bob" in str(body["input"]) else None
    out = ran(db, {"query": "green drinks"})
    assert ("tea", "words") in found(out)
    assert "memories without a vector were ranked by their words: " in out["warnings"][0]
    server.embedding_fault = None
    assert {by for _, by in found(ran(db, {"query": "green drinks"}))} == {"meaning"}
    near, words = {"a": 0.9, "b": 0.2, "c": 0.5}, [("a", 3.0), ("x", 2.0), ("b", 1.0), ("y", 0.5)]
    assert [one.key for one in merged(near, words)] == ["a", "c", "x", "b", "y"]
    assert merged(near, words)[2] == Found("x", 2.0, "words")


def test_long_texts_are_cut_to_what_the_model_takes(server: OpenAIServer) -> None:
    """First by our own limit, then by the model's."""
    long = {"action": "save", "key": "long", "text": "automobile " * 2000}

    def too_long(body: dict[str, Any]) -> Say | None:
        chars = max(len(text) for text in body["input"])
        return Say("This model's maximum context length is 512 tokens", status=400) if chars > 2000 else None

    server.embedding_fault = too_long
    out = asyncio.run(in_store(InMemoryStore(), long, CAR))
    assert [len(body["input"][0]) for body in server.embedded[:2]] == [8000, 2000]
    assert found(out, "t1") == [("long", "meaning")] and not out.get("warnings")


def test_thousands_of_memories(server: OpenAIServer, shared_db: str) -> None:
    """They are embedded in requests of a limited size, and then compared within a second or so."""

    async def work() -> None:
        async with open_database(shared_db) as database:
            store = database.store
            value = {"tags": [], "source": "", "saved_at": "2025-01-01T00:00:00+00:00"}
            texts = [f"fact number {n} of {n % 7} colours" for n in range(1500)]
            texts[700] = "Ada has a red automobile"
            await store.abatch([PutOp(PLACE, f"k{n}", {**value, "text": text}) for n, text in enumerate(texts)])
            assert found(await in_store(store, CAR))[0] == ("k700", "meaning")
            counts = inputs(server)
            assert counts[0] == 1 and sum(counts[1:]) == 1500 and max(counts) == memory_vectors.BATCH
            begun = time.monotonic()
            assert found(await in_store(store, CAR))[0] == ("k700", "meaning")
            assert inputs(server) == [1] and time.monotonic() - begun < 5

    asyncio.run(work())


def test_a_store_with_an_index_keeps_to_it(server: OpenAIServer) -> None:
    """No vectors beside it."""

    async def work() -> dict[str, Any]:
        store = InMemoryStore(index=await embedding_index(SMALL))
        out = await in_store(store, *SAVES, CAR)
        assert await store.asearch(VECTORS) == []
        return out

    assert found(asyncio.run(work()), "t3")[0] == ("drive", "meaning")


def test_a_model_that_can_not_be_had_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the graph is built; a server takes it from its environment."""
    with pytest.raises(FanwiseError, match=r"embedding model 'nosuch:e': Provider 'nosuch' is not supported"):
        build_graph(equipment=Equipment(embeddings="nosuch:e"))
    with pytest.raises(FanwiseError, match=r"embeddings: int is no embedding model"):
        Embedder.of(3)  # type: ignore[arg-type]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    setup = Environment.read({"FANWISE_EMBEDDINGS": SMALL}).setup
    with pytest.raises(FanwiseError, match="it has no key: set OPENAI_API_KEY"):
        _ = setup.equipment
