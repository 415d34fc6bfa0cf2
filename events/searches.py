"""The searches behind a check's answers: what a server that runs them calls them, kept as evidence.

A store that asks a server notes each search here; whoever wants to know collects what is noted while it works. Logs
that are read in this process note nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Search:
    """One search that a server ran."""

    sid: str
    """The server's name for it; empty where it gives none."""
    text: str
    """The search as it was sent."""
    earliest: str
    latest: str
    rows: int
    seconds: float
    """From asking to the last row."""
    notes: tuple[str, ...] = ()
    """What the server warned of."""
    places: frozenset[str] = frozenset()
    """Where the events stand that it returned whole, as evidence names them: `file:line`."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a report shows it, but for its text."""
        told: dict[str, Any] = {"sid": self.sid, "earliest": self.earliest, "latest": self.latest}
        told |= {"rows": self.rows, "seconds": round(self.seconds, 3)}
        return told | ({"notes": list(self.notes)} if self.notes else {})


def told(searches: Iterable[Search]) -> list[dict[str, Any]]:
    """Return searches as a report shows them: each text once, with its jobs, over which times they were."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for number, search in enumerate(searches):
        found.setdefault(search.text, {}).setdefault(search.sid or str(number), search.to_json())
    return [{"search": text, "jobs": list(jobs.values())} for text, jobs in found.items()]


_noted: ContextVar[list[Search] | None] = ContextVar("fanwise_searches", default=None)


@contextmanager
def noting() -> Iterator[list[Search]]:
    """Collect the searches that are noted while this is open, in their order."""
    found: list[Search] = []
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def note(search: Search) -> None:
    """Tell whoever collects searches here of one."""
    if (found := _noted.get()) is not None:
        found.append(search)
