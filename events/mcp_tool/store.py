"""The store over what a tool of an MCP server returns: fetched once, then asked as a log file is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from ...schema.document import Document
from ...schema.errors import EventsError
from ...tool_servers.sessions import NO_MCP, is_installed
from ..duckdb_store import DuckDBStore
from ..open import read_events
from ..protocol import EventStore
from ..sharing import shared
from .blocking import wait
from .fetching import fetch
from .source_file import Source, read_source


def open_mcp_source(document: Document) -> EventStore:
    """Return the store over the events that a tool returns; see `source_file.ToolFile` for what the file may say.

    What was fetched is shared within the process for `max_age_s`, so that the checks of a run look at the same events.

    Raises:
        Stopped: nobody waits for it any more; see `events.ending`. The server is ended.
        EventsError: the file is wrong, MCP is not installed, or the events could not be fetched.
    """
    source = read_source(document)
    if not is_installed():
        raise EventsError(f"{source.location}: {NO_MCP}")
    return shared(source.key, lambda may_stop: _store(source, may_stop), source.asked.max_age_s)


def _store(source: Source, may_stop: Callable[[], bool]) -> DuckDBStore:
    tool = source.asked.tool
    with tempfile.TemporaryDirectory(prefix="fanwise-events-") as folder:
        path = Path(folder, "events")
        with path.open("w", encoding="utf-8", errors="replace", newline="") as out:
            made = wait(lambda: fetch(source, out), may_stop)
        return read_events(tool, [(tool, path)], may_stop, made.pages, made.notes(tool))
