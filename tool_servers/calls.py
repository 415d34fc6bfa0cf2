"""Calls of MCP servers' tools, with what may go wrong told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from jsonschema.validators import validator_for
from pydantic import JsonValue

from ..schema.words import Nearest, listed, path_text
from .servers import McpToolError
from .sessions import ENDED, ServerError, told

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult, Tool

RESULT_CHARS = 200_000
"""Characters of a tool's text that are kept."""

PAGES = 100
"""Pages of a server's list of tools; one that never ends is left."""

_ANSWERS = (-32600, -32601, -32602, -32603)
"""Codes of errors with which a server answers a call; others tell that the connection has failed."""


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
    check_names([tool], await tools_of(session), name)
    result = await result_of(session, name, tool, arguments, timeout_s)
    structured: JsonValue = result.structuredContent
    return result_text(result) if structured is None else structured


async def result_of(
    session: ClientSession, name: str, tool: str, arguments: Mapping[str, Any], timeout_s: float
) -> CallToolResult:
    """Return the result of a tool that is known to be there; see `call_tool`.

    Raises:
        McpToolError: it failed.
        ServerError: the server went away, or did not answer in time.
    """
    result: CallToolResult = await guarded(f"{name}/{tool}", session.call_tool(tool, dict(arguments)), timeout_s)
    if result.isError:
        raise McpToolError(f"MCP tool {name}/{tool} failed: {result_text(result)[:1_000]}")
    return result


def check_names(wanted: Collection[str], there: Collection[str], server: str) -> None:
    """Refuse a tool that a server does not have.

    Raises:
        McpToolError: naming the nearest that it has.
    """
    for name in wanted:
        if name not in there:
            hint = Nearest(there).hint(name, f"; it has {listed(there)}")
            raise McpToolError(f"MCP server {server!r} has no tool {name!r}{hint}")


async def tools_of(session: ClientSession) -> dict[str, Tool]:
    """Return all tools of a server by name; it may tell them page by page."""
    page = await session.list_tools()
    tools = list(page.tools)
    for _ in range(PAGES):
        if page.nextCursor is None:
            break
        page = await session.list_tools(cursor=page.nextCursor)
        tools.extend(page.tools)
    return {tool.name: tool for tool in tools}


def check_arguments(tool: Tool, names: Collection[str]) -> None:
    """Refuse names of arguments that a tool does not list, unless it says that it takes others: many drop them.

    Raises:
        McpToolError: naming the nearest that it has.
    """
    known = tool.inputSchema.get("properties") or {}
    if not known or tool.inputSchema.get("additionalProperties"):
        return
    for name in names:
        if name not in known:
            hint = Nearest(known).hint(name, f"; it takes {listed(known)}")
            raise McpToolError(f"MCP tool {tool.name!r} has no argument {name!r}{hint}")


def refused(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Return why a tool's schema does not allow arguments, or nothing; servers word that in many ways."""
    try:
        errors = list(validator_for(tool.inputSchema)(tool.inputSchema).iter_errors(dict(arguments)))
    except Exception:  # a schema of a server's own may be anything
        return ""
    return "; ".join(
        f"{path_text(error.absolute_path) or 'arguments'}: {' '.join(error.message.split())[:200]}"
        for error in errors[:5]
    )


async def guarded(name: str, call: Any, timeout_s: float) -> Any:
    """Return what a call comes to.

    Raises:
        ServerError: the session broke, or the answer did not come in time.
    """
    import anyio
    from mcp import McpError
    from mcp.types import CONNECTION_CLOSED

    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except TimeoutError:
        raise ServerError(f"MCP tool {name}: no answer within {timeout_s:g} s") from None
    except McpError as error:
        if error.error.code in _ANSWERS:
            raise McpToolError(f"MCP tool {name} failed: {error.error.message[:1_000]}") from error
        said = " ".join(str(error).split())[:300]
        text = f"{ENDED} ({said})" if error.error.code == CONNECTION_CLOSED else said
        raise ServerError(f"MCP tool {name}: {text}") from error
    except (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError) as error:
        raise ServerError(f"MCP tool {name}: {ENDED} ({told(error)})") from error


def texts_of(result: CallToolResult) -> list[str]:
    """Return the texts of a result, its other content left out."""
    return [text for text in map(_text, result.content) if text is not None]


def _text(item: Any) -> str | None:
    """Return the text of a part of a result, or of the resource in it."""
    text = getattr(item, "text", None)
    text = getattr(getattr(item, "resource", None), "text", None) if text is None else text
    return text if isinstance(text, str) else None


def result_text(result: CallToolResult) -> str:
    """Return the text of a result; other content is named in its place."""
    texts = ((_text(item), item.type) for item in result.content)
    whole = "\n".join(f"[{kind}]" if text is None else text for text, kind in texts)
    return whole if len(whole) <= RESULT_CHARS else f"{whole[:RESULT_CHARS]}\n[... more was left out]"
