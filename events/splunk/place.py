"""From a location, a URL or a source file, to what is asked of Splunk; every problem at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from ...schema.document import Document
from ...schema.errors import EventsError, Problem
from ...schema.translate import worded
from ...schema.words import Nearest, got, listed, path_text
from .source import Fields, Limits, SplunkSource

REPEATED = ("index", "sourcetype")
"""Parameters of a URL that may be given again."""

PARAMETERS = ("index", "sourcetype", "earliest", "latest", "scheme", "verify", "ca", *Limits.model_fields)
"""What stands behind the question mark of a URL."""

FORM = "splunk://HOST[:8089][/APP]?index=main&earliest=-24h"

ENVIRONMENT = "set SPLUNK_TOKEN, or SPLUNK_USERNAME and SPLUNK_PASSWORD, or SPLUNK_SESSION_KEY"
"""Where credentials come from."""

_SECRET = re.compile(r"[?&](?:token|session_?key|user|username|pass|password|key)=", re.IGNORECASE)

_PARTS: dict[str, type[Fields] | type[Limits]] = {"fields": Fields, "limits": Limits}


def of_url(location: str) -> SplunkSource:
    """Return what a URL says.

    Raises:
        EventsError: it holds a secret, or has problems; all of them are listed.
    """
    if "@" in location.partition("://")[2].partition("/")[0].partition("?")[0] or _SECRET.search(location):
        raise EventsError(
            "a location in Splunk holds no user and no secret, since it stands in plans, checkpoints and traces: "
            f"{ENVIRONMENT}"
        )
    try:
        parts = urlsplit(location)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise EventsError(f"{location!r} is no location in Splunk: {error}; write {FORM}") from None
    data: dict[str, Any] = {"host": host or ""}
    if port is not None:
        data["port"] = port
    if app := unquote(parts.path.strip("/")):
        data["app"] = app
    problems = list(_given(parts.query, data))
    if not data.get("index") and not any("'index'" in problem.message for problem in problems):
        problems.append(Problem("no index is named: write ?index=NAME; index=* is all that the user may search"))
    if parts.fragment:
        problems.append(Problem("nothing may stand behind a '#'"))
    problems += source_problems(data)
    if problems:
        raise EventsError(_told(location, problems))
    return SplunkSource.model_validate(data)


def of_file(document: Document) -> SplunkSource:
    """Return what a source file says.

    Raises:
        EventsError: it has problems; all of them are listed with their lines.
    """
    data = document.data["splunk"]
    if not isinstance(data, Mapping):
        found = [Problem(f"expected an object with host and index, {got(data)}", "splunk")]
    else:
        found = list(source_problems(data))
        if not data.get("index") and not data.get("base"):
            found.append(Problem("neither index nor base is given: name an index, or write a base search", ""))
    rooted = [Problem(p.message, f"splunk.{p.path}" if p.path else "splunk") for p in found if found]
    problems = document.located(rooted)
    if problems:
        raise EventsError(_told(document.source or "the source file", problems))
    return SplunkSource.model_validate(data)


def source_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the description of a source, each with its place."""
    try:
        SplunkSource.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield Problem(_worded(dict(details)), path_text(details["loc"]))
    if data.get("base") and (data.get("index") or data.get("sourcetype")):
        yield Problem("a base search stands in place of index and sourcetype: give one of them", "base")


def _given(query: str, data: dict[str, Any]) -> Iterator[Problem]:
    """Fill in the parameters of a URL; yield those that there are not. A plus is a plus: times have them."""
    limits: dict[str, Any] = {}
    for part in query.split("&") if query else ():
        name, _, text = part.partition("=")
        name, value = unquote(name), unquote(text)
        if name not in PARAMETERS:
            known = f"; known are {listed(PARAMETERS, 20)}, and a source file takes more"
            yield Problem(f"unknown parameter {name!r}{Nearest(PARAMETERS).hint(name, known)}")
        elif name in REPEATED:
            data.setdefault(name, []).append(value)
        elif name in data or name in limits:
            yield Problem(f"{name!r} is given twice")
        elif name in Limits.model_fields:
            limits[name] = value
        else:
            data[name] = value
    if limits:
        data["limits"] = limits


def _worded(details: dict[str, Any]) -> str:
    loc = details["loc"]
    name = str(loc[-1]) if loc else ""
    part = _PARTS.get(str(loc[0])) if len(loc) > 1 else None
    known = [item for item in (part or SplunkSource).model_fields]
    if details["type"] == "extra_forbidden":
        return f"unknown field {name!r}{Nearest(known).hint(name, f'; known are {listed(known, 20)}')}"
    if details["type"] == "missing":
        return f"{name!r} is missing"
    if details["type"] == "value_error":
        secret = name in ("token", "session_key", "password")
        return f"{details['ctx']['error']}" + ("" if secret else f", {got(details['input'])}")
    if details["type"] == "string_pattern_mismatch":
        return f"no name of a{'n app' if name == 'app' else ' host'}, {got(details['input'])}"
    return worded(details, loc)


def _told(place: str, problems: list[Problem]) -> str:
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
    return "\n".join([f"{place}: {count}", *(f"  - {problem}" for problem in problems)])


def credentials(source: SplunkSource) -> dict[str, str]:
    """Return how to sign in, as splunk-sdk takes it: what the source file names, else what the environment has.

    Raises:
        EventsError: there is nothing to sign in with.
    """
    if source.token or source.session_key or source.username or source.password:
        token, key = _named(source.token), _named(source.session_key)
        user, password = _named(source.username), _named(source.password)
    else:
        token, key, user, password = (
            os.environ.get(f"SPLUNK_{name}", "") for name in ("TOKEN", "SESSION_KEY", "USERNAME", "PASSWORD")
        )
    if token:
        return {"splunkToken": token}
    if key:
        return {"token": key}
    if user and password:
        return {"username": user, "password": password}
    raise EventsError(f"there is nothing to sign in to Splunk at {source.address} with: {ENVIRONMENT}")


def _named(text: str | None) -> str:
    """Return a secret by the name that a source file gives, `${NAME}`; other text as it is."""
    if text is None:
        return ""
    if not (text.startswith("${") and text.endswith("}")):
        return text
    name = text[2:-1]
    if not (value := os.environ.get(name, "")):
        raise EventsError(f"the environment has no {name}, which the source file names; set it")
    return value
