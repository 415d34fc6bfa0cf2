"""Trace context for other servers: LangSmith's headers, and W3C's `traceparent`, so that runs there go below ours."""

from __future__ import annotations

from urllib.parse import quote

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers.langchain import LangChainTracer
from langsmith.run_trees import RunTree

from .relay import Relay
from .spans import run_of


def trace_headers(config: RunnableConfig) -> dict[str, str]:
    """Return the headers by which a server that is called from here goes on with the trace; none without a trace.

    Ids and the project's name go along, and nothing of what is traced: no inputs, tags or metadata.
    """
    manager = config.get("callbacks")
    if not isinstance(manager, BaseCallbackManager) or manager.parent_run_id is None:
        return {}
    run = next(run_of(manager, manager.parent_run_id), None)
    if run is None:
        return {}
    relay = next((relay for relay in map(_relay, manager.handlers) if relay is not None), None)
    made: dict[str, str] = {}
    if relay is None or relay.settings.to_langsmith:  # a tracer that is not ours is LangSmith's
        made["langsmith-trace"] = str(run.dotted_order)
        if run.session_name:  # a trace's runs belong to one project
            made["baggage"] = f"langsmith-project={quote(run.session_name, safe='')}"
    if relay is not None and relay.settings.to_otel:
        made |= _w3c(run)
    return made


def _relay(handler: object) -> Relay | None:
    client = handler.client if isinstance(handler, LangChainTracer) else None
    return client if isinstance(client, Relay) else None


def _w3c(run: RunTree) -> dict[str, str]:
    """Return `traceparent`: the run's own span; where the process makes spans in its own way, the one that is open."""
    from opentelemetry.propagate import inject
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import get_tracer_provider

    from .semantics import root_ids

    if isinstance(get_tracer_provider(), TracerProvider):  # it draws the ids of our spans itself, and later
        carrier: dict[str, str] = {}
        inject(carrier)
        return carrier
    return {"traceparent": f"00-{root_ids(str(run.trace_id))[0]:032x}-{root_ids(str(run.id))[1]:016x}-01"}
