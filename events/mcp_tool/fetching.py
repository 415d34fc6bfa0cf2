"""Fetch events from a tool: page after page, into a file of lines, as far as the limits go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from ...schema.errors import EventsError, FanwiseError
from ...schema.words import counted
from ...tool_servers.calls import check_arguments, check_names, refused, result_of, tools_of
from ...tool_servers.servers import McpToolError, expanded, hidden
from ...tool_servers.sessions import ServerError, told, with_sessions
from .paging import Pages
from .results import NoEventsError, answer_of, events_of
from .source_file import Limits, Source

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import Tool


@dataclass
class Fetched:
    """What was written of a tool's answer."""

    limits: Limits
    pages: list[int] = field(default_factory=list)
    """The line at which each page begins, counted from 1."""
    lines: int = 0
    bytes: int = 0
    page: int = 0
    """The page that is asked for, counted from 1; 0 before the first."""
    cut: str = ""
    """Why not all of it was taken."""

    def write(self, events: list[str], out: TextIO) -> None:
        """Write a page's events, as far as the limits go."""
        if events:
            self.pages.append(self.lines + 1)
        for event in events:
            size = len(event.encode("utf-8", "replace")) + 1
            if self.lines >= self.limits.events:
                self.cut = f"limits.events: {self.limits.events:,}"
            elif self.bytes + size > self.limits.bytes:
                self.cut = f"limits.bytes: {self.limits.bytes:,}"
            if self.cut:
                return
            out.write(event + "\n")
            self.lines, self.bytes = self.lines + 1, self.bytes + size

    def notes(self, tool: str) -> tuple[str, ...]:
        """Return what is to be known of it, in words."""
        cut = f"cut off after {counted(self.lines, 'event')} ({self.cut}): {tool} has more"
        told = f"{counted(len(self.pages), 'page')} of the tool {tool}"
        return (cut, told) if self.cut else (told,)


async def fetch(source: Source, out: TextIO, asked: Mapping[str, Any] | None = None) -> Fetched:
    """Write the events that a tool returns into a file, and return what was written.

    Args:
        source: the server and its tool.
        out: takes a line for each event.
        asked: further arguments for the tool.

    Raises:
        EventsError: the server or the tool is not there, the tool refuses or fails, its pages never end, its result
            holds no events, or it takes too long.
    """
    seconds = source.asked.limits.timeout_s
    made = Fetched(source.asked.limits)
    try:
        async with asyncio.timeout(seconds):
            await with_sessions(
                {source.name: source.server}, lambda sessions: _all(source, sessions, asked or {}, made, out)
            )
    except TimeoutError:
        came = f", {counted(len(made.pages), 'page')} of it came" if made.pages else ""
        raise _told(source, f"no whole answer within {seconds:g} s (limits.timeout_s){came}; ask for less") from None
    except ServerError as error:
        raise _told(source, _on_page(source, made.page, str(error))) from error
    except FanwiseError as error:
        raise _told(source, str(error)) from error
    except Exception as error:  # the SDK raises many kinds: a result that does not fit the tool's own schema, say
        raise _told(source, f"MCP tool {source.name}/{source.asked.tool}: {told(error)}") from error
    return made


def _on_page(source: Source, page: int, text: str) -> str:
    """Return what is told of a server's fault, with the tool and the page where one was asked for."""
    tool = f"MCP tool {source.name}/{source.asked.tool}"
    what = text.removeprefix(f"{tool}: ").removeprefix(f"MCP server {source.name!r}: ")
    return f"{tool}, page {page}: {what}" if page else text


def _told(source: Source, text: str) -> EventsError:
    written = source.server.model_dump(), source.asked.arguments
    return EventsError(f"{source.location}: {hidden(text, *written)}")


async def _all(
    source: Source, sessions: Mapping[str, ClientSession], more: Mapping[str, Any], made: Fetched, out: TextIO
) -> None:
    asked, session = source.asked, sessions[source.name]
    tools = await tools_of(session)
    check_names([asked.tool], tools, source.name)
    given = {**expanded(asked.arguments, ("mcp", "arguments")), **more}
    pages = Pages(asked.page)
    check_arguments(tools[asked.tool], [*given, *pages.uses])
    while pages.arguments is not None and not made.cut:
        if pages.number >= made.limits.pages:
            made.cut = f"limits.pages: {made.limits.pages:,}"
            return
        made.page += 1
        answer = await _page(source, session, tools[asked.tool], {**given, **pages.arguments})
        events = _events(answer, asked.events, pages.number)
        pages.came(answer, events)
        made.write(events, out)


async def _page(source: Source, session: ClientSession, tool: Tool, arguments: Mapping[str, Any]) -> Any:
    try:
        return answer_of(await result_of(session, source.name, tool.name, arguments, source.server.timeout_s))
    except McpToolError as error:
        if why := refused(tool, arguments):
            raise McpToolError(f"MCP tool {source.name}/{tool.name} does not take its arguments: {why}") from error
        raise


def _events(answer: Any, path: str | None, number: int) -> list[str]:
    try:
        return events_of(answer, path)
    except NoEventsError:
        if number:  # some tools leave the list out where there is nothing more
            return []
        raise
