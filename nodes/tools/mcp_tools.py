"""Tools of MCP servers: called once, or given to an agent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, ToolException
from pydantic import JsonValue

from ...schema.words import Nearest, listed
from ..untrusted import as_data
from .mcp_servers import McpToolError, Server, needs_approval
from .mcp_sessions import ServerError, told

if TYPE_CHECKING:
    from langchain.agents.middleware.human_in_the_loop import InterruptOnConfig
    from mcp import ClientSession
    from mcp.types import CallToolResult

RESULT_CHARS = 200_000
"""Characters of a tool's text that are kept."""


PAGES = 100
"""Pages of a server's list of tools; one that never ends is left."""


@dataclass(frozen=True, slots=True)
class McpTools:
    """Tools for an agent, and which of them a person approves."""

    tools: list[BaseTool]
    approve: dict[str, InterruptOnConfig]


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


async def load_tools(
    sessions: Mapping[str, ClientSession], servers: Mapping[str, Server], only: Collection[tuple[str, str]] = ()
) -> McpTools:
    """Return the tools of servers for an agent.

    Args:
        sessions: by the servers' names.
        servers: their configurations.
        only: pairs of server and tool, `*` for all of a server; all tools of all servers if empty.

    Raises:
        McpToolError: a tool that is named, in `only` or under `approve`, is not there.
    """
    found = McpTools([], {})
    for server, session in sessions.items():
        tools = await _tools(server, session, servers[server].timeout_s)
        approve = servers[server].approve
        wanted = [tool for place, tool in only if place == server and tool != "*"]
        takes_all = not only or (server, "*") in only
        check_names([*wanted, *(approve if approve != "*" else ())], list(tools), server)
        for name, tool in tools.items():
            if not takes_all and name not in wanted:
                continue
            tool.name = _shown(name if len(sessions) == 1 else f"{server}__{name}", {t.name for t in found.tools})
            found.tools.append(tool)
            if needs_approval(servers[server], name):
                found.approve[tool.name] = _question(server, name)
    return found


def _question(server: str, tool: str) -> InterruptOnConfig:
    """Return how a person is asked about a call: by the tool's own name, and its server's."""

    from langchain.agents.middleware.human_in_the_loop import InterruptOnConfig

    def described(tool_call: Any, state: Any, runtime: Any) -> str:
        return f"Call {tool} of the MCP server {server}?"

    return InterruptOnConfig(allowed_decisions=["approve", "edit", "reject"], description=described)


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


async def _tools(server: str, session: ClientSession, timeout_s: float) -> dict[str, BaseTool]:
    from langchain_mcp_adapters.tools import load_mcp_tools

    async def call(request: Any, handler: Any) -> Any:
        try:
            return await guarded(f"{server}/{request.name}", handler(request), timeout_s)
        except ServerError as error:
            raise ToolException(str(error)) from error

    tools = await load_mcp_tools(session, tool_interceptors=[call], handle_tool_errors=False, server_name=server)
    for tool in tools:
        tool.handle_tool_error = _error_text
    return {tool.name: tool for tool in tools}


def _error_text(error: ToolException) -> str:
    """Return a tool's error for the model; what it says comes from elsewhere, as its results do."""
    return as_data("a tool's error", str(error), 4_000)


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


def _shown(name: str, taken: Collection[str]) -> str:
    """Return a name that models' servers accept, and that no other tool has."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60] or "tool"
    number, free = 2, plain
    while free in taken:
        number, free = number + 1, f"{plain}_{number}"
    return free
