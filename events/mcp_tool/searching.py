"""Searches in Splunk's language over a tool of an MCP server: Splunk answers the checks, its REST API is not asked."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

from ...schema.errors import EventsError
from ..ending import go_on
from ..splunk.searcher import Found, Row
from .blocking import wait
from .fetching import fetch
from .source_file import Search, Source

AT_ONCE = 4
"""Searches at the same time, in this process, with one source."""

_LOOK_S = 0.1
"""How often one who waits for a place looks whether somebody still waits for it."""


class ToolSearcher:
    """Runs searches by calls of a tool; see `splunk.Searcher`. Each has a session of its own, which ends with it."""

    def __init__(self, source: Source, search: Search) -> None:
        """Prepare the searcher; nothing is started yet."""
        self._source, self._search = source, search
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def search(self, spl: str, earliest: str, latest: str) -> Found:
        """Run a search to its end and return its rows; see `splunk.Searcher.search`."""
        asked: dict[str, Any] = {self._search.argument: spl, self._search.earliest: earliest or "0"}
        if latest:
            asked[self._search.latest] = latest
        if self._search.limit is not None:
            asked[self._search.limit] = self._search.rows
        while not self._places.acquire(timeout=_LOOK_S):
            go_on()
        try:
            out = io.StringIO()
            made = wait(lambda: fetch(self._source, out, asked))
        finally:
            self._places.release()
        rows = [_row(json.loads(line)) for line in out.getvalue().split("\n") if line]
        if made.cut or (self._source.asked.page is None and len(rows) >= self._search.rows):
            limit = made.cut or f"search.rows: {self._search.rows:,}"
            raise EventsError(
                f"{self._source.location}: a search has more rows than may be read ({limit}): ask about less time,"
                " or raise the limit if the tool gives more"
            )
        return Found(rows)

    def close(self) -> None:
        """Do nothing: no session is left open."""


def _row(given: Any) -> Row:
    """Return a row as Splunk's REST API gives it: text by field, what has no value left out."""
    if not isinstance(given, dict):
        raise EventsError("the tool's rows are no objects with fields; say with 'events' where the rows stand")
    return {name: _text(value) for name, value in given.items() if value is not None and value != []}


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else json.dumps(value)
