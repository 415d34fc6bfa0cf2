"""The client behind a request: its progress, its user, its connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.fastmcp import Context
from mcp.types import ElicitationCapability

from .mcp_progress import Progress
from .mcp_questions import Reply, User
from .mcp_runs import Client

DROPPED = "fanwise.dropped"
"""Key of an HTTP request's scope: an event that is set when its connection is gone."""


@asynccontextmanager
async def client_of(ctx: Context[Any, Any, Any], known: Collection[str]) -> AsyncIterator[Client]:
    """Yield the client that waits for a request; at the end, what it was not yet told is sent.

    Args:
        ctx: the request's context.
        known: specialists that an edited plan may name.
    """
    async with Progress(_sender(ctx)) as progress:
        yield Client(progress, User(_elicitor(ctx), known) if _can_ask(ctx) else None, _dropped(ctx))


def _sender(ctx: Context[Any, Any, Any]) -> Any:
    meta = ctx.request_context.meta
    return None if meta is None or meta.progressToken is None else ctx.report_progress


def _can_ask(ctx: Context[Any, Any, Any]) -> bool:
    """Tell whether the client can put a form to its user; one that says no kind of question can show forms."""
    params = ctx.session.client_params
    can: ElicitationCapability | None = None if params is None else params.capabilities.elicitation
    return can is not None and (can.form is not None or can.url is None)


def _elicitor(ctx: Context[Any, Any, Any]) -> Any:
    async def elicit(message: str, form: dict[str, Any]) -> Reply:
        result = await ctx.session.elicit_form(message, form, related_request_id=ctx.request_id)
        return Reply(result.action, result.content or {})

    return elicit


def _dropped(ctx: Context[Any, Any, Any]) -> asyncio.Event:
    request = ctx.request_context.request
    found = request.scope.get(DROPPED) if request is not None else None
    return found if isinstance(found, asyncio.Event) else asyncio.Event()
