"""What a run works with beside its plan: the user's own code, models, folders, prices. A resume needs it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..schema.errors import FanwiseError

if TYPE_CHECKING:
    from ..graph.checkpoints import Database
    from ..graph.compiled import Graph
    from ..models.chat import Models
    from ..nodes.specialists.equipment import Equipment
    from .user_code import OwnCode


EMBEDDINGS = "FANWISE_EMBEDDINGS"
"""Variable of the environment that names the embedding model, for the command and for servers."""


@dataclass(frozen=True)
class Setup:
    """What a run works with beside its plan."""

    sources: tuple[str, ...] = ()
    """Files and modules with the user's own code."""
    models: tuple[tuple[str, str], ...] = ()
    """Names of chat models, by role."""
    workspace: str | None = None
    notes: str | None = None
    mcp_config: str | None = None
    prices: str | None = None
    commands: tuple[str, ...] = ()
    no_approval: bool = False
    events: str | None = None
    embeddings: str | None = None
    """Name of the model that finds memories by meaning."""

    def with_models(self, models: tuple[tuple[str, str], ...]) -> Self:
        """Return the same setup with other chat models."""
        return replace(self, models=models)

    @property
    def plans(self) -> bool:
        """Whether a model plans requests."""
        return any(role in ("default", "planner") for role, _ in self.models)

    def as_noted(self) -> dict[str, Any]:
        """Return what is kept of it beside a run, as JSON; nothing where nothing was given."""
        sources = tuple(os.path.abspath(source) if os.path.isfile(source) else source for source in self.sources)
        return {name: value for name, value in asdict(replace(self, sources=sources)).items() if value}

    @classmethod
    def noted(cls, kept: Mapping[str, Any]) -> Self:
        """Return what `as_noted` kept."""
        known = {field.name for field in fields(cls)}
        plain = {name: value for name, value in kept.items() if name in known}
        models = tuple((str(role), str(name)) for role, name in plain.pop("models", ()))
        sources, commands = (tuple(plain.pop(name, ())) for name in ("sources", "commands"))
        return cls(sources=sources, models=models, commands=commands, **plain)

    @cached_property
    def chat_models(self) -> Models:
        """Make the chat models.

        Raises:
            FanwiseError: one can't be made, or two are given for one role.
        """
        from ..models.chat import Models

        by_role = dict(self.models)
        if len(by_role) < len(self.models):
            twice = next(role for role, _ in self.models if [r for r, _ in self.models].count(role) > 1)
            raise FanwiseError(f"--model: there are two for {twice!r}; give one")
        return Models.of(by_role or None)

    @cached_property
    def equipment(self) -> Equipment:
        """Return what the built-in specialists, and those in files, may use.

        Raises:
            FanwiseError: a model of theirs, or the file of MCP servers, can't be used.
        """
        from ..nodes.specialists.equipment import COMMANDS, Equipment

        return Equipment(
            model=self.chat_models.specialists,
            workspace=_path(self.workspace),
            commands=(*COMMANDS, *self.commands),
            approve_commands=not self.no_approval,
            notes=_path(self.notes),
            mcp=_mcp(self.mcp_config),
            events=self.events,
            embeddings=self.embeddings or None,
        ).made()

    def load_code(self) -> OwnCode:
        """Return the user's own specialists and reducers.

        Raises:
            FanwiseError: a file or module can't be read, or holds neither.
        """
        from .user_code import load_code

        return load_code(self.sources, lambda: self.equipment)

    def build(self, own: OwnCode, database: Database, **options: Any) -> Graph:
        """Build the graph that runs a plan with this setup; takes further options of `build_graph`."""
        from ..graph.builder import build_graph
        from ..nodes.outputs import LARGE

        return build_graph(
            own.specialists,
            functions=own.reducers,
            model=self.chat_models,
            equipment=self.equipment,
            prices=self.prices,
            checkpointer=database.saver,
            store=database.store,
            keep_apart=LARGE,
            **options,
        )


def _path(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def _mcp(path: str | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    from ..tool_servers.servers import load_config

    return load_config(Path(path))
