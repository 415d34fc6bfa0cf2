"""Tools of MCP servers, given to an agent."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, ToolException

from ...tool_servers.calls import check_names, guarded
from ...tool_servers.servers import Server, needs_approval
from ...tool_servers.sessions import ServerError
from ..untrusted import as_data

if TYPE_CHECKING:
    from langchain.agents.middleware.human_in_the_loop import InterruptOnConfig
    from mcp import ClientSession


@dataclass(frozen=True, slots=True)
class McpTools:
    """Tools for an agent, and which of them a person approves."""

    tools: list[BaseTool]
    approve: dict[str, InterruptOnConfig]


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


def _shown(name: str, taken: Collection[str]) -> str:
    """Return a name that models' servers accept, and that no other tool has."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60] or "tool"
    number, free = 2, plain
    while free in taken:
        number, free = number + 1, f"{plain}_{number}"
    return free
