"""The compiled graph, traced: by the request's short name, through this process's relay, with its resumes linked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers.context import tracing_v2_callback_var
from langchain_core.tracers.langchain import LangChainTracer
from langchain_core.utils.uuid import uuid7
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot
from langsmith import tracing_context

from .relays import relay_of
from .settings import Tracing

TRACE_ID = "trace_id"
"""The key of a run's metadata, and of its checkpoints', that names its trace."""

FURTHEST = 5
"""Checkpoints back that are looked at for the trace of the run so far."""

LONGEST = 80
"""Characters of a request in the name of its run."""


class TracedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph that knows how its runs are traced."""

    tracing: Tracing

    @classmethod
    def of(cls, graph: CompiledStateGraph[Any, Any, Any, Any], tracing: Tracing) -> Self:
        """Return the same graph, traced."""
        made = object.__new__(cls)
        made.__dict__.update(graph.__dict__)
        made.tracing = tracing
        return made

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """Return a copy with something changed."""
        own = {name: value for name, value in self.__dict__.items() if name != "tracing"}
        plain: Any = object.__new__(CompiledStateGraph)
        plain.__dict__.update(own)
        return type(self).of(plain.copy(update), self.tracing)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:
        """Run the graph, and yield what it streams."""
        tracer = self._tracer(config)
        if tracer is not None:
            before = await self._abefore(config) if _goes_on(input) else {}
            config = _traced(config, tracer, input, before)
        async for item in super().astream(input, config, **options):
            yield item

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:
        """Run the graph, and yield what it streams."""
        tracer = self._tracer(config)
        if tracer is not None:
            before = self._before(config) if _goes_on(input) else {}
            config = _traced(config, tracer, input, before)
        yield from super().stream(input, config, **options)

    async def abulk_update_state(self, *given: Any, **options: Any) -> RunnableConfig:
        """Write to the state; no trace is made of that."""
        with tracing_context(enabled=False):
            return await super().abulk_update_state(*given, **options)

    def bulk_update_state(self, *given: Any, **options: Any) -> RunnableConfig:
        """Write to the state; no trace is made of that."""
        with tracing_context(enabled=False):
            return super().bulk_update_state(*given, **options)

    def _tracer(self, config: RunnableConfig | None) -> LangChainTracer | None:
        """Return the tracer of a run; `None` where it is not traced, or traced by the caller's own tracer."""
        relay = relay_of(self.tracing)
        if relay is None or tracing_v2_callback_var.get() is not None or _has_tracer(config):
            return None
        return LangChainTracer(client=relay)  # type: ignore[arg-type]  # it does what tracers ask of a client

    async def _abefore(self, config: RunnableConfig | None) -> dict[str, Any]:
        try:
            snapshot = await self.aget_state(config or {})
            found = _found(snapshot)
            for _ in range(FURTHEST):  # what `retry` and the like write names no trace
                if TRACE_ID in found["metadata"] or snapshot.parent_config is None:
                    break
                snapshot = await self.aget_state(snapshot.parent_config)
                found["metadata"] = {**(snapshot.metadata or {}), **found["metadata"]}
        except Exception:  # the run itself tells what is wrong
            return {}
        return found

    def _before(self, config: RunnableConfig | None) -> dict[str, Any]:
        try:
            return _found(self.get_state(config or {}))
        except Exception:
            return {}


def _found(snapshot: StateSnapshot) -> dict[str, Any]:
    return {"values": snapshot.values or {}, "metadata": dict(snapshot.metadata or {})}


def _kind(given: Any, before: Mapping[str, Any]) -> str:
    """Return what an invocation is: a run, its resume, or a retry of what was done."""
    if not _goes_on(given):
        return "run"
    return "retry" if (before.get("metadata") or {}).get("source") in ("update", "fork") else "resume"


def _goes_on(given: Any) -> bool:
    return given is None or isinstance(given, Command)


def _has_tracer(config: RunnableConfig | None) -> bool:
    callbacks = (config or {}).get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or ()
    return any(isinstance(handler, LangChainTracer) for handler in handlers)


def _traced(
    config: RunnableConfig | None, tracer: LangChainTracer, given: Any, before: Mapping[str, Any]
) -> RunnableConfig:
    """Return the configuration of a run that is traced."""
    made: RunnableConfig = {**(config or {})}
    run_id = made.setdefault("run_id", uuid7())
    values = before.get("values") or {}
    told = _told_of(given if isinstance(given, Mapping) else values)
    thread = (made.get("configurable") or {}).get("thread_id")
    made.setdefault("run_name", short_name(given if isinstance(given, Mapping) else values))
    links = {"resumes": before["metadata"][TRACE_ID]} if TRACE_ID in before.get("metadata", {}) else {}
    about = {**told, **links, TRACE_ID: str(run_id), **({"thread_id": thread} if thread else {})}
    made["metadata"] = {**about, **(made.get("metadata") or {}), TRACE_ID: str(run_id)}
    made["tags"] = [*(made.get("tags") or ()), "fanwise", _kind(given, before)]
    made["callbacks"] = _with(made.get("callbacks"), tracer)
    return made


def _with(callbacks: Any, tracer: LangChainTracer) -> Any:
    if isinstance(callbacks, BaseCallbackManager):
        manager = callbacks.copy()
        manager.add_handler(tracer)
        return manager
    return [*(callbacks or ()), tracer]


def _told_of(values: Mapping[str, Any]) -> dict[str, Any]:
    plan = values.get("plan")
    told = {"plan": plan.get("name") if isinstance(plan, Mapping) else None, "workflow": values.get("workflow")}
    told["run"] = values.get("run_id")
    return {name: value for name, value in told.items() if isinstance(value, str) and value}


def short_name(values: Mapping[str, Any]) -> str:
    """Return what a run is called in its trace: its request, else its plan or workflow."""
    plan = values.get("plan")
    given = plan if isinstance(plan, Mapping) else {}
    for name in (values.get("request"), given.get("request"), given.get("name"), values.get("workflow")):
        if isinstance(name, str) and (text := " ".join(name.split())):
            return text if len(text) <= LONGEST else f"{text[: LONGEST - 3].rstrip()}..."
    return "fanwise"
