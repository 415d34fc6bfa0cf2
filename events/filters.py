"""From the protocol's filters and fields to SQL. Values go in as parameters, names only if they are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from ..schema.errors import EventsError
from .protocol import Field, Where

_FIELDS = frozenset(get_args(Field))

RAW = """(SELECT string_agg(raw, chr(10) ORDER BY rowid) FROM lines
    WHERE rowid = p.id OR rowid IN (SELECT id FROM parts WHERE owner = p.id ORDER BY id LIMIT 50))"""
"""SQL: the raw line of the event `p` with at most 50 lines that belong to it."""


def columns_of(by: Sequence[str]) -> dict[str, str]:
    """Return SQL by field name.

    Raises:
        EventsError: A field is not one that events can be grouped by.
    """
    if isinstance(by, str):
        raise EventsError(f"fields to group by come as a list, not as {by!r}; write [{by!r}]")
    for name in by:
        if name not in _FIELDS:
            raise EventsError(f"cannot group events by {name!r}; known fields are {', '.join(sorted(_FIELDS))}")
    return {name: "f.file" if name == "file" else f'e."{name}"' for name in by}


def conditions(where: Where | None, parameters: dict[str, Any]) -> str:
    """Return the WHERE clause for the aliases `e` (events), and add its values to `parameters`."""
    if where is None:
        return ""
    parts = []
    for name in ("host", "source", "sourcetype"):
        if (value := getattr(where, name)) is not None:
            parts.append(f"e.{name} = $w_{name}")
            parameters[f"w_{name}"] = value
    if where.levels:
        parts.append("e.level IN (SELECT unnest($w_levels))")
        parameters["w_levels"] = list(where.levels)
    for name, test in (("start", ">="), ("end", "<")):
        if (value := getattr(where, name)) is not None:
            parts.append(f"e.ts {test} $w_{name}::TIMESTAMP")
            parameters[f"w_{name}"] = moment(value)
    if where.text is not None:
        parts.append(
            "e.id IN (SELECT coalesce(p.owner, t.rowid) FROM lines t LEFT JOIN parts p ON p.id = t.rowid"
            " WHERE contains(lower(t.raw), lower($w_text)))"
        )
        parameters["w_text"] = where.text
    return "WHERE " + " AND ".join(parts) if parts else ""


def moment(text: str) -> datetime:
    """Return an ISO 8601 moment as a naive datetime in UTC; without an offset it is taken as UTC.

    Raises:
        EventsError: It is no such moment.
    """
    try:
        value = datetime.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise EventsError(f"{text!r} is no ISO 8601 moment; write it like 2024-05-14T13:00:00Z") from error
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
