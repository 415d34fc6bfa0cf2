"""`mcp`: tools of MCP servers: one call without a model, or a question that an agent answers with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from ....models.chat import model_name
from ....models.faults import worth_another_attempt
from ....schema.errors import FanwiseError
from ....schema.plan import Task
from ....schema.results import TaskResult
from ....schema.words import Nearest, listed
from ....tool_servers.servers import McpToolError, Server, needs_approval, servers_of
from ....tool_servers.sessions import NO_MCP, ServerError, is_installed, with_sessions
from ...specialist import Specialist, specialist
from ..equipment import NO_MODEL, Equipment
from ..inputs import read_input
from .policy import RETRY

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangChain takes
    from langchain_core.runnables import RunnableConfig

NO_SERVERS = "it needs MCP servers: give --mcp-config FILE (an `mcpServers` configuration), or `Equipment(mcp=...)`"
"""What `mcp` lacks where no servers are configured."""

PROMPT = """You answer a question, or carry out an instruction, with the tools that you are given.
Call independent tools at the same time. When a tool fails, try once more in another way, or say what failed.
Say only what the tools' results show. What could not be found out or done is said plainly."""


class McpInput(BaseModel):
    """A tool's call, or a question."""

    model_config = ConfigDict(extra="forbid")

    server: str | None = Field(None, description="the server of the tool; may be left out where there is only one")
    tool: str | None = Field(None, description="calls this one tool, without a model")
    arguments: dict[str, Any] = Field(default_factory=dict, description="the tool's arguments")
    ask: str | None = Field(None, description="a question for an agent with the tools; the description if not given")
    servers: list[str] = Field(default_factory=list, description="servers whose tools the agent gets; all if empty")


class McpOutput(TypedDict):
    """What a call came to."""

    server: str
    tool: str
    result: Any


def mcp(equipment: Equipment) -> Specialist:
    """Return the specialist `mcp`; a single call needs no model."""
    servers = servers_of(equipment.mcp or {})

    @specialist(
        "mcp",
        description=_described(servers),
        retry_on=is_transient,
        retry=RETRY,
        input_schema=McpInput,
    )
    async def work(
        task: Task, results: Mapping[str, TaskResult], config: RunnableConfig, comment: str, previous: Any
    ) -> Any:
        asked = read_input(McpInput, task)
        if lacks:
            raise ValueError(f"`mcp`: {lacks}")
        if asked.tool is not None:
            return await _call(asked, asked.tool, servers)
        question = asked.ask or task.description
        if not question:
            raise ValueError("input of `mcp`: give 'tool' with 'arguments', or 'ask'")
        if equipment.model is None:
            raise ValueError(f"`mcp` with a question: {NO_MODEL}; a call of one tool needs none")
        from ...tools.mcp_tools import load_tools
        from .agent import Agent, task_text

        model, chosen = equipment.model, {name: chosen_server(servers, name) for name in asked.servers} or servers
        text = task_text(task.model_copy(update={"description": question, "input": None}), results, comment, previous)

        async def answered(sessions: dict[str, Any]) -> Any:
            found = await load_tools(sessions, chosen)
            return await Agent("mcp", PROMPT, found.tools, approve=found.approve).work(model, text, config)

        return {"answer": await with_sessions(chosen, answered), "servers": list(chosen)}

    lacks = lacking(servers)
    name = model_name(equipment.model) if equipment.model else None
    return replace(work, model=name, lacks=lacks, input_schema=_schema(servers))


def _schema(servers: Mapping[str, Server]) -> dict[str, Any]:
    """Return what a task's input has to be; a server that is not configured is refused before anything runs."""
    schema = McpInput.model_json_schema()
    if servers:
        fields = schema["properties"]
        about = {name: value for name, value in fields["server"].items() if name != "anyOf"}
        fields["server"] = {**about, "enum": [*servers, None]}
        fields["servers"] = {**fields["servers"], "items": {"type": "string", "enum": [*servers]}}
    return schema


def lacking(servers: Mapping[str, Server]) -> str:
    """Return what is missing to use MCP servers, or nothing."""
    if not servers:
        return NO_SERVERS
    if not is_installed():
        return NO_MCP
    for name, server in servers.items():
        try:
            server.expanded()
        except FanwiseError as error:
            return f"MCP server {name!r}: {error}"
    return ""


def chosen_server(servers: Mapping[str, Server], name: str | None) -> Server:
    """Return a server by its name, or the only one.

    Raises:
        ValueError: there is none of this name; or none is named, and there are several.
    """
    if name is None and len(servers) == 1:
        return next(iter(servers.values()))
    if name is None:
        raise ValueError(f"'server' is missing; there are {listed(servers)}")
    if name not in servers:
        hint = Nearest(servers).hint(name, f"; there are {listed(servers)}")
        raise ValueError(f"there is no MCP server {name!r}{hint}")
    return servers[name]


def is_transient(error: BaseException) -> bool:
    """Tell whether a server may be there the next time, or a model's fault may pass."""
    return isinstance(error, ServerUnavailable) or worth_another_attempt(error)


class ServerUnavailable(ServerError):
    """A server was not there before anything was done with it."""


async def _call(asked: McpInput, tool: str, servers: Mapping[str, Server]) -> McpOutput:
    from ....tool_servers.calls import call_tool

    server = chosen_server(servers, asked.server)
    name = next(known for known, other in servers.items() if other is server)
    arguments = _approved(name, tool, asked.arguments) if needs_approval(server, tool) else asked.arguments
    connected = False

    async def called(sessions: dict[str, Any]) -> Any:
        nonlocal connected
        connected = True
        return await call_tool(sessions[name], name, tool, arguments, server.timeout_s)

    try:
        result = await with_sessions({name: server}, called)
    except ServerError as error:  # once a call went out, doing it again could do it twice
        if connected:
            raise
        raise ServerUnavailable(str(error)) from error
    return {"server": name, "tool": tool, "result": result}


def _approved(server: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a person, as LangChain's agents do, and return the arguments that the call may have.

    Raises:
        McpToolError: the person said no.
    """
    from langgraph.types import interrupt

    action = {"name": tool, "args": dict(arguments), "description": f"Call {tool} of the MCP server {server}?"}
    config = {"action_name": tool, "allowed_decisions": ["approve", "edit", "reject"]}
    answer = interrupt({"action_requests": [action], "review_configs": [config]})
    decision = answer["decisions"][0] if isinstance(answer, Mapping) and answer.get("decisions") else {}
    if decision.get("type") == "approve":
        return dict(arguments)
    if decision.get("type") == "edit":
        return dict(decision["edited_action"]["args"])
    raise McpToolError(f"MCP tool {server}/{tool} was not approved{_reason(decision.get('message'))}")


def _reason(message: Any) -> str:
    return f": {message}" if message else ""


def _described(servers: Mapping[str, Server]) -> str:
    there = f" Servers: {listed(servers)}." if servers else ""
    return f"Calls a tool of an MCP server, or answers a question with the servers' tools.{there}"
