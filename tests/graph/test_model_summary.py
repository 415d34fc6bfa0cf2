"""The summary that a model writes, in the graph: streamed, counted, and given by the synthesizer and by aggregates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models._client_utils import _cached_async_httpx_client
from openai_server import OpenAIServer, Say, text_of

from fanwise.graph import build_graph, builder
from fanwise.graph.node_functions import synthesizer_node
from fanwise.nodes.aggregator import Means
from fanwise.nodes.summary.by_model import ModelSummarizer

TEXT = "There are 3 rows [orders], but the report failed [report]."
WHOLE = f"{TEXT}\n\nNot done:\n- report failed: WaitFailed: no paper."
"""What failed stands below, whatever the text says of it."""
PLAN = {
    "tasks": [
        {"id": "orders", "specialist": "wait", "input": {"output": {"rows": 3}}},
        {"id": "report", "specialist": "wait", "input": {"fail": "no paper"}, "depends_on": ["orders"]},
    ]
}
JOINED = {
    "tasks": [
        PLAN["tasks"][0],
        {"id": "users", "specialist": "wait", "input": {"output": {"users": 1}}},
        {
            "id": "all",
            "description": "How many rows?",
            "depends_on": ["orders", "users"],
            "aggregate": {"strategy": "synthesize"},
        },
    ]
}

Graph = Callable[..., Any]


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    """Makes graphs whose summaries a scripted model writes."""
    servers = []

    def made(script: Any, **by: Any) -> tuple[Any, OpenAIServer]:
        server = OpenAIServer(script)
        servers.append(server.__enter__())
        model = ChatOpenAI(
            model="scripted", max_retries=0, stream_usage=True, base_url=server.base_url, api_key="test-key"
        )
        writer = ModelSummarizer(model, **by)
        means = Means.of
        monkeypatch.setattr(builder, "synthesizer_node", lambda summarizer, *_: synthesizer_node(summarizer, writer))
        monkeypatch.setattr(builder.Means, "of", lambda *given: replace(means(*given[:2]), writer=writer))
        built = build_graph()
        built.writer = writer
        return built, server

    yield made
    for server in servers:
        server.__exit__()
    _cached_async_httpx_client.cache_clear()


async def streamed(graph: Any, plan: Any, modes: list[str], request: str = "How many rows?") -> list[tuple[str, Any]]:
    """What a graph's stream yields."""
    try:
        given = {"plan": plan, "request": request}
        return [item async for item in graph.astream(given, stream_mode=modes)]
    finally:
        await graph.writer.model.root_async_client.close()


def test_pieces_come_on_both_streams(graph: Graph) -> None:
    """On LangGraph's custom stream as events, and as tokens on its stream of messages; usage is counted."""
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    built, _ = graph([Say(TEXT, usage=usage)])
    items = asyncio.run(streamed(built, PLAN, ["custom", "messages", "values"]))
    pieces = [item["text"] for mode, item in items if mode == "custom" and item["type"] == "summary_text"]
    tokens = [item for mode, item in items if mode == "messages"]
    last = [item for mode, item in items if mode == "values"][-1]
    assert "".join(pieces) == last["summary"]["text"] == WHOLE
    assert len(pieces) > 5
    assert "".join(chunk.text for chunk, _ in tokens) == TEXT
    assert {about["langgraph_node"] for _, about in tokens} == {"synthesizer"}
    order = [
        mode for mode, item in items if mode == "messages" or (mode == "custom" and item["type"] == "summary_text")
    ]
    assert order[:8].count("custom") >= 2
    assert order[:8].count("messages") >= 2
    assert last["summary"]["citations"] == ["orders", "report"]
    assert last["summary"]["by_model"] == "scripted"
    counts = {"input_tokens": 90, "output_tokens": 10, "total_tokens": 100}
    assert last["usage"]["synthesizer"] == {**counts, "by_model": {"scripted": counts}}
    assert last["metrics"]["usage_by"]["synthesizer"]["total_tokens"] == 100
    assert last["warnings"] == []


