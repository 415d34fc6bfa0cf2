"""From Splunk's results, which are text, to the values that an event store returns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .fields import ALL, SET
from .searcher import Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(row: Row, name: str) -> str | None:
    """Return a field's text, of several values the first; null where it is empty or there is none."""
    value = row.get(name)
    if isinstance(value, list):
        value = value[0] if value else None
    return None if value is None or value == "" else str(value)


def number(row: Row, name: str) -> float:
    """Return a field's number, 0 where it has none."""
    return float(text(row, name) or 0)


def whole(row: Row, name: str) -> int:
    """Return a field's whole number, 0 where it has none."""
    return int(number(row, name))


def iso(row: Row, name: str) -> str | None:
    """Return a field's moment as ISO 8601 in UTC; null where it has none."""
    stamp = text(row, name)
    return None if stamp is None else moment(stamp).isoformat()


def moment(seconds: str) -> datetime:
    """Return seconds since 1970, as text, to the microsecond."""
    return _EPOCH + timedelta(microseconds=int((Decimal(seconds) * 1_000_000).to_integral_value()))


def stamp(at: datetime) -> str:
    """Return a moment as a search's time range takes it; without an offset it is UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    micros = (aware - _EPOCH) // timedelta(microseconds=1)
    return f"{'-' if micros < 0 else ''}{abs(micros) // 1_000_000}.{abs(micros) % 1_000_000:06}"


def keys(row: Row, by: Sequence[str]) -> dict[str, Any]:
    """Return a group's values by field."""
    found: dict[str, Any] = {}
    for name in by:
        told = text(row, f"k_{name}") or "-"
        value = told[1:] if told.startswith("=") else None
        found[name] = int(float(value)) if name == "status" and value is not None else value
    return found


def event(row: Row) -> dict[str, Any]:
    """Return a whole event."""
    found: dict[str, Any] = {"ts": iso(row, "ts"), "received": iso(row, "received")}
    found |= {name: text(row, SET + name) for name in ALL}
    found["status"] = None if found["status"] is None else int(float(found["status"]))
    found["duration_ms"] = None if found["duration_ms"] is None else float(found["duration_ms"])
    return found | {"raw": text(row, "_raw") or "", "file": text(row, "file"), "line": text(row, "line")}


def values(row: Row, name: str) -> tuple[str, ...]:
    """Return all values of a field, in the order of their characters."""
    given = row.get(name)
    return tuple(sorted(map(str, given if isinstance(given, list) else [given] if given else [])))


def order(value: Any) -> tuple[bool, Any]:
    """Return by what a group's value is ordered: null stands last."""
    return (value is None, "" if value is None else value)
