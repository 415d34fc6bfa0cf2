"""What a source file says of a tool that returns events, and what is wrong with what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ...schema.document import Document
from ...schema.errors import EventsError, PlanError, Problem
from ...schema.translate import worded
from ...schema.words import Nearest, got, listed, path_text
from ...tool_servers.servers import Server, load_config, needs_approval, server_problems
from ..splunk.place import source_problems

ROOT = "mcp"
"""The key of a source file under which all stands."""


def _path(given: str | None) -> str | None:
    if given is not None:
        try:
            jmespath.compile(given)
        except JMESPathError as error:
            raise ValueError(f"no JMESPath: {' '.join(str(error).split())[:200]}") from None
    return given


class Page(BaseModel):
    """How to ask for the next page: by what came so far, or with a cursor from the last page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    argument: str = Field(min_length=1)
    """Of the tool: it takes the cursor, or else the number of events, or of pages, that came so far."""
    cursor: str | None = None
    """Where the cursor of the next page stands in the result, a JMESPath; there is none on the last page."""
    counts: Literal["events", "pages"] = "events"
    start: int | None = Field(None, ge=0)
    """The argument's value for the first page; 0 for events, 1 for pages."""
    size_argument: str | None = Field(None, min_length=1)
    """Of the tool: it takes how many events a page has."""
    size: int | None = Field(None, ge=1)

    _cursor = field_validator("cursor")(_path)

    @model_validator(mode="after")
    def _check(self) -> Page:
        if (self.size is None) != (self.size_argument is None):
            raise ValueError("'size' and 'size_argument' go together")
        if self.cursor is not None and self.model_fields_set & {"counts", "start"}:
            raise ValueError("'counts' and 'start' do not go with 'cursor', which tells the next page by itself")
        return self


class Limits(BaseModel):
    """How much is taken: what is over it is cut off, with a note; only the time is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: int = Field(default=200_000, ge=1)
    bytes: int = Field(default=500_000_000, ge=1)
    """Of the events as lines."""
    pages: int = Field(default=1_000, ge=1)
    timeout_s: float = Field(default=120.0, gt=0, le=86_400)
    """Seconds for all pages together; one call has the server's `timeout_s`."""


class Search(BaseModel):
    """A tool that runs searches: each question of a check becomes one, and nothing is fetched beforehand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["spl"]
    """Splunk's."""
    argument: str = Field(min_length=1)
    """Of the tool: it takes the search."""
    earliest: str = Field(min_length=1)
    """Of the tool: it takes the start of the time that is searched, included."""
    latest: str = Field(min_length=1)
    """Of the tool: it takes the end of that time, not included."""
    limit: str | None = Field(None, min_length=1)
    """Of the tool: it takes how many rows it is to give."""
    rows: int = Field(default=50_000, ge=101, le=5_000_000)
    """As many rows the tool gives at most; an answer that has as many may lack some, and is refused."""
    of: dict[str, Any] = Field(default_factory=dict)
    """What is searched, as under `splunk`: index, sourcetype or base, earliest, latest, fields."""


class ToolFile(BaseModel):
    """What stands under `mcp`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: Any
    """A server's description, or its name in `config`."""
    config: str | None = Field(None, min_length=1)
    """An `mcpServers` file; a relative path counts from the source file's folder."""
    tool: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)
    """For the tool; `${VAR}` is replaced when it is called."""
    events: str | None = None
    """Where the events stand in the result, a JMESPath; they are looked for if not given."""
    page: Page | None = None
    search: Search | None = None
    """Where the tool runs searches; `events` is then where their rows stand."""
    limits: Limits = Limits()
    max_age_s: float = Field(300.0, ge=0, le=86_400)
    """Seconds in which a process uses what was fetched again."""

    _events = field_validator("events")(_path)


@dataclass(frozen=True, slots=True)
class Source:
    """A tool that returns events, ready to be called."""

    location: str
    """The source file, as it was given."""
    name: str
    """The server's name."""
    server: Server
    asked: ToolFile
    key: tuple[str, ...]
    """Stands for what is fetched: where the files are, and what they say."""


