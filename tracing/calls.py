"""What an attempt calls: models and tools, with arguments, sizes, times and tokens. Noted where somebody asks for it.

Whoever writes trace files puts a `CallLog` into `CALLS` before the run begins; attempts note in it what they called.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.tracers.context import register_configure_hook

from .redact import as_json_text

MOST = 500
"""Calls of one attempt that are noted."""


@dataclass
class CallLog:
    """What the attempts of a run have called."""

    models: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    """By task id and the attempt's number."""
    tools: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, task_id: str, attempt: int, handler: CallHandler) -> None:
        """Note what an attempt called; what an earlier one of the same number called goes before it."""
        key = (task_id, attempt)
        for kept, calls in ((self.models, handler.models), (self.tools, handler.tools)):
            if calls:
                kept.setdefault(key, []).extend(calls)


CALLS: ContextVar[CallLog | None] = ContextVar("fanwise_calls", default=None)
"""Where calls are noted; nowhere, unless trace files are written."""


class CallHandler(BaseCallbackHandler):
    """Notes what is called."""

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = []
        self.tools: list[dict[str, Any]] = []
        self._open: dict[UUID, tuple[dict[str, Any], float]] = {}

    def on_tool_start(self, serialized: dict[str, Any] | None, input_str: str, *, run_id: UUID, **told: Any) -> None:
        """Note a tool's call."""
        given = told.get("inputs")
        self._begin(
            run_id,
            self.tools,
            name=told.get("name") or (serialized or {}).get("name") or "tool",
            id=told.get("tool_call_id"),
            arguments=input_str if given is None else given,
        )

    def on_tool_end(self, output: Any, *, run_id: UUID, **told: Any) -> None:
        """Note what it returned."""
        result = output.content if isinstance(output, BaseMessage) else output
        call_id = getattr(output, "tool_call_id", None)
        text = result if isinstance(result, str) else as_json_text(result)
        failed = getattr(output, "status", None) == "error"
        self._end(
            run_id,
            result=result,
            result_chars=len(text),
            error=text if failed else None,
            **({"id": call_id} if call_id else {}),
        )

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Note its error."""
        self._end(run_id, error=_line(error))

    def on_chat_model_start(
        self, serialized: dict[str, Any] | None, messages: list[list[BaseMessage]], *, run_id: UUID, **told: Any
    ) -> None:
        """Note a model's call."""
        self._model(run_id, told, sum(len(batch) for batch in messages))

    def on_llm_start(self, serialized: dict[str, Any] | None, prompts: list[str], *, run_id: UUID, **told: Any) -> None:
        """Note a model's call."""
        self._model(run_id, told, len(prompts))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **told: Any) -> None:
        """Note what it used, and which tools it asks for."""
        message = getattr(response.generations[0][0], "message", None) if response.generations else None
        usage = getattr(message, "usage_metadata", None)
        asked = [str(call.get("name")) for call in getattr(message, "tool_calls", None) or ()]
        answered = (getattr(message, "response_metadata", None) or {}).get("model_name")
        self._end(
            run_id, usage=dict(usage) if usage else None, tools=asked, **({"model": answered} if answered else {})
        )

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Note its error."""
        self._end(run_id, error=_line(error))

    def _model(self, run_id: UUID, told: Mapping[str, Any], messages: int) -> None:
        name = (told.get("metadata") or {}).get("ls_model_name") or told.get("name")
        self._begin(run_id, self.models, model=name, messages=messages, usage=None, tools=[])

    def _begin(self, run_id: UUID, calls: list[dict[str, Any]], **fields: Any) -> None:
        if len(calls) >= MOST:
            return
        call = {**fields, "error": None, "started_at": datetime.now(UTC).isoformat(), "duration_s": None}
        calls.append(call)
        self._open[run_id] = (call, time.monotonic())

    def _end(self, run_id: UUID, **fields: Any) -> None:
        call, begun = self._open.pop(run_id, (None, 0.0))
        if call is not None:
            call.update(fields, duration_s=round(time.monotonic() - begun, 6))


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_HANDLER: ContextVar[CallHandler | None] = ContextVar("fanwise_call_handler", default=None)
register_configure_hook(_HANDLER, inheritable=True)


@contextmanager
def calls_of(task_id: str, attempt: int) -> Iterator[None]:
    """Note what is called inside as an attempt's calls."""
    log = CALLS.get()
    if log is None:
        yield
        return
    handler = CallHandler()
    token = _HANDLER.set(handler)
    try:
        yield
    finally:
        _HANDLER.reset(token)
        log.take(task_id, attempt, handler)
