"""Graphs that the tests' and the benchmark's servers have: each does one thing, the same way every time."""

from __future__ import annotations

import asyncio
import operator
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from typing_extensions import TypedDict


async def noted(what: str) -> None:
    """Write down that something was done, in a file of this server's."""

    def write() -> None:
        with Path(os.environ["SERVED_NOTES"]).open("a") as file:
            file.write(f"{what}\n")

    await asyncio.to_thread(write)


class Work(TypedDict, total=False):
    name: str
    seconds: float
    fail: str
    fail_until: str
    steps: Annotated[list[str], operator.add]
    answer: str


async def prepare(state: Work) -> dict[str, Any]:
    name = state.get("name", "?")
    await noted(f"began {name}")
    get_stream_writer()({"note": f"{name} prepares"})
    return {"steps": ["prepared"]}


async def work(state: Work) -> dict[str, Any]:
    name = state.get("name", "?")
    try:
        await asyncio.sleep(state.get("seconds", 0))
    except asyncio.CancelledError:
        await noted(f"cancelled {name}")
        raise
    if state.get("fail"):
        raise ValueError(state["fail"])
    if (needed := state.get("fail_until")) and not await asyncio.to_thread(Path(needed).exists):
        raise ValueError(f"{needed} is not there yet")
    await noted(f"ended {name}")
    return {"steps": ["worked"], "answer": f"{name} is done"}


class Asked(TypedDict, total=False):
    questions: list[str]
    answers: Annotated[list[str], operator.add]
    rounds: int


async def ask_first(state: Asked) -> dict[str, Any]:
    return {"answers": [f"first: {interrupt({'question': state['questions'][0]})}"]}


async def ask_second(state: Asked) -> dict[str, Any]:
    return {"answers": [f"second: {interrupt({'question': state['questions'][1]})}"]}


async def ask_last(state: Asked) -> dict[str, Any]:
    await noted("asks last")
    return {"answers": [f"last: {interrupt({'question': state['questions'][2]})}"]}


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Echo(GenericFakeChatModel):
    """Says what it was told, in pieces, and what that cost."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        yield from super()._stream(*args, **kwargs)
        usage = UsageMetadata(input_tokens=7, output_tokens=3, total_tokens=10)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))


async def reply(state: Chat) -> dict[str, Any]:
    said = state["messages"][-1].text.split("\n")[0]
    model = Echo(messages=iter([AIMessage(f"You said: {said}")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


def _worker() -> Any:
    graph = StateGraph(Work)
    graph.add_node("prepare", prepare)
    graph.add_node("work", work)
    graph.add_edge(START, "prepare")
    graph.add_edge("prepare", "work")
    graph.add_edge("work", END)
    return graph.compile(name="worker")


def _asker() -> Any:
    graph = StateGraph(Asked)
    for node in (ask_first, ask_second, ask_last):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "ask_first")
    graph.add_edge(START, "ask_second")
    graph.add_edge(["ask_first", "ask_second"], "ask_last")
    graph.add_edge("ask_last", END)
    return graph.compile(name="asker")


def _chat() -> Any:
    graph = StateGraph(Chat)
    graph.add_node("reply", reply)
    graph.add_edge(START, "reply")
    graph.add_edge("reply", END)
    return graph.compile(name="chat")


def _planned() -> Any:
    from fanwise.graph import build_graph

    return build_graph()


worker, asker, chat, planned = _worker(), _asker(), _chat(), _planned()
