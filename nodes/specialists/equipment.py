"""What the built-in specialists may use: a model, a folder to work in, notes, MCP servers, commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ...events.backends import check_named

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

    from .embedder import Embedder

COMMANDS = ("pytest", "python", "python3", "ruff")
"""Commands that agents may ask for, where the user does not say otherwise."""

NO_MODEL = "it needs a model: give --model or FANWISE_MODEL, or `build_graph(model=...)`"
"""What a specialist lacks that works with a model, where there is none."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the built-in specialists may use; what is not given, they have not."""

    model: BaseChatModel | None = None
    """The chat model of all specialists that work with one."""
    workspace: Path | None = None
    """The folder that tools read and write; nothing outside it is touched."""
    commands: tuple[str, ...] = COMMANDS
    """Commands that agents may run in the workspace, by their first word."""
    approve_commands: bool = True
    """Whether a person is asked before each command runs."""
    notes: Path | None = None
    """A folder with the user's own notes."""
    mcp: Mapping[str, Any] | None = None
    """MCP servers by name, as in an `mcpServers` configuration."""
    events: str | None = None
    """The event log that the analyst asks."""
    sources: tuple[str, ...] | None = None
    """Source files and addresses that may be named as logs, where those who write plans are not those who run this
    process; any, if not given."""
    memories: tuple[str, ...] = ("default",)
    """Namespaces of memories that tasks of a model's plan may use; the first is that of tasks that name none."""
    embeddings: Embeddings | Embedder | str | None = None
    """An embedding model, or the name of one, such as `openai:text-embedding-3-small`: it finds memories by meaning
    where the store has no index of its own."""

    def embedder(self) -> Embedder | None:
        """Return what makes vectors with the embedding model; nothing where there is none.

        Raises:
            FanwiseError: the model can't be had.
        """
        if self.embeddings is None:
            return None
        from .embedder import Embedder

        return Embedder.of(self.embeddings)

    def made(self) -> Self:
        """Return the same with the embedding model made that is only named; raises as `embedder` does."""
        return replace(self, embeddings=self.embedder())

    def checked(self, log: Any) -> Any:
        """Return the log that a task names, or nothing where it names none.

        Raises:
            EventsError: it may not be named.
        """
        if isinstance(log, str):
            check_named(log, self.sources)
        return log


NOTHING = Equipment()
"""For those who have none."""