def test_condensing_is_no_part_of_the_stream(graph: Graph) -> None:
    """What models say on the way to the summary is for nobody's eyes."""

    def script(body: dict[str, Any]) -> Say:
        return Say("in short [orders]") if "You condense" in text_of(body["messages"][0]) else Say(TEXT)

    built, server = graph(script, context=4_000)
    plan = {"tasks": [{**PLAN["tasks"][0], "input": {"output": "word " * 4_000}}, PLAN["tasks"][1]]}
    items = asyncio.run(streamed(built, plan, ["messages"]))
    assert len(server.requests) > 2
    assert "".join(chunk.text for _, (chunk, _) in items) == TEXT


def test_a_stream_that_breaks_off_is_taken_back(graph: Graph) -> None:
    """The pieces since the last `summary_restarted` are the summary."""
    built, _ = graph([Say(TEXT, cut_after=5), Say(TEXT)])
    items = asyncio.run(streamed(built, PLAN, ["custom", "values"]))
    events = [item for mode, item in items if mode == "custom" and item["type"].startswith("summary_")]
    (at,) = [place for place, event in enumerate(events) if event["type"] == "summary_restarted"]
    assert at > 0
    assert "".join(event["text"] for event in events[at + 1 :]) == WHOLE
    assert [item for mode, item in items if mode == "values"][-1]["warnings"] == []


def test_without_its_model_a_run_still_ends(graph: Graph) -> None:
    """With the deterministic summary, and a warning among the run's."""
    built, _ = graph([Say("no", status=401)])
    items = asyncio.run(streamed(built, PLAN, ["custom", "values"]))
    last = [item for mode, item in items if mode == "values"][-1]
    (warning,) = last["warnings"]
    assert "does not accept the key" in warning
    assert last["status"] == "failed"
    assert last["summary"]["text"].startswith("1 of 2 tasks succeeded, 1 failed.")
    assert warning in last["summary"]["text"]
    pieces = [item["text"] for mode, item in items if mode == "custom" and item["type"] == "summary_text"]
    assert "".join(pieces) == last["summary"]["text"]


def test_a_deadline_holds_for_the_summary_too(graph: Graph) -> None:
    """What is left of the run's time is all that the model has."""
    built, _ = graph([Say(TEXT, wait_s=20)])
    plan = {**PLAN, "config": {"deadline_s": 2.5}}
    last = asyncio.run(streamed(built, plan, ["values"]))[-1][1]
    assert "did not come to its end within 2." in last["warnings"][0]


def test_invoke_works_too(graph: Graph) -> None:
    """Without an event loop of the caller's."""
    built, _ = graph([Say(TEXT)])
    out = built.invoke({"plan": {"tasks": [PLAN["tasks"][0]]}, "request": "How many rows?"})
    assert out["summary"]["text"].startswith("There are 3 rows [orders]")
    assert out["warnings"] == ["the summary cites what is no task: [report]"]


def test_an_aggregate_that_synthesizes_is_written_by_the_model(graph: Graph) -> None:
    """Its output is a summary as before; its tokens are the task's."""
    own = "There are 3 rows [orders]."
    built, server = graph([Say(own), Say("There are 3 rows [all].")])
    items = asyncio.run(streamed(built, JOINED, ["custom", "values"]))
    last = [item for mode, item in items if mode == "values"][-1]
    result = last["results"]["all"]
    assert result["status"] == "succeeded"
    assert result["output"]["text"] == own
    assert result["output"]["by_model"] == "scripted"
    assert result["usage"]["total_tokens"] > 0
    assert "How many rows?" in text_of(server.requests[0]["messages"][1])
    told = "".join(item["text"] for mode, item in items if mode == "custom" and item["type"] == "summary_text")
    assert told == last["summary"]["text"]
    assert told.startswith("There are 3 rows [all].")


def test_an_aggregate_ends_within_its_time_out(graph: Graph) -> None:
    """With the deterministic summary, where the model takes longer."""
    built, _ = graph([Say(TEXT, wait_s=20), Say("There are 3 rows [all].")])
    tasks = [*JOINED["tasks"][:2], {**JOINED["tasks"][2], "timeout_s": 2}]
    last = asyncio.run(streamed(built, {"tasks": tasks}, ["values"]))[-1][1]
    assert last["results"]["all"]["status"] == "succeeded"
    assert last["results"]["all"]["output"]["by_model"] is None
    assert last["warnings"][0].startswith("task 'all': the model wrote no summary")
