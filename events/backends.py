"""Event logs that are not files: which backend answers for a location, and the function that opens it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Any

from ..schema.document import Document, read_document
from ..schema.errors import EventsError, PlanError, Problem
from ..schema.words import got
from .protocol import EventStore

SCHEMES = {"splunk": "splunk:open_splunk"}
"""Backends by the scheme of a URL; their modules may need an extra, and are imported when they are asked for."""

SOURCES = {"splunk": "splunk:open_splunk_source", "mcp": "mcp_tool.store:open_mcp_source"}
"""Backends by the one key of a source file."""

SOURCE_ENDINGS = (".events.yaml", ".events.yml", ".events.json")
"""How the names of files end that say where events are, and hold none themselves."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def is_local(location: str) -> bool:
    """Tell whether a location is the path of a log on this machine."""
    return not _SCHEME.match(location) and not location.endswith(SOURCE_ENDINGS)


def check_named(location: str, sources: Collection[str] | None) -> None:
    """Refuse a place that is no log of this machine, unless it is one of those that may be named.

    A source file starts programs, and a backend uses the keys of whoever runs this process.

    Args:
        location: what was named.
        sources: what may be; anything, if not given.

    Raises:
        EventsError: it may not.
    """
    if sources is not None and location not in sources and not is_local(location):
        raise EventsError(
            f"events {location[:200]!r} may not be named here: source files and addresses are for whoever runs this"
            " server to choose; name the path of a log, or leave `events` out for the server's own"
        )


def open_backend(location: str) -> EventStore | None:
    """Return the store for a location that is no log of this machine; nothing where it is one.

    Raises:
        EventsError: there is no such backend, the source file is wrong, or an extra is missing.
    """
    if scheme := _SCHEME.match(location):
        name = scheme[1].lower()
        if name not in SCHEMES:
            known = ", ".join(f"{known}://" for known in SCHEMES)
            raise EventsError(
                f"cannot read events from {location!r}: {scheme[1]}:// is not supported; give the path of a file or "
                f"folder, one that ends in {SOURCE_ENDINGS[0]}, or {known}"
            )
        return _backend(SCHEMES[name])(location)
    if not location.endswith(SOURCE_ENDINGS):
        return None
    document = _described(location)
    kind = next(iter(document.data))
    return _backend(SOURCES[kind])(document)


def _described(location: str) -> Document:
    """Read a source file: an object with one key, the backend's name."""
    try:
        document = read_document(Path(location).expanduser())
    except PlanError as error:  # words of its own for what can't be read, with the line
        raise EventsError(str(error)) from None
    keys = list(document.data) if isinstance(document.data, dict) else []
    if len(keys) != 1 or keys[0] not in SOURCES:
        known = " or ".join(SOURCES)
        problems = document.located([Problem(f"expected an object with one key, {known}, {got(document.data)}")])
        raise EventsError(f"{location}: {problems[0]}")
    return document


def _backend(place: str) -> Callable[[Any], EventStore]:
    module, _, function = place.partition(":")
    opened: Callable[[Any], EventStore] = getattr(import_module(f".{module}", __package__), function)
    return opened
