"""Calls of MCP servers' tools, with what may go wrong told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from ..schema.words import Nearest, listed
from .servers import McpToolError
from .sessions import ServerError, told

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult

RESULT_CHARS = 200_000
"""Characters of a tool's text that are kept."""

PAGES = 100
"""Pages of a server's list of tools; one that never ends is left."""


async def call_tool(
    session: ClientSession, name: str, tool: str, arguments: Mapping[str, Any], timeout_s: float
) -> JsonValue:
    """Return what a tool says: its structured result where it has one, else its text.

    Args:
        session: with the server.
        name: the server's name.
        tool: the tool's name.
        arguments: for the tool, as its schema wants them.
        timeout_s: seconds for the call.

    Raises:
        McpToolError: there is no such tool, or it failed.
        ServerError: the server went away, or did not answer in time.
    """
    check_names([tool], await tool_names(session), name)
    result = await guarded(f"{name}/{tool}", session.call_tool(tool, dict(arguments)), timeout_s)
    text = result_text(result)
    if result.isError:
        raise McpToolError(f"MCP tool {name}/{tool} failed: {text[:1_000]}")
    structured: JsonValue = result.structuredContent
    return text if structured is None else structured


def check_names(wanted: Collection[str], there: Collection[str], server: str) -> None:
    """Refuse a tool that a server does not have.

    Raises:
        McpToolError: naming the nearest that it has.
    """
    for name in wanted:
        if name not in there:
            hint = Nearest(there).hint(name, f"; it has {listed(there)}")
            raise McpToolError(f"MCP server {server!r} has no tool {name!r}{hint}")


async def tool_names(session: ClientSession) -> list[str]:
    """Return the names of all tools of a server, which may tell them page by page."""
    page = await session.list_tools()
    names = [tool.name for tool in page.tools]
    for _ in range(PAGES):
        if page.nextCursor is None:
            break
        page = await session.list_tools(cursor=page.nextCursor)
        names.extend(tool.name for tool in page.tools)
    return names


async def guarded(name: str, call: Any, timeout_s: float) -> Any:
    """Return what a call comes to.

    Raises:
        ServerError: the session broke, or the answer did not come in time.
    """
    import anyio
    from mcp import McpError

    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except TimeoutError:
        raise ServerError(f"MCP tool {name}: no answer within {timeout_s:g} s") from None
    except McpError as error:
        raise ServerError(f"MCP tool {name}: {' '.join(str(error).split())[:300]}") from error
    except (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError) as error:
        raise ServerError(f"MCP tool {name}: the server went away ({told(error)})") from error


def result_text(result: CallToolResult) -> str:
    """Return the text of a result; other content is named in its place."""
    parts = []
    for item in result.content:
        text = getattr(item, "text", None) or getattr(getattr(item, "resource", None), "text", None)
        parts.append(text if isinstance(text, str) else f"[{item.type}]")
    whole = "\n".join(parts)
    return whole if len(whole) <= RESULT_CHARS else f"{whole[:RESULT_CHARS]}\n[... more was left out]"
