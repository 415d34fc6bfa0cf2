"""The pages of a tool's answer: what to ask for next, and when that would never end. Pure: nothing is called here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jmespath

from ...schema.errors import EventsError
from ...schema.words import shown
from .source_file import Page


class EndlessError(EventsError):
    """A tool tells the same page again, or the same cursor."""


class Pages:
    """Says with which arguments each page is asked for."""

    def __init__(self, page: Page | None) -> None:
        self.number = 0
        """Pages that came."""
        self._page = page
        self._events = 0
        self._last: list[str] = []
        self._cursors: set[str] = set()
        self._next: dict[str, Any] | None = self._first()

    @property
    def uses(self) -> list[str]:
        """The names of the arguments that pages are asked for with."""
        page = self._page
        return [] if page is None else [name for name in (page.argument, page.size_argument) if name is not None]

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments of the next page, beside the tool's own; nothing where all pages came."""
        return self._next

    def came(self, answer: Any, events: list[str]) -> None:
        """Take note of a page.

        Raises:
            EndlessError: it is the one before, or leads to one that came already.
        """
        self.number += 1
        self._events += len(events)
        if events and events == self._last:
            raise EndlessError(
                f"page {self.number} is the same as the one before, so that paging would never end:"
                f" does {self._page.argument if self._page else ''!r} tell the tool which page is meant?"
            )
        self._last = events
        self._next = None if self._page is None else self._following(self._page, answer, events)

    def _first(self) -> dict[str, Any]:
        page = self._page
        if page is None:
            return {}
        return self._sized(page, {} if page.cursor is not None else {page.argument: self._count(page)})

    def _following(self, page: Page, answer: Any, events: list[str]) -> dict[str, Any] | None:
        if page.cursor is None:
            return self._sized(page, {page.argument: self._count(page)}) if events else None
        cursor = jmespath.search(page.cursor, answer) if isinstance(answer, Mapping | list) else None
        if cursor is None or cursor is False or cursor == "":
            return None
        if (known := json.dumps(cursor)) in self._cursors:
            raise EndlessError(
                f"page {self.number} has a cursor that came before, {shown(cursor)}, so that paging would never end:"
                f" does {page.argument!r} take the cursor?"
            )
        self._cursors.add(known)
        return self._sized(page, {page.argument: cursor})

    def _count(self, page: Page) -> int:
        """Return the argument's value where what came is counted: a tool may give fewer events than a page has."""
        start = page.start if page.start is not None else int(page.counts == "pages")
        return start + (self.number if page.counts == "pages" else self._events)

    def _sized(self, page: Page, arguments: dict[str, Any]) -> dict[str, Any]:
        return arguments if page.size_argument is None else {**arguments, page.size_argument: page.size}
