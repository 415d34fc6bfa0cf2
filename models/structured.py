"""A model's answer as JSON of a given schema: by the provider's own means, else by a tool call, else as plain text.

The answer is read as a stream, so that what is already there can be used while the rest is being written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pydantic_core
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableSequence

from .faults import Fault, ModelAnswerError, fault_of
from .streaming import Streaming

Method = Literal["json_schema", "function_calling", "plain"]
"""How a model is asked for JSON: a schema that its provider enforces, a tool call, or a request in words."""

METHODS: tuple[Method, ...] = ("json_schema", "function_calling", "plain")


@dataclass
class StructuredModel:
    """A chat model that answers with JSON."""

    model: BaseChatModel
    schema: Mapping[str, Any]
    """A JSON schema of an object, with a `title` (a tool's name) and a `description`."""
    methods: list[Method] = field(init=False)
    """What is tried, the best first; what a server refuses is tried no more."""
    streaming: Streaming = field(init=False)

    def __post_init__(self) -> None:
        self.streaming = Streaming(self.model)
        profile = getattr(self.model, "profile", None) or {}
        known: dict[Method, Any] = {
            "json_schema": profile.get("structured_output"),
            "function_calling": profile.get("tool_calling"),
            "plain": True,
        }
        self.methods = [method for method in METHODS if known[method] is not False]

    async def stream(self, messages: Sequence[BaseMessage]) -> AsyncIterator[str]:
        """Yield the answer's JSON as it is written: each item is all of its text so far.

        Raises:
            ModelAnswerError: the answer was cut off: by its length, by the server's filter, or on its way.
            Exception: whatever the provider's client raises; see `faults`.
        """
        while True:
            method, text = self.methods[0], ""
            try:
                async for text in self._stream(method, messages):
                    yield text
                return
            except Exception as error:
                if text or len(self.methods) == 1 or not is_unsupported(error, fault_of(error)):
                    raise
                self.methods = self.methods[1:]

    async def _stream(self, method: Method, messages: Sequence[BaseMessage]) -> AsyncIterator[str]:
        text, ended, cancels = "", "", _cancels()
        async for chunk in self._chunks(method, messages):
            if _cancels() > cancels:
                raise asyncio.CancelledError  # `asyncio.wait_for` before 3.12 loses it where a chunk comes meanwhile
            more = _arguments(chunk) if method == "function_calling" else chunk.text
            ended = chunk.response_metadata.get("finish_reason") or ended
            if more:
                text += more
                yield text
            if method == "function_calling" and not text and chunk.text:
                continue  # some models speak before they call
        if ended == "length":
            raise ModelAnswerError("the answer is longer than the model may write")
        if ended == "content_filter":
            raise ModelAnswerError("the server's filter ended the answer", "content_filter")

    def _chunks(self, method: Method, messages: Sequence[BaseMessage]) -> AsyncIterator[AIMessageChunk]:
        if method == "plain":
            return self.streaming.chunks(self.model, [*messages, HumanMessage(in_words(self.schema))])
        return self.streaming.chunks(self._bound(method), list(messages))

    def _bound(self, method: Method) -> Runnable[Any, Any]:
        """Return the model as its provider's integration sets it up to answer in a shape, without the parser behind it.

        The parser would hold the stream back until its end, and read all of it anew for each token.
        """
        runnable: Runnable[Any, Any] = self.model.with_structured_output(dict(self.schema), method=method)
        return runnable.first if isinstance(runnable, RunnableSequence) else runnable


def read_json(text: str, *, partial: bool = False) -> Any:
    """Return the JSON value in a model's answer, which may stand in a fence or between sentences.

    Args:
        text: the answer.
        partial: whether it may still be unfinished; what is there of it is returned then, or `None`.

    Raises:
        ModelAnswerError: there is none.
    """
    start = text.find("{")
    if start < 0:
        if partial:
            return None
        raise ModelAnswerError("the answer holds no JSON object")
    body = text[start:]
    try:
        if partial:
            return pydantic_core.from_json(body, allow_partial=True)
        return json.JSONDecoder().raw_decode(body)[0]
    except (ValueError, RecursionError) as error:
        if partial:
            return None
        raise ModelAnswerError(f"the answer is no JSON: {error}") from None


def _cancels() -> int:
    """Return how often the running task was asked to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _arguments(chunk: AIMessageChunk) -> str:
    """Return what a chunk adds to the arguments of the answer's first tool call."""
    return "".join(call["args"] or "" for call in chunk.tool_call_chunks if not call.get("index"))


def is_unsupported(error: Exception, fault: Fault | None) -> bool:
    """Tell whether a server refused the way in which it was asked, and not the request."""
    if isinstance(error, NotImplementedError):
        return True
    if fault is None or fault.kind != "refused":
        return False
    status = getattr(error, "status_code", None)
    said = str(error).lower()
    words = ("response_format", "json_schema", "tool", "function", "schema", "structured")
    return status in (400, 404, 422, 501) and any(word in said for word in words)


def in_words(schema: Mapping[str, Any]) -> str:
    text = json.dumps(schema, ensure_ascii=False)
    return f"Answer with one JSON object and nothing else. It has to fit this JSON schema:\n{text}"
