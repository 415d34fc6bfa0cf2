"""The MCP server and clients of other makes, for tests: over HTTP in this process, and as a process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

from fanwise.graph import specialist
from fanwise.plans.registry import load_workflows
from fanwise.runs.setup import Setup
from fanwise.runs.user_code import OwnCode
from fanwise.serving import mcp_http
from fanwise.serving.mcp_events import EventLogs
from fanwise.serving.mcp_runs import Runs, opened
from fanwise.serving.mcp_server import Offer
from fanwise.state import RunContext

COMMAND = ("-c", "from fanwise.cli import main; main()", "mcp")


@dataclass
class Work:
    """Specialists that tell what becomes of them."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[str] = field(default_factory=list)

    def specialists(self) -> list[Any]:
        """Return them: `slow` works until it is cancelled, or, tried again, ends at once."""

        @specialist("slow")
        async def slow(task: Any) -> str:
            self.seen.append("started")
            self.started.set()
            if self.seen.count("started") > 1:
                return "done at last"
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.seen.append("cancelled")
                raise
            return "never"

        @specialist("first")
        async def first(task: Any) -> str:
            self.seen.append("first")
            return "saved"

        return [slow, first]


@dataclass
class Served:
    """A server in this process."""

    url: str
    runs: Runs
    app: Any


@asynccontextmanager
async def served(
    folder: Path,
    specialists: Sequence[Any] = (),
    *,
    events: str | None = None,
    root: Path | None = None,
    token: str | None = None,
    max_runs: int = 32,
    max_bytes: int = 4_000_000,
) -> AsyncIterator[Served]:
    """Serve over HTTP, on loopback, in this event loop."""
    setup = Setup(events=events)
    listening = mcp_http.bound("127.0.0.1", 0)
    code = OwnCode(list(specialists), [])
    async with opened(
        str(folder / "runs.db"), setup, RunContext(), code, EventLogs(events, root), max_runs=max_runs
    ) as runs:
        offer = Offer(runs, load_workflows(), max_bytes=max_bytes)
        app = mcp_http.make_app(offer, "127.0.0.1", token=token, log_level="CRITICAL")
        serving = asyncio.create_task(mcp_http.serve(app, listening, runs, 1.0, lambda text: None))
        try:
            yield Served(mcp_http.url_of(listening), runs, app)
        finally:
            serving.cancel()
            await asyncio.wait([serving])


class Person:
    """Answers what the server asks of the user."""

    def __init__(self, *replies: Mapping[str, Any] | str) -> None:
        self.replies = list(replies)
        """What is filled in, one form after another; `decline` or `cancel` for none."""
        self.asked: list[ElicitRequestParams] = []

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        """Fill in a form."""
        self.asked.append(params)
        reply = self.replies.pop(0)
        if isinstance(reply, str):
            return ElicitResult(action=reply)  # type: ignore[arg-type]
        return ElicitResult(action="accept", content=dict(reply))


@asynccontextmanager
async def over_http(
    url: str, person: Person | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientSession]:
    """Connect the SDK's client over streamable HTTP."""
    async with (
        httpx.AsyncClient(headers=dict(headers or {}), timeout=60, follow_redirects=False) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write, timedelta(seconds=90), elicitation_callback=person) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def over_stdio(folder: Path, *options: str, person: Person | None = None) -> AsyncIterator[ClientSession]:
    """Start the command and connect the SDK's client over standard input and output."""
    started = StdioServerParameters(command=sys.executable, args=[*COMMAND, "--stdio", *options], cwd=folder)
    with (folder / "stderr.txt").open("w") as said:
        async with (
            stdio_client(started, errlog=said) as (read, write),
            ClientSession(read, write, timedelta(seconds=90), elicitation_callback=person) as session,
        ):
            await session.initialize()
            yield session


class Told(list[tuple[float, float | None, str | None]]):
    """Collects progress notifications."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """Take one."""
        self.append((progress, total, message))

    @property
    def whole(self) -> list[float]:
        """Tasks that have a result, as they were told."""
        return [progress for progress, _, _ in self if progress == int(progress)]


async def call(session: ClientSession, tool: str, told: Told | None = None, **arguments: Any) -> dict[str, Any]:
    """Call a tool; return its structured result, which has to fit the tool's schema."""
    result = await session.call_tool(tool, arguments, progress_callback=told)
    assert not result.isError, text_of(result)
    listed = {item.name: item for item in (await session.list_tools()).tools}
    schema = listed[tool].outputSchema
    assert schema is not None and result.structuredContent is not None
    jsonschema.validate(result.structuredContent, schema)
    return result.structuredContent


async def refusal(session: ClientSession, tool: str, **arguments: Any) -> str:
    """Call a tool that refuses; return what it says."""
    result = await session.call_tool(tool, arguments)
    assert result.isError
    return text_of(result)


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to be so")


def text_of(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "\n".join(getattr(item, "text", "") for item in result.content)


def plan(*tasks: Mapping[str, Any], **config: Any) -> dict[str, Any]:
    """Return a plan of `wait` tasks."""
    return {"tasks": [{"specialist": "wait", **task} for task in tasks], "config": config}
