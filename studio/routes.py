"""What the server offers beside LangGraph's own API: a thread's timeline, health, and metrics.

| path | |
|---|---|
| `/fanwise/health` | whether graphs can be run, with versions |
| `/fanwise/metrics` | runs, tasks and attempts of this process, for Prometheus |
| `/fanwise/threads/{thread_id}/timeline` | a page that draws the thread's run, and follows it |
| `/fanwise/threads/{thread_id}/timeline.json` | the same as data |
| `/fanwise/threads/{thread_id}/events` | what changes, as server-sent events |
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import get_args

import httpx
from langgraph_sdk.client import LangGraphClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..schema.errors import FanwiseError
from ..schema.words import install
from ..timeline.live import events_headers, live_page, messages, page_headers
from ..timeline.model import Timeline
from ..timeline.page import Theme, as_data
from .guard import Guard
from .thread_source import NotAllowed, NotFound, ThreadSource
from .watch import WATCH

FORWARDED = ("authorization", "x-api-key", "cookie")
"""Headers by which the server knows who asks."""


async def health(request: Request) -> Response:
    """Tell whether graphs can be run.

    ---
    summary: Whether graphs can be run
    tags: [Fanwise]
    responses:
      '200': {description: it, content: {application/json: {}}}
    """
    from .app import FAMILY

    packages = {name: version(name) for name in ("fanwise", "langgraph", "langgraph-api")}
    models = [name for _, name in FAMILY.environment.setup.models]
    return JSONResponse({"ok": True, "versions": packages, "workflows": sorted(FAMILY.workflows), "models": models})


async def metrics(request: Request) -> Response:
    """Return the metrics of this process's runs.

    ---
    summary: Metrics of this process's runs, for Prometheus
    tags: [Fanwise]
    responses:
      '200': {description: it, content: {text/plain: {}}}
    """
    counted = WATCH.metrics()
    if counted is None:
        return PlainTextResponse(f"metrics need the package prometheus-client: {install('serve')}\n", 501)
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Response(generate_latest(counted.registry), media_type=CONTENT_TYPE_LATEST)


async def timeline_page(request: Request) -> Response:
    """Return the page that draws a thread's run.

    ---
    summary: A page that draws a thread's run
    tags: [Fanwise]
    parameters:
      - {name: thread_id, in: path, required: true, schema: {type: string}}
      - {name: theme, in: query, required: false, schema: {type: string, enum: [auto, light, dark]}}
    responses:
      '200': {description: it, content: {text/html: {}}}
      '401': {description: the caller is not let in, content: {application/json: {}}}
      '403': {description: the page that asks is a foreign one, content: {application/json: {}}}
      '404': {description: there is no such thread for this caller, content: {application/json: {}}}
      '409': {description: the thread has no plan yet, content: {application/json: {}}}
      '422': {description: a parameter is not as it has to be, content: {application/json: {}}}
    """
    theme = request.query_params.get("theme", "auto")
    if theme not in get_args(Theme):
        return _refused(422, f"theme: expected one of {', '.join(get_args(Theme))}, got {theme[:40]!r}")
    drawn = await _drawn(request)
    if isinstance(drawn, Response):
        return drawn
    return HTMLResponse(live_page(drawn, theme=theme), headers=page_headers())  # type: ignore[arg-type]  # checked above


async def timeline_data(request: Request) -> Response:
    """Return a thread's run as data.

    ---
    summary: A thread's run as data
    tags: [Fanwise]
    parameters:
      - {name: thread_id, in: path, required: true, schema: {type: string}}
    responses:
      '200': {description: it, content: {application/json: {}}}
      '401': {description: the caller is not let in, content: {application/json: {}}}
      '403': {description: the page that asks is a foreign one, content: {application/json: {}}}
      '404': {description: there is no such thread for this caller, content: {application/json: {}}}
      '409': {description: the thread has no plan yet, content: {application/json: {}}}
      '422': {description: a parameter is not as it has to be, content: {application/json: {}}}
    """
    drawn = await _drawn(request)
    if isinstance(drawn, Response):
        return drawn
    return JSONResponse(as_data(drawn), headers={"Cache-Control": "no-store"})


async def timeline_events(request: Request) -> Response:
    """Send what changes in a thread's run, until the reader goes away.

    ---
    summary: What changes in a thread's run
    tags: [Fanwise]
    parameters:
      - {name: thread_id, in: path, required: true, schema: {type: string}}
    responses:
      '200': {description: it, content: {text/event-stream: {}}}
      '401': {description: the caller is not let in, content: {application/json: {}}}
      '403': {description: the page that asks is a foreign one, content: {application/json: {}}}
      '404': {description: there is no such thread for this caller, content: {application/json: {}}}
      '409': {description: the thread has no plan yet, content: {application/json: {}}}
      '422': {description: a parameter is not as it has to be, content: {application/json: {}}}
    """
    drawn = await _drawn(request)
    if isinstance(drawn, Response):
        return drawn

    async def sent() -> AsyncIterator[str]:
        async with _client(request) as client:
            async for text in messages(_source(client, request)):
                yield text

    return StreamingResponse(sent(), headers=events_headers())


def _source(client: httpx.AsyncClient, request: Request) -> ThreadSource:
    return ThreadSource(LangGraphClient(client), request.path_params["thread_id"], WATCH)


def _client(request: Request) -> httpx.AsyncClient:
    """Return a client of this very server that asks on the caller's behalf."""
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    transport = httpx.ASGITransport(app=request.scope["app"], root_path=request.scope.get("root_path", ""))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=30)


async def _drawn(request: Request) -> Timeline | Response:
    """Return a thread's run, or the answer that says why there is none to see."""
    try:
        async with _client(request) as client:
            return await _source(client, request).timeline()
    except NotAllowed as error:
        return _refused(401, str(error))
    except NotFound as error:
        return _refused(404, str(error))
    except FanwiseError as error:
        return _refused(409, str(error))


def _refused(code: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, code)


app = Starlette(
    routes=[
        Route("/fanwise/health", health),
        Route("/fanwise/metrics", metrics),
        Route("/fanwise/threads/{thread_id}/timeline", timeline_page),
        Route("/fanwise/threads/{thread_id}/timeline.json", timeline_data),
        Route("/fanwise/threads/{thread_id}/events", timeline_events),
    ],
    middleware=[Middleware(Guard, environ=os.environ)],
)
