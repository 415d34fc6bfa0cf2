"""The store over what a tool of an MCP server returns: fetched once, then asked as a log file is."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from ...schema.document import Document
from ...schema.errors import EventsError
from ...tool_servers.sessions import NO_MCP, is_installed
from ..duckdb_store import DuckDBStore
from ..open import read_events
from ..protocol import EventStore
from ..sharing import KEPT, shared
from ..splunk.source import SplunkSource
from ..splunk.store import SplunkStore
from .blocking import wait
from .fetching import fetch
from .searching import ToolSearcher
from .source_file import Search, Source, read_source


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
    if source.asked.search is not None:
        return _searched(source, source.asked.search)
    return shared(source.key, lambda may_stop: _store(source, may_stop), source.asked.max_age_s)


def _searched(source: Source, search: Search) -> EventStore:
    """Return the store that asks Splunk by searches, shared for `max_age_s`: it keeps to one range of time."""
    with _lock:
        known = _searching.get(source.key)
        if known is None or time.monotonic() > known[0]:
            named = {"host": re.sub(r"[^A-Za-z0-9.:_-]", "-", source.name)[:255]}
            place = SplunkSource.model_validate({**named, **search.of, "limits": {"rows": search.rows - 1}})
            known = (time.monotonic() + source.asked.max_age_s, SplunkStore(ToolSearcher(source, search), place))
            _searching[source.key] = known
        _searching.move_to_end(source.key)
        while len(_searching) > KEPT:
            _searching.popitem(last=False)
    return known[1]


_searching: OrderedDict[tuple[str, ...], tuple[float, EventStore]] = OrderedDict()
_lock = threading.Lock()


def _store(source: Source, may_stop: Callable[[], bool]) -> DuckDBStore:
    tool = source.asked.tool
    with tempfile.TemporaryDirectory(prefix="fanwise-events-") as folder:
        path = Path(folder, "events")
        with path.open("w", encoding="utf-8", errors="replace", newline="") as out:
            made = wait(lambda: fetch(source, out), may_stop)
        if not made.lines:
            raise EventsError(f"{source.location}: the tool {tool!r} returned no events; ask for more with 'arguments'")
        return read_events(tool, [(tool, path)], may_stop, made.pages, made.notes(tool))
