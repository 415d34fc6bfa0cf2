"""The events in what a tool returns: records, JSON in a text, or the lines of a log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jmespath

from ...schema.errors import EventsError
from ...schema.words import got, listed
from ...tool_servers.calls import texts_of

if TYPE_CHECKING:
    from mcp.types import CallToolResult

LISTS = (
    *("events", "records", "rows", "results", "result", "logs", "entries", "lines", "items", "hits", "messages"),
    *("data", "value", "values", "log", "output", "text", "content"),
)
"""What the field is usually called that holds the events, the surest first."""

DEEP = 4
"""How far down it is looked for."""


class NoEventsError(EventsError):
    """A result is not of the kind that holds events; an empty list of them is."""


def answer_of(result: CallToolResult) -> Any:
    """Return what a tool says as JSON: the structured result where it has one, else its texts, JSON or not.

    Raises:
        NoEventsError: it says nothing in words.
    """
    if (structured := result.structuredContent) is not None:
        text = structured.get("result")
        return _read(text) if len(structured) == 1 and isinstance(text, str) else structured  # a tool's plain text
    texts = [_read(text) for text in texts_of(result)]
    if result.content and not texts:
        raise NoEventsError(
            f"a result without events: it holds {listed({item.type for item in result.content})}, no text"
        )
    if len(texts) == 1:
        return texts[0]
    return [event for text in texts for event in (text if isinstance(text, list) else [text])]


def events_of(answer: Any, path: str | None) -> list[str]:
    """Return the events in a tool's answer, each as a line of JSON, or as the lines that it had.

    Args:
        answer: what the tool said; see `answer_of`.
        path: a JMESPath to the events; they are looked for if not given.

    Raises:
        NoEventsError: there is no list of events, nor text.
    """
    found = _found(answer) if path is None else _read(jmespath.search(path, answer))
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list | str):
        raise NoEventsError(_nothing(answer, found, path))
    return list(_lines(found))


def _read(text: Any) -> Any:
    """Return what a text says as JSON, or else the text."""
    if not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _found(answer: Any, deep: int = DEEP) -> Any:
    """Return the list of events in an answer, or the text of a log; nothing where there is no telling."""
    answer = _read(answer)
    if isinstance(answer, str) or (isinstance(answer, list) and _are_events(answer)):
        return answer
    if not isinstance(answer, Mapping) or deep == 0:
        return None
    fields = {key: _read(value) for key, value in answer.items()}
    lists = {key: value for key, value in fields.items() if isinstance(value, list) and _are_events(value)}
    usual = sorted((key for key in lists if key.lower() in LISTS), key=lambda key: LISTS.index(key.lower()))
    full = [key for key in usual if lists[key]]
    if usual:
        return lists[(full or usual)[0]]
    records = [key for key, value in lists.items() if value and isinstance(value[0], Mapping)]
    if len(records) == 1:
        return lists[records[0]]
    inner = [_found(value, deep - 1) for value in fields.values() if isinstance(value, Mapping)]
    if held := [value for value in inner if value is not None]:
        return held[0] if len(held) == 1 else None
    texts = [value for key, value in fields.items() if isinstance(value, str) and key.lower() in LISTS]
    return texts[0] if len(texts) == 1 else None


def _are_events(values: Sequence[Any]) -> bool:
    return all(isinstance(value, Mapping | str) for value in values)


def _lines(found: str | Sequence[Any]) -> Iterator[str]:
    for event in [found] if isinstance(found, str) else found:
        if isinstance(event, str):
            yield from (line.removesuffix("\r") for line in event.removesuffix("\n").split("\n") if event)
        else:
            yield json.dumps(event, ensure_ascii=False).replace("\\u0000", "")


def _nothing(answer: Any, found: Any, path: str | None) -> str:
    if path is not None:
        at = f"'events: {path}' finds {'nothing' if found is None else got(found).removeprefix('got ')}"
    else:
        at = "it holds no one list of events; say with 'events' where they stand"
    keys = f"; the result has {listed(list(answer), 10)}" if isinstance(answer, Mapping) and answer else ""
    return f"a result without events: {at}{keys}"
