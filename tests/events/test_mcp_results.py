"""What counts as events in a tool's answer, of whatever shape, and how its pages are asked for. Nothing is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp.types import CallToolResult, EmbeddedResource, ImageContent, TextContent, TextResourceContents

from fanwise.events.mcp_tool.paging import EndlessError, Pages
from fanwise.events.mcp_tool.results import NoEventsError, answer_of, events_of
from fanwise.events.mcp_tool.source_file import Page

ONE, TWO = {"time": "2025-03-04T10:00:00Z", "msg": "a"}, {"time": "2025-03-04T10:00:01Z", "msg": "b"}
BOTH = [json.dumps(ONE), json.dumps(TWO)]


def result(structured: dict[str, Any] | None = None, *texts: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text) for text in texts], structuredContent=structured)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (result({"result": [ONE, TWO]}), None),
        (result({"hits": {"total": 2, "hits": [ONE, TWO]}}), None),
        (result({"tags": ["x", "y"], "events": [ONE, TWO]}), None),
        (result({"data": {"response": {"rows": [ONE, TWO]}}, "took": 3}), None),
        (result({"alarms": [ONE, TWO], "names": ["x"]}), None),
        (result({"rows": [], "events": [ONE, TWO]}), None),
        (result({"result": json.dumps([ONE, TWO])}), None),
        (result({"result": json.dumps({"logs": [ONE, TWO]})}), "logs"),
        (result(None, json.dumps({"logs": [ONE, TWO]})), None),
        (result(None, json.dumps(ONE, indent=2), json.dumps(TWO, indent=2)), None),
        (result(None, json.dumps(ONE) + "\r\n" + json.dumps(TWO) + "\n"), None),
        (result({"a": {"b": [ONE, TWO]}, "c": [TWO]}), "a.b"),
        (result({"rows": [[ONE["time"], "a"], [TWO["time"], "b"]]}), "rows[*].{time: [0], msg: [1]}"),
        (result({"first": ONE, "second": TWO}), "[first, second]"),
    ],
)
def test_events_are_found(given: CallToolResult, path: str | None) -> None:
    """In lists by their usual names, in envelopes, in texts that are JSON or lines, or where a path says."""
    assert events_of(answer_of(given), path) == BOTH


def test_lines_and_odd_values() -> None:
    """Lines stay as they are; a NUL, a lone half of a character and separators of lines do no harm."""
    assert events_of(answer_of(result(None, "a\n  b\r\nc")), None) == ["a", "  b", "c"]
    assert events_of(answer_of(result({"lines": ["a\nb", "c", ONE]})), None) == ["a", "b", "c", BOTH[0]]
    assert events_of(answer_of(result(None, "")), None) == events_of(answer_of(result({"events": []})), None) == []
    assert events_of([{"x": "a\0b\u2028c"}], None) == ['{"x": "ab\u2028c"}']
    text = TextResourceContents(uri="log://x", text="x y", mimeType="text/plain")  # type: ignore[arg-type]
    assert events_of(answer_of(CallToolResult(content=[EmbeddedResource(type="resource", resource=text)])), None) == [
        "x y"
    ]


@pytest.mark.parametrize(
    ("given", "path", "why"),
    [
        (result({"sky": "blue"}), None, "it holds no one list of events"),
        (result({"alarms": [ONE], "orders": [TWO]}), None, "the result has alarms, orders"),
        (result({"events": [ONE]}), "rows", "'events: rows' finds nothing; the result has events"),
        (result({"events": 3}), "events", "'events: events' finds 3"),
        (result({"rows": [[1, 2]]}), None, "it holds no one list of events"),
    ],
)
def test_what_holds_no_events_is_said(given: CallToolResult, path: str | None, why: str) -> None:
    """Where several lists could be meant too."""
    with pytest.raises(NoEventsError, match="a result without events") as raised:
        events_of(answer_of(given), path)
    assert why in str(raised.value)


def test_a_picture_is_no_log() -> None:
    """Its kind is named."""
    picture = CallToolResult(content=[ImageContent(type="image", data="", mimeType="image/png")])
    with pytest.raises(NoEventsError, match="it holds image, no text"):
        answer_of(picture)


def test_pages_by_number_and_by_cursor() -> None:
    """By what came, since a tool may give fewer than a page has; by pages; by a cursor, also after an empty page."""
    pages = Pages(Page(argument="offset", size_argument="limit", size=10))
    assert pages.arguments == {"offset": 0, "limit": 10}
    pages.came({}, ["a", "b", "c"])
    assert pages.arguments == {"offset": 3, "limit": 10}
    pages.came({}, [])
    assert pages.arguments is None
    pages = Pages(Page(argument="page", counts="pages"))
    assert pages.arguments == {"page": 1}
    pages.came({}, ["a"])
    assert pages.arguments == {"page": 2}
    pages = Pages(Page(argument="after", cursor="meta.next"))
    assert pages.arguments == {}
    pages.came({"meta": {"next": 5}}, [])
    assert pages.arguments == {"after": 5}
    pages.came({"meta": {"next": None}}, ["a"])
    assert pages.arguments is None
    pages = Pages(None)
    assert pages.arguments == {}
    pages.came({}, ["a"])
    assert pages.arguments is None


def test_pages_that_never_end() -> None:
    """The same page, or a cursor that came before, also two pages ago."""
    pages = Pages(Page(argument="offset"))
    pages.came({}, ["a"])
    with pytest.raises(EndlessError, match=r"page 2 is the same as the one before.*'offset'"):
        pages.came({}, ["a"])
    pages = Pages(Page(argument="c", cursor="next"))
    pages.came({"next": "x"}, ["a"])
    pages.came({"next": "y"}, ["b"])
    with pytest.raises(EndlessError, match="page 3 has a cursor that came before, 'x'"):
        pages.came({"next": "x"}, ["c"])
