"""Sessions with MCP servers, which last as long as one piece of work: a started server ends with it."""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from ..schema.errors import FanwiseError
from ..schema.words import install
from .servers import Server, hidden

if TYPE_CHECKING:
    from mcp import ClientSession

NO_MCP = f"it needs the extra for MCP: {install('mcp')}"
"""What is lacking where the libraries are not installed."""

ENDED = "the server ended, or closed the connection, before it had answered"
"""What is told of a server that goes away in the middle of a call."""

CONNECT_S = 30.0
"""Seconds in which a server has to be there: a first start may have to download it."""

Answer = TypeVar("Answer")


class ServerError(FanwiseError):
    """An MCP server could not be started or reached, or went away; nothing says that it will not come back."""


def is_installed() -> bool:
    """Tell whether the extra for MCP is there."""
    return all(importlib.util.find_spec(name) for name in ("mcp", "langchain_mcp_adapters"))


async def with_sessions(
    servers: Mapping[str, Server], work: Callable[[dict[str, ClientSession]], Awaitable[Answer]]
) -> Answer:
    """Return what some work with servers comes to; they are connected before it, and let go after it.

    The work's own errors come out as they are: the task groups inside would put them, a question to a person too, into
    groups of exceptions.

    Raises:
        ServerError: a server is not there, or went away meanwhile.
    """
    held: BaseException | None = None
    answer: Any = None
    try:
        async with AsyncExitStack() as stack:
            sessions = {name: await stack.enter_async_context(_session(name, s)) for name, s in servers.items()}
            try:
                answer = await work(sessions)
            except BaseException as error:
                held = error
    except BaseException as error:
        if _is_cancelled() or isinstance(error, ServerError | asyncio.CancelledError):
            raise
        if held is None or isinstance(held, asyncio.CancelledError):
            text = f"{ENDED} ({told(error)})" if _is_broken(error) else told(error)
            raise ServerError(f"MCP server {', '.join(map(repr, servers))}: {text}") from error
    if held is not None:
        raise held
    result: Answer = answer
    return result


def _is_broken(error: BaseException) -> bool:
    """Tell whether a connection over HTTP broke."""
    import httpx

    return isinstance(next(leaves(error)), httpx.NetworkError | httpx.RemoteProtocolError)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def _session(name: str, server: Server) -> AsyncIterator[ClientSession]:
    """Connect one server. What it writes to its standard error is kept for the message, should it fail."""
    from mcp import ClientSession

    written = server.model_dump()
    try:
        server = server.expanded()
    except FanwiseError as error:
        raise ServerError(f"MCP server {name!r}: {error}") from None
    ready = False
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        try:
            async with (
                _transport(server, said) as (read, write),
                ClientSession(read, write, timedelta(seconds=server.timeout_s + CONNECT_S)) as session,
            ):
                async with asyncio.timeout(CONNECT_S):
                    await session.initialize()
                ready = True
                yield session
        except BaseException as error:
            if ready or _is_cancelled() or isinstance(error, asyncio.CancelledError):
                raise
            why = f"{_not_there(server, error)}{_last_words(said)}"
            raise ServerError(hidden(f"MCP server {name!r}: {why}", written)) from error


@asynccontextmanager
async def _transport(server: Server, said: TextIO) -> AsyncIterator[tuple[Any, Any]]:
    if server.command is not None:
        from mcp.client.stdio import StdioServerParameters, stdio_client

        started = StdioServerParameters(command=server.command, args=server.args, env=server.env, cwd=server.cwd)
        async with stdio_client(started, errlog=said) as (read, write):
            yield read, write
    elif server.transport == "sse":
        from mcp.client.sse import sse_client

        async with sse_client(str(server.url), server.headers, sse_read_timeout=server.timeout_s) as (read, write):
            yield read, write
    else:
        import httpx
        from mcp.client.streamable_http import streamable_http_client

        limits = httpx.Timeout(CONNECT_S, read=server.timeout_s + CONNECT_S)  # the session's own limit comes first
        async with (
            httpx.AsyncClient(headers=server.headers, timeout=limits) as client,
            streamable_http_client(str(server.url), http_client=client) as (read, write, _),
        ):
            yield read, write


def _not_there(server: Server, error: BaseException) -> str:
    first = next(leaves(error))
    if isinstance(first, FileNotFoundError) and server.command is not None:
        return f"there is no command {server.command!r}; install it, or give its path"
    if isinstance(first, TimeoutError):
        return f"no answer within {CONNECT_S:g} s"
    place = "did not start" if server.command is not None else f"can't be reached at {server.url}"
    return f"{place}: {told(error)}"


def _last_words(said: TextIO) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read()[-4_000:].splitlines() if line.strip()]
    return f"; it said: {' | '.join(lines[-3:])[-600:]}" if lines else ""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group, or the one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def told(error: BaseException) -> str:
    """Return in a line what happened."""
    first = next(leaves(error))
    return f"{type(first).__name__}: {' '.join(str(first).split())[:300]}"
