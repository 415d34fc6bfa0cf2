"""A file that is one JSON document (an array of events, or events spread over many lines) becomes JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DOCUMENT = 400_000_000
"""Largest JSON document that is read, in characters: it has to fit into memory as a whole."""

_LISTS = ("records", "events", "logs", "entries", "items", "results", "messages", "value", "data", "hits", "log")
_ARRAY = re.compile(r"\s*\[\s*(?:\{|\])")


def looks_like_document(head: str) -> bool:
    """Return whether a file that begins with `head` is a JSON document rather than lines."""
    if _ARRAY.match(head):
        return not _is_value(_first_line(head)) or _is_array_of_objects(_first_line(head))
    if not head.lstrip().startswith("{"):
        return False
    first = _first_line(head)
    if _is_value(first):
        return "\n" not in head.strip() and _events_in(json.loads(first)) is not None
    return re.match(r'\s*\{\s*(?:"|$)', first) is not None and _may_go_on(head, first)


def document_lines(text: str) -> Iterator[str] | None:
    """Return the events of a JSON document, one line of JSON each; `None` where it is no valid JSON."""
    decoder, at, values = json.JSONDecoder(), 0, []
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at = _skip(text, at)
    except (ValueError, RecursionError):
        return None
    events = values
    if len(values) == 1:
        only = values[0]
        events = only if isinstance(only, list) else (_events_in(only) or values)
    return (json.dumps(event, ensure_ascii=False) for event in events)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _first_line(head: str) -> str:
    return head.lstrip().partition("\n")[0]


def _is_value(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_array_of_objects(text: str) -> bool:
    value = json.loads(text)
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _may_go_on(head: str, first: str) -> bool:
    """Whether a first line that is no JSON value by itself is the start of a longer one, not a broken line."""
    if "\n" not in head.strip():
        return len(head) > 1000 or first.rstrip().endswith(("{", ",", "["))
    return first.rstrip().endswith(("{", ",", "["))


def _events_in(value: Any) -> list[Any] | None:
    """The list of events inside an envelope such as `{"Records": [...]}`, if there is one."""
    if not isinstance(value, dict):
        return None
    for key, inner in value.items():
        if key.lower() in _LISTS and isinstance(inner, list) and inner and all(isinstance(i, dict) for i in inner):
            return inner
        if key.lower() in ("hits", "data", "response") and (found := _events_in(inner)):
            return found
    return None
