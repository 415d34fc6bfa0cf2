"""Which field of a record is its timestamp, its host, its level: told from names and from a sample of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from .names import LEVELS, ROLES, normal, rank, status_sql
from .stamps import DATE, EPOCH, OFFSET, STAMPS, Stamp

Key = tuple[str, ...]
"""A field's keys from the outside in; a column of a table has one."""

Choose = Callable[[Sequence[Stamp], Sequence[str]], Stamp]
"""Picks among forms of moment that fit the same texts, such as day/month and month/day."""

NO_MESSAGE = "no field is known as the message, so that the whole record is"
NO_ZONE = "times without a zone are taken as UTC"

_FORMS = (*STAMPS, DATE)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?")
_CALENDAR = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{8}")
_LEVEL_TEXTS: frozenset[str] = frozenset(
    {word for words in LEVELS.values() for word in words} | set("0 1 2 3 4 5 6 7 10 20 30 40 50 60".split())
)
_CHECKS: dict[str, Callable[[str], bool]] = {
    "level": lambda text: text.strip().upper() in _LEVEL_TEXTS,
    "status": lambda text: re.fullmatch(r"[1-5]\d\d", text) is not None,
    "duration": lambda text: re.fullmatch(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", text) is not None,
    "method": lambda text: re.fullmatch(r"[A-Z]{3,16}", text) is not None,
    "path": lambda text: "/" in text,
}
_UNITS = (("ms", 1.0), ("millis", 1.0), ("us", 1e-3), ("micros", 1e-3), ("ns", 1e-6), ("sec", 1e3), ("s", 1e3))


@dataclass(frozen=True)
class Moment:
    """Where a moment stands: a form and the field, or two fields (date and time of day) with a space between."""

    stamp: Stamp
    keys: tuple[Key, ...]

    def to_sql(self, text: Callable[[Key], str]) -> str:
        """Return SQL of type TIMESTAMP."""
        return self.stamp.to_sql("(" + " || ' ' || ".join(text(key) for key in self.keys) + ")")


@dataclass(frozen=True)
class Fields:
    """Which fields of a record play which role; where a role has several, the first with a value counts."""

    moments: tuple[Moment, ...]
    received: tuple[Moment, ...]
    roles: tuple[tuple[str, tuple[Key, ...]], ...]
    duration_factor: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """All fields in use, each once."""
        moments = (key for moment in (*self.moments, *self.received) for key in moment.keys)
        return tuple(dict.fromkeys((*moments, *(key for _, keys in self.roles for key in keys))))

    def columns(self, text: Callable[[Key], str], fallback: str, sourcetype: str) -> dict[str, str]:
        """Return SQL by column.

        Args:
            text: Gives the SQL of a field's text.
            fallback: SQL of the message of a record that has none.
            sourcetype: SQL of the source type of a record that has none.
        """
        found = {role: f"coalesce({', '.join(text(key) for key in keys)})" for role, keys in self.roles if keys}
        columns = {
            "ts": _coalesce([moment.to_sql(text) for moment in self.moments]),
            "received": _coalesce([moment.to_sql(text) for moment in self.received]),
            "message": _coalesce([found.get("message", "NULL"), fallback]),
            "sourcetype": _coalesce([found.get("sourcetype", "NULL"), sourcetype]),
        }
        columns.update({role: found[role] for role in found if role in _PLAIN_ROLES})
        if "level" in found:
            columns["level"] = found["level"]
        if "status" in found:
            columns["status"] = status_sql(found["status"])
        if "duration" in found:
            columns["duration_ms"] = f"try_cast({found['duration']} AS DOUBLE) * {self.duration_factor!r}"
        return columns


_PLAIN_ROLES = ("host", "source", "user", "client", "method", "path")


def _coalesce(parts: Sequence[str]) -> str:
    return f"coalesce({', '.join([*parts, 'NULL'])}, NULL)"


def find_fields(values: Mapping[Key, Sequence[str]], choose: Choose) -> Fields | None:
    """Return which fields play which role, from sample values by field; `None` where no field holds a moment."""
    received = _moments("received", values, choose)
    taken = {key for moment in received for key in moment.keys}
    others = {key: texts for key, texts in values.items() if key not in taken}
    moments = _moments("ts", others, choose) or _any_moment(others, choose)
    if not moments:
        return None
    taken |= {key for moment in moments for key in moment.keys}
    roles: list[tuple[str, tuple[Key, ...]]] = []
    for role in ROLES:
        if role in ("ts", "received"):
            continue
        keys = _keys(role, {key: texts for key, texts in values.items() if key not in taken})
        roles.append((role, keys[:1] if role == "duration" else keys[:3]))
        taken |= set(keys)
    factor, notes = _unit(dict(roles).get("duration", ()), values)
    if not all(_has_zone(moment, values) for moment in moments):
        notes = (NO_ZONE, *notes)
    if not any(keys for role, keys in roles if role in ("message", "path")):
        notes = (*notes, NO_MESSAGE)
    return Fields(moments, received, tuple(roles), factor, notes)


def _keys(role: str, values: Mapping[Key, Sequence[str]]) -> tuple[Key, ...]:
    ranked = sorted((fit, key) for key in values if (fit := rank(role, key)) is not None)
    check = _CHECKS.get(role)
    return tuple(key for _, key in ranked if check is None or _mostly(check, values[key]))


def _mostly(check: Callable[[str], bool], texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text.strip() not in ("", "-", "null")]
    return bool(filled) and sum(map(check, filled)) >= 0.7 * len(filled)


def _moments(role: str, values: Mapping[Key, Sequence[str]], choose: Choose) -> tuple[Moment, ...]:
    found: list[Moment] = []
    for key in _keys(role, values):
        pair = _date_and_time(key, values, choose) if _mostly(_is_calendar, values[key]) else None
        if pair:
            found.append(pair)
        elif stamp := form_of(values[key], choose):
            found.append(Moment(stamp, (key,)))
    return tuple(sorted(found, key=lambda moment: moment.stamp is DATE))[:3]


def _any_moment(values: Mapping[Key, Sequence[str]], choose: Choose) -> tuple[Moment, ...]:
    """A field that holds moments under a name that says nothing; bare numbers do not count."""
    for key, texts in values.items():
        stamp = form_of(texts, choose)
        if stamp is not None and stamp not in (EPOCH, DATE):
            return (Moment(stamp, (key,)),)
    return ()


def _is_calendar(text: str) -> bool:
    return _CALENDAR.fullmatch(text.strip()) is not None


def _date_and_time(date: Key, values: Mapping[Key, Sequence[str]], choose: Choose) -> Moment | None:
    for key, texts in values.items():
        if "time" in normal(key[-1]) and _mostly(lambda text: _CLOCK.fullmatch(text.strip()) is not None, texts):
            both = [f"{day} {clock}" for day, clock in zip(values[date], texts, strict=False)]
            if stamp := form_of(both, choose):
                return Moment(stamp, (date, key))
    return None


def form_of(texts: Sequence[str], choose: Choose) -> Stamp | None:
    """Return the form of moment that most of `texts` have."""
    for stamp in _FORMS:
        if _mostly(lambda text, form=stamp.regex: re.fullmatch(form, text.strip()) is not None, texts):  # type: ignore[misc]
            rivals = [rival for rival in _FORMS if rival.regex == stamp.regex]
            return choose(rivals, texts) if len(rivals) > 1 else stamp
    return None


def _has_zone(moment: Moment, values: Mapping[Key, Sequence[str]]) -> bool:
    if moment.stamp is EPOCH:
        return True
    return any(re.search(OFFSET, text) for text in values[moment.keys[-1]])


def _unit(keys: tuple[Key, ...], values: Mapping[Key, Sequence[str]]) -> tuple[float, tuple[str, ...]]:
    """The factor to milliseconds, from the name or else from the size of the values, which is noted."""
    if not keys:
        return 1.0, ()
    name = normal(keys[0][-1])
    if normal("".join(keys[0])) == "eventduration":
        return 1e-6, ()
    for unit, factor in _UNITS:
        if name.endswith(unit):
            return factor, ()
    texts = [text for text in values[keys[0]] if _CHECKS["duration"](text)]
    seconds = any("." in text for text in texts) and median(map(float, texts)) < 10
    shown = ".".join(keys[0])
    return (1e3, (f"{shown} is taken as seconds",)) if seconds else (1.0, (f"{shown} is taken as milliseconds",))
