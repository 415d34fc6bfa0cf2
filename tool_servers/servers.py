"""MCP servers as they are configured: the `mcpServers` object that other programs use too, with approvals added."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..schema.document import read_document
from ..schema.errors import FanwiseError, PlanError, Problem
from ..schema.words import Nearest, got, listed, path_text

FOREIGN = frozenset({"alwaysAllow", "autoApprove", "autoStart", "description", "gallery", "icon", "name", "trust"})
"""Fields of other programs, which mean nothing here."""

Transport = Literal["stdio", "streamable_http", "streamable-http", "streamableHttp", "http", "sse"]


class McpToolError(FanwiseError):
    """A tool said that it failed, or there is no such tool."""


class Server(BaseModel):
    """One MCP server: a command that is started, or an address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str | None = Field(None, min_length=1)
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    """Beside a few harmless variables, all that the command sees of the environment."""
    cwd: str | None = None
    url: str | None = Field(None, min_length=1)
    headers: dict[str, str] = Field(default_factory=dict)
    transport: Transport | None = Field(None, validation_alias=AliasChoices("transport", "type"))
    approve: list[str] | Literal["*"] = Field(default_factory=list)
    """Tools that a person approves each time; `*` is all of them."""
    timeout_s: float = Field(60.0, gt=0, le=86_400)
    """Seconds for one call."""
    disabled: bool = False

    @model_validator(mode="before")
    @classmethod
    def _drop_foreign(cls, given: Any) -> Any:
        return {k: v for k, v in given.items() if k not in FOREIGN} if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _check_place(self) -> Server:
        if (self.command is None) == (self.url is None):
            raise ValueError("a server has either a 'command' or a 'url'")
        if (self.transport == "stdio") != (self.command is not None) and self.transport is not None:
            raise ValueError(f"transport {self.transport!r} does not go with {'command' if self.command else 'url'!r}")
        return self

    def expanded(self) -> Server:
        """Return the server with `${VAR}` and `${VAR:-default}` replaced from the environment.

        Raises:
            FanwiseError: a variable is not set; the message names it, and where it stands.
        """
        texts = self.model_dump(include={"command", "args", "env", "cwd", "url", "headers"})
        return self.model_copy(update={name: expanded(value, (name,)) for name, value in texts.items()})


def expanded(value: Any, loc: tuple[str | int, ...] = ()) -> Any:
    """Return a JSON value with `${VAR}` and `${VAR:-default}` in its texts replaced from the environment.

    Args:
        value: what was written.
        loc: where it stands, for the message.

    Raises:
        FanwiseError: a variable is not set.
    """
    if isinstance(value, dict):
        return {key: expanded(item, (*loc, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [expanded(item, (*loc, at)) for at, item in enumerate(value)]
    return _VARIABLE.sub(lambda found: _variable(found, loc), value) if isinstance(value, str) else value


_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_]\w*)(?::-([^}]*))?\}")


def _variable(found: re.Match[str], loc: tuple[str | int, ...]) -> str:
    value = os.environ.get(found[1], found[2])
    if value is None:
        raise FanwiseError(f"{path_text(loc)}: the environment variable {found[1]} is not set")
    return value


def hidden(text: str, *written: Any) -> str:
    """Return a text in which what `${VAR}` stands for, in the values that were written, is put back to the name."""
    for value in written:
        for found in _VARIABLE.finditer(json.dumps(value, default=str)):
            secret = os.environ.get(found[1], "")
            if len(secret) >= _SECRET:
                text = text.replace(secret, f"${{{found[1]}}}")
    return text


_SECRET = 4
"""Characters from which on a variable's value is hidden: shorter ones stand in many a word."""


def needs_approval(server: Server, tool: str) -> bool:
    """Tell whether a person approves the calls of a tool."""
    return server.approve == "*" or tool in server.approve


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the servers of a configuration file, by name, as `Equipment(mcp=...)` takes them.

    Args:
        path: a JSON (or YAML) file with an object `mcpServers`.

    Raises:
        PlanError: it can't be read, or a server is not described as it has to be; all problems, with their lines.
    """
    document = read_document(Path(path))
    held = document.data if isinstance(document.data, dict) else {}
    key = next((name for name in ("mcpServers", "servers") if name in held), "mcpServers")
    given = held.get(key)
    if not isinstance(given, dict):
        problem = Problem(f"expected an object 'mcpServers' with servers by name, {got(given)}", key if held else "")
        raise PlanError(document.located([problem]), document.source)
    if problems := document.located(server_problems(given, (key,))):
        raise PlanError(problems, document.source)
    return given


def servers_of(given: Mapping[str, Any]) -> dict[str, Server]:
    """Return the servers of a configuration, without disabled ones.

    Raises:
        FanwiseError: one is not described as it has to be.
    """
    for problem in server_problems(given):
        raise FanwiseError(f"MCP server {problem}")
    made = {name: Server.model_validate(value) for name, value in given.items()}
    return {name: server for name, server in made.items() if not server.disabled}


def server_problems(given: Mapping[str, Any], root: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield what is wrong with servers, by name, each with its place below `root`."""
    for name, value in given.items():
        try:
            Server.model_validate(value)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                loc = tuple(part for part in details["loc"] if not str(part).startswith(("list[", "literal[")))
                yield Problem(_worded(dict(details)), path_text((*root, name, *loc)))


def _worded(details: Mapping[str, Any]) -> str:
    if details["type"] == "extra_forbidden":
        known = [name for name in Server.model_fields]
        field = str(details["loc"][-1])
        return f"unknown field {field!r}{Nearest(known).hint(field, f'; known are {listed(known)}')}"
    if details["type"] == "value_error":
        return str(details["msg"]).removeprefix("Value error, ")
    if details["type"] == "model_type":
        return f"expected an object with 'command' or 'url', {got(details['input'])}"
    return f"{details['msg']}, {got(details['input'])}"