def read_source(document: Document) -> Source:
    """Return the source that a file describes.

    Raises:
        EventsError: it is not described as it has to be; all problems, with their lines.
    """
    given, folder = document.data[ROOT], Path(document.path or "").expanduser().resolve().parent
    config, servers, problems = None, dict[str, Server](), list(_problems(given))
    place = given.get("config") if isinstance(given, Mapping) else None
    if isinstance(place, str) and place:
        try:
            config = load_config(folder / Path(place).expanduser())
            servers = {name: Server.model_validate(value) for name, value in config.items()}
        except PlanError as error:
            problems.append(Problem(f"can't be used: {error}", f"{ROOT}.config"))
    if isinstance(given, Mapping) and (place is None or config is not None):
        problems += _server_problems(given, servers if config is not None else None)
    if problems := document.located(problems):
        raise EventsError(str(PlanError(problems, document.source)))
    asked = ToolFile.model_validate(given)
    named = isinstance(asked.server, str)
    return Source(
        location=str(document.source),
        name=asked.server if named else Path(document.path or "").name.partition(".")[0] or "server",
        server=servers[asked.server] if named else Server.model_validate(asked.server),
        asked=asked,
        key=(ROOT, str(folder), document.text, repr(config)),
    )


def _problems(given: Any) -> Iterator[Problem]:
    if not isinstance(given, Mapping):
        yield Problem(f"expected an object with 'server' and 'tool', {got(given)}", ROOT)
        return
    try:
        ToolFile.model_validate(given)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield Problem(_told(dict(details)), path_text((ROOT, *details["loc"])))
    search = given.get("search")
    if isinstance(search, Mapping) and isinstance(of := search.get("of", {}), Mapping):
        yield from _searched_problems(of)


SEARCHED = ("index", "sourcetype", "base", "earliest", "latest", "fields")
"""What says which events in Splunk are meant; the rest of its settings is about its REST API."""


def _searched_problems(of: Mapping[str, Any]) -> Iterator[Problem]:
    place = (ROOT, "search", "of")
    for name in of:
        if name not in SEARCHED:
            hint = Nearest(SEARCHED).hint(name, f"; known are {listed(SEARCHED)}")
            yield Problem(f"unknown field {name!r}{hint}", path_text((*place, name)))
    if not of.get("index") and not of.get("base"):
        yield Problem("neither index nor base is given: name an index, or write a base search", path_text(place))
    known = {name: value for name, value in of.items() if name in SEARCHED}
    for problem in source_problems({"host": ROOT, **known}):
        yield Problem(problem.message, f"{path_text(place)}.{problem.path}")


def _told(details: Mapping[str, Any]) -> str:
    loc = details["loc"]
    name = str(loc[-1]) if loc else ""
    if details["type"] == "extra_forbidden":
        known = list(_FIELDS.get(loc[0] if len(loc) > 1 else "", ToolFile).model_fields)
        return f"unknown field {name!r}{Nearest(known).hint(name, f'; known are {listed(known, 20)}')}"
    if details["type"] == "missing":
        return f"{name!r} is missing{_MISSING.get(name, '')}"
    if details["type"] == "value_error":
        return str(details["msg"]).removeprefix("Value error, ")
    return worded(details, loc)


_FIELDS: Mapping[str | int, type[BaseModel]] = {"page": Page, "limits": Limits, "search": Search}
_MISSING = {
    "server": "; describe it ({command: ...} or {url: ...}), or name one of the file in 'config'",
    "tool": "; name a tool of the server that returns events",
    "argument": "; name the tool's argument that takes the next page's place, or the search",
    "earliest": "; name the tool's argument that takes the start of the time",
    "latest": "; name the tool's argument that takes the end of the time",
}


def _server_problems(given: Mapping[str, Any], servers: Mapping[str, Server] | None) -> Iterator[Problem]:
    """Yield what is wrong with the server, which is one of `servers` where the file names a configuration."""
    server, place = given.get("server"), f"{ROOT}.server"
    if isinstance(server, str) and servers is None:
        yield Problem("a server's name needs 'config', the file that describes it", place)
    elif isinstance(server, str) and server not in (servers or {}):
        hint = Nearest(servers or {}).hint(server, f"; there are {listed(servers or {})}")
        yield Problem(f"there is no MCP server {server!r}{hint}", place)
    elif isinstance(server, str) and servers is not None:
        if servers[server].disabled:
            yield Problem(f"the MCP server {server!r} is disabled", place)
        if needs_approval(servers[server], str(given.get("tool"))):
            yield Problem(
                f"a person approves each call of this tool ('approve' of {server!r}), and nobody is asked here",
                f"{ROOT}.tool",
            )
    elif servers is not None:
        yield Problem(f"with 'config', expected a server's name, {got(server)}", place)
    elif "server" in given:
        yield from server_problems({"server": server}, (ROOT,))
