"""What a server's graphs are set up with: the options of one run, as a form, and what its environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from ..events.backends import check_named
from ..runs.setup import EMBEDDINGS, Setup
from ..schema.errors import EventsError, FanwiseError
from ..schema.words import Nearest, shown
from ..state import RunContext

HIDDEN = ("deadline_at", "estimates")
"""Options that no person sets."""

PATHS = {"FANWISE_WORKSPACE": "workspace", "FANWISE_NOTES": "notes", "FANWISE_MCP_CONFIG": "mcp_config"}
"""Variables of the environment that name what specialists may use."""


def _events() -> str | None:
    return os.environ.get("FANWISE_EVENTS") or None


@dataclass(frozen=True)
class Settings(RunContext):
    """Options of one run on a server, or of an assistant: what is left empty is as the server, or the plan, has it."""

    model: Annotated[
        str | None,
        Field(
            title="Model",
            description="A chat model, such as openai:gpt-4.1-mini, or several by role: 'planner=openai:gpt-4.1 "
            "openai:gpt-4.1-mini'. Left empty: the server's own.",
            max_length=400,
            json_schema_extra={"langgraph_nodes": ["planner", "replan", "synthesizer"]},
        ),
    ] = None
    """Chat models, as `FANWISE_MODEL` names them."""
    events: Annotated[
        str | None,
        Field(
            title="Event log",
            description="The log that a request asks about: a file or a folder on the server.",
            json_schema_extra={"langgraph_nodes": ["planner", "analyst"]},
        ),
    ] = field(default_factory=_events)
    """Where the event log is that a request asks about; `FANWISE_EVENTS` if not given."""

    @classmethod
    def of(cls, given: Any) -> Settings:
        """Return the settings that a client, an assistant or a caller in Python gives.

        Raises:
            FanwiseError: one has no such value, or there is none of that name; all are listed.
        """
        if isinstance(given, cls):
            return given
        if given is not None and is_dataclass(given) and not isinstance(given, type):
            own = {item.name: getattr(given, item.name) for item in fields(given)}
            return cls(**{name: value for name, value in own.items() if value is not None})
        if given is not None and not isinstance(given, Mapping):
            raise FanwiseError(f"context: expected an object with options, got {shown(given)}")
        plain = {name: value for name, value in (given or {}).items() if value not in (None, "")}
        known = [item.name for item in fields(cls) if item.name not in HIDDEN]
        wrong = [
            f"context.{name}: there is no such option{Nearest(known).hint(name, '')}"
            for name in plain
            if name not in known
        ]
        try:
            made = _adapter().validate_python({name: plain[name] for name in plain if name in known})
        except ValidationError as error:
            wrong += [f"context.{item['loc'][0]}: {item['msg']}, got {shown(item['input'])}" for item in error.errors()]
        try:
            check_named(str(plain.get("events", "")), tuple(filter(None, [_events()])))
        except EventsError as error:
            wrong.append(f"context.events: {error}")
        if wrong:
            raise FanwiseError("; ".join(wrong))
        return made


@cache
def _adapter() -> TypeAdapter[Settings]:
    return TypeAdapter(Settings)


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the settings that people see, with the titles of their form."""
    schema = _adapter().json_schema()
    shown_ones = {name: rule for name, rule in schema["properties"].items() if name not in HIDDEN}
    return {**schema, "properties": AnyName({"model": shown_ones.pop("model"), **shown_ones})}


class AnyName(dict[str, Any]):
    """The properties of a schema; asked whether it holds a name, it says yes.

    The server leaves out of a context, without a word, what is not among the schema's properties. So a misspelt option
    comes through, and `Settings.of` refuses it by name.
    """

    def __contains__(self, name: object) -> bool:
        """Say yes."""
        return True


@dataclass(frozen=True)
class Environment:
    """What the environment of a server says of its graphs."""

    setup: Setup = field(default_factory=Setup)
    workflows: tuple[str, ...] = ()
    """Folders with workflows of one's own, each of which becomes a graph."""
    allowed_models: tuple[str, ...] = ()
    """Patterns of the models that a client may name; empty: any."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Read the variables `FANWISE_...`; lists are separated by spaces, folders and files as in `PATH`."""
        told = {key: environ.get(name) or None for name, key in PATHS.items()}
        setup = Setup(
            sources=_listed(environ.get("FANWISE_SPECIALISTS")),
            models=models_of(environ.get("FANWISE_MODEL") or ""),
            commands=tuple((environ.get("FANWISE_ALLOW_COMMANDS") or "").split()),
            prices=environ.get("FANWISE_PRICES") or None,
            no_approval=bool(environ.get("FANWISE_NO_APPROVAL")),
            events=environ.get("FANWISE_EVENTS") or None,
            embeddings=environ.get(EMBEDDINGS) or None,
            **told,
        )
        return cls(
            setup, _listed(environ.get("FANWISE_WORKFLOWS")), tuple((environ.get("FANWISE_MODELS") or "").split())
        )

    def models(self, names: str) -> tuple[tuple[str, str], ...]:
        """Return the models that a client names, by role, over the server's own.

        Raises:
            FanwiseError: the server does not allow one of them.
        """
        named = models_of(names)
        for _, name in named:
            if self.allowed_models and not any(fnmatchcase(name, pattern) for pattern in self.allowed_models):
                allowed = ", ".join(self.allowed_models)
                raise FanwiseError(f"context.model: {name[:80]!r} is not allowed on this server; allowed: {allowed}")
        return tuple(
            {**({} if any(role == "default" for role, _ in named) else dict(self.setup.models)), **dict(named)}.items()
        )


def models_of(text: str) -> tuple[tuple[str, str], ...]:
    """Return models by role from a text such as `planner=openai:gpt-4.1 openai:gpt-4.1-mini`.

    Raises:
        FanwiseError: there is no such role.
    """
    roles = ("default", "planner", "specialists", "summary")
    found = []
    for word in text.split():
        role, mark, name = word.partition("=")
        if mark and (role not in roles or not name):
            raise FanwiseError(f"model: {word[:80]!r} is not NAME or ROLE=NAME; roles are {', '.join(roles[1:])}")
        found.append((role, name) if mark else ("default", word))
    return tuple(found)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(item for item in (text or "").split(os.pathsep) if item)
