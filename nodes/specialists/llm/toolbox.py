"""Tools by the names that specialist files use, over the equipment there is."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....schema.words import Nearest, listed
from ....tool_servers.servers import Server, servers_of
from ...tools.workspace import NO_WORKSPACE, Workspace
from ..equipment import Equipment
from ..notes import NO_NOTES
from .analyst import NO_EVENTS
from .mcp import lacking

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from langgraph.runtime import Runtime

NEEDS: dict[str, str] = {
    "read_file": "workspace",
    "list_files": "workspace",
    "search_files": "workspace",
    "search_words": "workspace",
    "search_lines": "workspace",
    "write_file": "workspace",
    "edit_file": "workspace",
    "run_command": "workspace",
    "query": "events",
    "recall": "store",
    "save_memory": "store",
    "search_notes": "notes",
}
"""The tools that a file can name, and what of the equipment each needs."""

WRITES = frozenset({"write_file", "edit_file"})
ACTS = WRITES | {"run_command", "save_memory"}
"""Tools that change something; those of MCP servers may, too."""

MCP = "mcp:"
"""Before the name of a server, `mcp:SERVER`, or of one of its tools, `mcp:SERVER/TOOL`."""


def tool_problem(name: str, equipment: Equipment) -> str:
    """Return why no tool can have this name, or nothing."""
    if not name.startswith(MCP):
        known = [*NEEDS, "mcp:SERVER", "mcp:SERVER/TOOL"]
        hint = Nearest(known).hint(name, f"; known are {listed(known, 20)}")
        return "" if name in NEEDS else f"there is no tool {name!r}{hint}"
    server = name.removeprefix(MCP).partition("/")[0]
    there = equipment.mcp
    if there is None or server in there:
        return "" if server else "a server's name is missing after 'mcp:'"
    return f"there is no MCP server {server!r}{Nearest(there).hint(server, f'; there are {listed(there)}')}"


def lacks(names: Collection[str], equipment: Equipment) -> str:
    """Return what the equipment does not have for tools of these names, or nothing."""
    needed = {NEEDS.get(name, "mcp") for name in names}
    if "workspace" in needed and equipment.workspace is None:
        return NO_WORKSPACE
    if "events" in needed and equipment.events is None:
        return NO_EVENTS
    if "notes" in needed and equipment.notes is None:
        return NO_NOTES
    return lacking(chosen_servers(names, equipment)) if "mcp" in needed else ""


def chosen_servers(names: Collection[str], equipment: Equipment, approve: Collection[str] = ()) -> dict[str, Server]:
    """Return the MCP servers that tools are named of; those under `approve` are added to what they want approved."""
    chosen = {name.removeprefix(MCP).partition("/")[0] for name in names if name.startswith(MCP)}
    servers = {name: server for name, server in servers_of(equipment.mcp or {}).items() if name in chosen}
    for name in approve:
        server, _, tool = name.removeprefix(MCP).partition("/")
        if name.startswith(MCP) and (known := servers.get(server)) is not None:
            all_of_it = not tool or known.approve == "*"
            more: Any = "*" if all_of_it else [*known.approve, tool]
            servers[server] = known.model_copy(update={"approve": more})
    return servers


class Patterns(Collection[str]):
    """The paths that fit one of some patterns, as a collection that can't be listed."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and any(fnmatch.fnmatchcase(path, pattern) for pattern in self._patterns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._patterns)

    def __len__(self) -> int:
        return len(self._patterns)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What tools are made of."""

    equipment: Equipment
    names: Sequence[str]
    writes: Sequence[str] = ()
    """Patterns of the paths that may be written."""
    namespace: str = "default"
    """Whose memories are recalled and saved."""

    async def tools(self, runtime: Runtime[Any]) -> list[BaseTool]:
        """Return the tools, but for those of MCP servers, which live as long as their sessions.

        Raises:
            FanwiseError: what one works with can't be opened.
        """
        made: dict[str, BaseTool] = {}
        needed = {NEEDS[name] for name in self.names if name in NEEDS}
        if "workspace" in needed:
            made.update(self._of_workspace())
        if "events" in needed:
            made["query"] = await self._query(runtime)
        if "store" in needed:
            made.update(self._of_store(runtime))
        if "notes" in needed:
            made["search_notes"] = self._of_notes()
        return [made[name] for name in dict.fromkeys(self.names) if name in made]

    def _of_workspace(self) -> Mapping[str, BaseTool]:
        from ...tools.commands import command_tool
        from ...tools.file_search import search_tools
        from ...tools.files import reading_tools, writing_tools

        assert self.equipment.workspace is not None
        workspace = Workspace(self.equipment.workspace)
        tools = [*reading_tools(workspace), *search_tools(workspace)]
        tools += writing_tools(workspace, Patterns(self.writes))
        tools.append(command_tool(workspace, self.equipment.commands))
        return {tool.name: tool for tool in tools}

    async def _query(self, runtime: Runtime[Any]) -> BaseTool:
        from ...tools.sql import schema_text
        from .analysis import Notebook, query_tool

        path: str = getattr(runtime.context, "events", None) or self.equipment.events or ""
        tool = query_tool(await Notebook.open(path))
        tool.description = f"{tool.description}\n\n{schema_text()}"
        return tool

    def _of_store(self, runtime: Runtime[Any]) -> Mapping[str, BaseTool]:
        from langchain_core.tools import tool

        from ..memory import memories_of

        kept = memories_of(runtime, self.namespace, self.equipment.embedder())

        @tool
        async def recall(query: str, limit: int = 5) -> list[dict[str, Any]]:
            """Return what was saved in earlier runs and fits some words or a question, the best first."""
            return await kept.recall(query, max(1, min(limit, 50)))

        @tool
        async def save_memory(text: str) -> str:
            """Keep a text for later runs; one fact at a time, understandable by itself."""
            return f"saved as {await kept.save(text)}"

        return {"recall": recall, "save_memory": save_memory}

    def _of_notes(self) -> BaseTool:
        from langchain_core.tools import tool

        from ...call import in_thread
        from ...tools.note_index import NoteIndex
        from ..notes import as_json

        assert self.equipment.notes is not None
        index = NoteIndex(self.equipment.notes.expanduser())

        @tool
        async def search_notes(query: str, limit: int = 8) -> list[dict[str, Any]]:
            """Return the passages of the user's own notes that fit some words, with file, heading and lines."""
            found = await in_thread(lambda: index.search(query, max(1, min(limit, 50))), name="fanwise-notes")
            return [as_json(passage) for passage in found]

        return search_notes
