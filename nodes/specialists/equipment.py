"""What the built-in specialists may use: a model, a folder to work in, notes, MCP servers, commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...events.backends import check_named

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

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
