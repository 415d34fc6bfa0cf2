"""Spans below a node's own run: attempts, waits, the work of aggregates. Where nothing is traced they cost nothing.

A span of work is a run of LangChain's callbacks: whatever is called inside becomes its child, and every tracer sees it.
A wait is known only when it is over, and callbacks can't tell of the past; it is handed to LangSmith's tracers, ours
among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import Token
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.langchain import LangChainTracer
from langgraph._internal._runnable import _is_stream_handler  # those of LangGraph's own stream modes
from langgraph.errors import GraphBubbleUp
from langsmith.run_helpers import _set_tracing_context, get_tracing_context  # as LangGraph does for its nodes
from langsmith.run_trees import RunTree

from ..schema.skip import Skip

SHORTEST_S = 0.005
"""A wait that was shorter is none."""


def traced(config: RunnableConfig) -> AsyncCallbackManager | None:
    """Return what tells of runs below this one; `None` where nobody listens."""
    manager = config.get("callbacks")
    if not isinstance(manager, BaseCallbackManager):
        return None
    for handler in manager.handlers:
        if not handler.ignore_chain and not _is_stream_handler(handler):
            return manager if isinstance(manager, AsyncCallbackManager) else _as_async(manager)
    return None


def _as_async(manager: BaseCallbackManager) -> AsyncCallbackManager:
    """Return the manager of a graph that was called without an event loop, for our own."""
    return AsyncCallbackManager(
        handlers=manager.handlers,
        inheritable_handlers=manager.inheritable_handlers,
        parent_run_id=manager.parent_run_id,
        tags=manager.tags,
        inheritable_tags=manager.inheritable_tags,
        metadata=manager.metadata,
        inheritable_metadata=manager.inheritable_metadata,
    )


def run_of(manager: Any, run_id: Any) -> Iterator[RunTree]:
    """Yield a run as LangSmith's tracers know it."""
    for handler in manager.handlers:
        if isinstance(handler, LangChainTracer) and (run := handler.run_map.get(str(run_id))) is not None:
            yield run


def note(manager: Any, run_id: Any, *, tags: Sequence[str] = (), **metadata: Any) -> None:
    """Add metadata and tags to a run that goes on; they are sent with its end."""
    for run in run_of(manager, run_id):
        run.extra["metadata"] = {**(run.extra.get("metadata") or {}), **metadata}
        if tags:
            run.tags = [*(run.tags or ()), *(tag for tag in tags if tag not in (run.tags or ()))]


class Span:
    """Some work below a node's run. `config` is what the work is to be called with."""

    __slots__ = (
        "_explain",
        "_inputs",
        "_is_parent",
        "_manager",
        "_metadata",
        "_name",
        "_outer",
        "_outputs",
        "_run",
        "_tags",
        "_token",
        "config",
    )

    def __init__(
        self,
        config: RunnableConfig,
        name: str,
        *,
        inputs: Any = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        explain: Callable[[BaseException], BaseException] | None = None,
    ) -> None:
        self.config = config
        self._manager = traced(config)
        self._name = name
        self._inputs = inputs
        self._tags = tags
        self._metadata = metadata
        self._explain = explain
        self._outputs: Any = None
        self._run: AsyncCallbackManagerForChainRun | None = None
        self._token: Token[RunnableConfig | None] | None = None
        self._outer: Any = None
        self._is_parent = False

    async def __aenter__(self) -> Span:
        if self._manager is None:
            return self
        manager = self._manager.copy()
        manager.add_tags(list(self._tags), inherit=False)
        manager.add_metadata(dict(self._metadata or {}))  # models and tools inside have it too
        self._run = await manager.on_chain_start(None, self._inputs or {}, name=self._name)
        self.config = {**self.config, "callbacks": self._run.get_child()}
        self._token = var_child_runnable_config.set(self.config)
        parent = next(run_of(self._run, self._run.run_id), None)
        if parent is not None:
            self._outer = get_tracing_context()["parent"]
            _set_tracing_context({"parent": parent})
            self._is_parent = True
        return self

    def ended(self, outputs: Any) -> None:
        """Say what came of it."""
        self._outputs = outputs

    def note(self, *, tags: Sequence[str] = (), **metadata: Any) -> None:
        """Add metadata and tags."""
        if self._run is not None:
            note(self._run, self._run.run_id, tags=tags, **metadata)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is None:
            return
        if self._is_parent:
            _set_tracing_context({"parent": self._outer})
        if self._token is not None:
            var_child_runnable_config.reset(self._token)
        if error is None:
            await self._run.on_chain_end(self._outputs if self._outputs is not None else {})
        elif isinstance(error, Skip):
            self.note(status="skipped")
            await self._run.on_chain_end({"skipped": error.reason})
        else:
            told = error if self._explain is None else self._explain(error)
            timed_out = told is not error and isinstance(told, TimeoutError)  # not one of the work's own
            self.note(status="paused" if isinstance(error, GraphBubbleUp) else "timed_out" if timed_out else "failed")
            await self._run.on_chain_error(told)


def waited(
    config: RunnableConfig, name: str, seconds: float, *, ended_s_ago: float = 0.0, why: str, **inputs: Any
) -> None:
    """Note that a task waited until now, or until some seconds ago."""
    if seconds < SHORTEST_S:
        return
    manager = traced(config)
    if manager is None or manager.parent_run_id is None:
        return
    end = datetime.now(UTC).timestamp() - ended_s_ago
    for parent in run_of(manager, manager.parent_run_id):
        child = parent.create_child(
            name,
            "chain",
            inputs=inputs,
            outputs={"waited_s": round(seconds, 6)},
            start_time=datetime.fromtimestamp(end - seconds, UTC),
            end_time=datetime.fromtimestamp(end, UTC),
            tags=["wait", f"wait:{why}"],
            extra={"metadata": {"wait": why}},
        )
        child.post()
