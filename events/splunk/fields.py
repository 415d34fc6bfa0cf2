"""Which fields of Splunk's events are which of ours, and the SPL that brings their values into one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from ..layouts import COLUMNS
from ..names import level_words
from .spl import field

UNITS = {"duration_ms": "", "duration_s": "*1000", "duration_us": "/1000"}
"""Names for how long something took, and how milliseconds are made of it."""

NAMES: dict[str, tuple[str, ...]] = {
    "host": ("host",),
    "source": ("source",),
    "sourcetype": ("sourcetype",),
    "level": ("level", "log_level", "loglevel", "severity"),
    "status": ("status", "http_status", "status_code"),
    "duration_ms": ("duration_ms", "response_time_ms", "elapsed_ms", "took_ms"),
    "duration_s": ("duration_s", "request_time"),
    "duration_us": ("duration_us",),
    "message": ("message", "msg"),
    "user": ("user", "username"),
    "client": ("clientip", "client_ip", "src_ip", "client"),
    "method": ("http_method", "method"),
    "path": ("uri_path", "path", "uri"),
}
"""Names of fields in Splunk for each of ours, the surest first; a source file may name others."""

ALL = tuple(name for name in COLUMNS if name not in ("ts", "received"))
"""Our fields, but for the two moments."""

SET = "fw_"
"""What the names of the fields that searches set begin with."""

PLACE = 'coalesce(index, "-")."/".coalesce(splunk_server, "-")'
"""SPL: the index and the indexer that hold an event; with `_cd`, its address there, it names one event."""


def prepared(names: Iterable[str], own: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the commands that set `fw_NAME` for our fields.

    Args:
        names: ours.
        own: names of fields in Splunk by ours, where they are not the usual ones.
    """
    known = {**NAMES, **own}
    if any(name in own for name in UNITS):  # what is named takes the place of all that are guessed
        known |= {name: tuple(own.get(name, ())) for name in UNITS}
    commands = []
    for name in dict.fromkeys(names):
        if name == "status":
            number = f"{SET}status=tonumber({_first(known['status'])})"
            kept = f"{SET}status>=100 AND {SET}status<=599 AND floor({SET}status)={SET}status"
            commands += [f"eval {number}", f"eval {SET}status=if({kept}, {SET}status, null())"]
        elif name == "level":
            commands += [f"eval {SET}level=upper(trim({_first(known['level'])}))", f"eval {SET}level={_level()}"]
        elif name == "duration_ms":
            commands.append(f"eval {SET}duration_ms={_duration(known)}")
        elif name == "message":
            commands.append(f"eval {SET}message=coalesce({_first(known['message'])}, _raw)")
        else:
            value = PLACE if name == "file" else _first(known[name])
            commands.append(f"eval {SET}{name}={value}")
    return commands


def _first(names: Sequence[str]) -> str:
    """SPL: the first value of the first of some fields that has one; null for an empty one."""
    fields = ", ".join(map(field, names))
    return f'nullif(mvindex({f"coalesce({fields})" if len(names) > 1 else fields}, 0), "")'


def _level() -> str:
    """SPL: the level that `fw_level` spells, by the same words as in files."""
    words = sorted(level_words(), key=lambda pair: pair[1])
    cases = [
        f'match({SET}level, "^({"|".join(word for word, _ in group)})$"), "{level}"'
        for level, group in groupby(words, key=lambda pair: pair[1])
    ]
    return f"case({', '.join(cases)})"


def _duration(known: Mapping[str, Sequence[str]]) -> str:
    parts = [f"tonumber({_first(known[name])}){factor}" for name, factor in UNITS.items() if known[name]]
    return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
