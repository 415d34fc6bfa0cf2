"""Which event logs a client may have read: the server's own, and what lies below a folder that is meant for it.

A plan's task can name a log too, and so can a result that flows into its input: so each specialist that reads logs asks
here at the moment when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..events.backends import is_local
from ..nodes.specialist import Specialist
from ..nodes.specialists import built_in
from ..nodes.specialists.equipment import Equipment
from ..nodes.specialists.readers import READERS, held_to
from ..schema.errors import EventsError


@dataclass(frozen=True, slots=True)
class EventLogs:
    """The logs that clients may have read."""

    own: str | None = None
    """The server's own log, which is read where none is named."""
    root: Path | None = None
    """A folder; clients may name what lies below it, but for source files, which start programs and use keys."""

    def allowed(self, named: Any) -> str:
        """Return the place of the log that a client names; the server's own where it names none.

        Raises:
            EventsError: it may not be read, or there is none.
        """
        if named is None or named == "":
            return self._own()
        if not isinstance(named, str) or "\0" in named:
            raise EventsError(f"events {named!r} is no path; give the path of a log as text")
        if named == self.own:
            return named
        if (below := self._below(named)) is None:
            raise EventsError(f"events {named[:200]!r} may not be read here: {self._remedy()}")
        return below

    def _own(self) -> str:
        if self.own is not None:
            return self.own
        more = "name one below the server's events root with `events`, or " if self.root is not None else ""
        raise EventsError(f"no event log to answer from: {more}have the server started with --events PATH")

    def _below(self, named: str) -> str | None:
        if self.root is None or not is_local(named):
            return None
        root = self.root.resolve()
        try:
            place = (root / named).resolve()
        except (OSError, RuntimeError):
            return None
        is_log = place.is_relative_to(root) and is_local(str(place))  # a link may lead to a file that starts programs
        return str(place) if is_log else None

    def _remedy(self) -> str:
        own = "leave `events` out for the server's own log"
        below = "name a path below the server's events root"
        known = [own] * (self.own is not None) + [below] * (self.root is not None)
        return ", or ".join(known) or "the server was started without --events and without --events-root"


def guarded(equipment: Equipment, logs: EventLogs, own: Iterable[str]) -> list[Specialist]:
    """Return the built-in specialists that read logs, held to those that may be read.

    Args:
        equipment: what they may use.
        logs: what may be read.
        own: names of the user's own specialists, which take the place of built-in ones and are left as they are.
    """
    taken = set(own)
    known = built_in(equipment, [name for name in READERS if name not in taken])
    return [_guarded(known[name], logs) for name in READERS if name not in taken]


def _guarded(item: Specialist, logs: EventLogs) -> Specialist:
    schema = item.input_schema
    if schema and logs.own is not None:  # a task that names no log is given the server's
        needed = [name for name in schema.get("required", ()) if name != "events"]
        schema = {**schema, "required": needed}
    return replace(held_to(item, logs.allowed), input_schema=schema)
