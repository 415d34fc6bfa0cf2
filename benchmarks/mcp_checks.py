"""The five checks of the MCP server with clients of other makes: connect, ping, list tools, workflows, progress.

Starts `fanwise mcp` over a sample log. Each client runs each workflow twice; a server reads the log at the first.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from common import options, table
from langchain_mcp_adapters.callbacks import CallbackContext, Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from fanwise.events.sample import write_sample

COMMAND = ["-c", "from fanwise.cli import main; main()", "mcp", "--events", "shop", "--db", "runs.db"]
PROBLEM = "Why did web-03 go quiet?"
WORKFLOWS = {"health_check": 2, "missing_data_troubleshooting": 10, "performance": 3}

Row = tuple[str, str, str, float, Any]


async def timed(rows: list[Row], client: str, check: str, work: Callable[[], Awaitable[tuple[bool, str, Any]]]) -> None:
    """Do one check and note what came of it."""
    began = time.perf_counter()
    try:
        passed, told, progress = await work()
    except Exception as error:
        passed, told, progress = False, f"{type(error).__name__}: {error}", ""
    rows.append((client, check, f"{'passed' if passed else 'FAILED'}: {told}", time.perf_counter() - began, progress))


async def by_session(rows: list[Row], client: str, session: ClientSession, rounds: int) -> None:
    """Do the checks with the SDK's client."""

    async def ping() -> tuple[bool, str, Any]:
        await session.send_ping()
        return True, "answered", ""

    async def discover() -> tuple[bool, str, Any]:
        tools = (await session.list_tools()).tools
        typed = sum(tool.outputSchema is not None for tool in tools)
        return "dynamic_troubleshoot" in {tool.name for tool in tools}, f"{len(tools)} tools, {typed} typed", ""

    await timed(rows, client, "ping", ping)
    await timed(rows, client, "list tools", discover)
    for name, tasks in WORKFLOWS.items():
        for _ in range(rounds):

            async def run(name: str = name, tasks: int = tasks) -> tuple[bool, str, Any]:
                told: list[float] = []

                async def progress(done: float, total: float | None, message: str | None) -> None:
                    told.append(done)

                arguments = {"problem": PROBLEM, "workflow": name}
                made = await session.call_tool("dynamic_troubleshoot", arguments, progress_callback=progress)
                return _judged(made.structuredContent, tasks, told)

            await timed(rows, client, name, run)


async def by_adapters(rows: list[Row], url: str, rounds: int) -> None:
    """Do the checks with LangChain's adapters, which make a session for each call."""
    name, told = "langchain-mcp-adapters", list[float]()

    async def progress(done: float, total: float | None, message: str | None, context: CallbackContext) -> None:
        told.append(done)

    connection: Any = {"fanwise": {"transport": "streamable_http", "url": url}}
    client = MultiServerMCPClient(connection, callbacks=Callbacks(on_progress=progress))
    tools: dict[str, Any] = {}

    async def discover() -> tuple[bool, str, Any]:
        tools.update({tool.name: tool for tool in await client.get_tools()})
        return "dynamic_troubleshoot" in tools, f"{len(tools)} tools", ""

    await timed(rows, name, "connect, list tools", discover)
    for workflow, tasks in WORKFLOWS.items():
        for _ in range(rounds):

            async def run(workflow: str = workflow, tasks: int = tasks) -> tuple[bool, str, Any]:
                told.clear()
                call = {"type": "tool_call", "id": "1", "name": "dynamic_troubleshoot"}
                arguments = {"problem": PROBLEM, "workflow": workflow}
                made = await tools["dynamic_troubleshoot"].ainvoke({**call, "args": arguments})
                return _judged(made.artifact["structured_content"], tasks, told)

            await timed(rows, name, workflow, run)


def _judged(made: Any, tasks: int, told: list[float]) -> tuple[bool, str, str]:
    whole = [step for step in told if step == int(step)]
    passed = made["status"] == "succeeded" and len(made["tasks"]) == tasks and whole == list(range(tasks + 1))
    findings = len(made["summary"]["findings"])
    return passed, f"{made['status']}, {made['summary']['severity']}, {findings} findings", f"{len(told)} for {tasks}"


@asynccontextmanager
async def connected(rows: list[Row], client: str, streams: Any) -> AsyncIterator[ClientSession]:
    """Connect the SDK's client."""
    began = time.perf_counter()
    async with streams as (read, write, *_), ClientSession(read, write) as session:
        found = await session.initialize()
        told = f"passed: {found.serverInfo.name} {found.serverInfo.version}, protocol {found.protocolVersion}"
        rows.append((client, "connect", told, time.perf_counter() - began, ""))
        yield session


def started(folder: Path) -> subprocess.Popen[str]:
    """Start the server over HTTP."""
    command = [sys.executable, *COMMAND, "--port", "0"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


async def measure(folder: Path, rounds: int) -> list[Row]:
    """Do all checks."""
    rows: list[Row] = []
    with started(folder) as server:
        try:
            assert server.stderr is not None
            found = re.search(r"http://\S+", server.stderr.readline())
            assert found is not None
            async with httpx.AsyncClient(timeout=120) as http:
                streams = streamable_http_client(found[0], http_client=http)
                async with connected(rows, "mcp, HTTP", streams) as session:
                    await by_session(rows, "mcp, HTTP", session, rounds)
            await by_adapters(rows, found[0], rounds)
        finally:
            server.terminate()
    params = StdioServerParameters(command=sys.executable, args=[*COMMAND, "--stdio"], cwd=folder)
    async with connected(rows, "mcp, stdio", stdio_client(params)) as session:
        await by_session(rows, "mcp, stdio", session, rounds)
    return rows


def main() -> int:
    """Return the exit code: 1 where a check failed."""
    quick: bool = options(__doc__).parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        write_sample(str(Path(folder, "shop")), 7)
        rows = asyncio.run(measure(Path(folder), 1 if quick else 2))
    table(("client", "check", "outcome", "seconds", "progress"), rows)
    failed = sum("FAILED" in row[2] for row in rows)
    print(f"{len(rows) - failed} of {len(rows)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
