"""Following a run: what is sent, to whom, and that it ends."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from timeline_runs import attempt, event, made, result, task

from fanwise.schema.errors import RunError
from fanwise.timeline import Timeline
from fanwise.timeline.live import Changes, message, messages, page_headers, updates
from fanwise.timeline.serving import Board, served

TASKS = [task("a"), task("b", "a")]
EVENTS = [event("", "began", 0), event("a", "started", 0, attempt=1)]


def going(now: float) -> Timeline:
    """A run whose first task is at work."""
    return made(TASKS, [], [], EVENTS, status="running", now=now)


DONE = made(TASKS, [result("a", 0, 2)], [attempt("a", 1, 0, 2)], EVENTS, status="running", now=3)


class Told:
    """Tells one timeline after another, and then the last one again."""

    def __init__(self, *found: Timeline | RunError) -> None:
        self._found = list(found)

    async def timeline(self) -> Timeline:
        """Return the next one."""
        one = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(one, RunError):
            raise one
        return one


def test_only_what_changed_is_sent() -> None:
    """All rows at first; nothing where only time went on; then the rows that changed."""
    changes = Changes()
    first = changes.since(going(1))
    assert first is not None and [row["id"] for row in first["rows"]] == first["order"] == ["a", "b"]
    assert changes.since(going(2)) is None
    second = changes.since(DONE)
    assert second is not None and "order" not in second
    assert [(row["id"], row["status"]) for row in second["rows"]] == [("a", "succeeded")]


def test_updates_go_on_after_trouble() -> None:
    """A database that can't be read is told once; then what changed."""

    async def take(count: int) -> list[Any]:
        trouble = RunError("the database is busy")
        found = updates(Told(going(1), trouble, trouble, DONE), poll_s=0)
        return [await anext(found) for _ in range(count)]

    first, second, third = asyncio.run(take(3))
    assert (len(first["rows"]), second, [row["id"] for row in third["rows"]]) == (2, "the database is busy", ["a"])


def test_messages_are_server_sent_events() -> None:
    """One line of data each, whatever is in it; and signs of life."""

    async def take() -> list[str]:
        found = messages(Told(going(1)), poll_s=0, beat_s=0)
        return [await anext(found), await anext(found)]

    first, second = asyncio.run(take())
    assert first.startswith("event: update\ndata: {") and first.endswith("}\n\n") and first.count("\n") == 3
    assert second == ": still here\n\n"
    assert message("no\nway\u2028") == 'event: trouble\ndata: "no\\nway\\u2028"\n\n'


def ask(address: str, path: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask the server for something."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", path or parts.path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read() if answer.status != 200 or not path else b""
    connection.close()
    return found


def test_the_server_answers_only_its_own_address_and_name() -> None:
    """Without the token, or under another name (DNS rebinding), there is nothing."""
    with served(Board(going(1))) as address:
        status, headers, body = ask(address)
        assert status == 200 and b'"events":"events"' in body and address.startswith("http://127.0.0.1:")
        assert {name: headers[name] for name in page_headers()} == page_headers()
        assert "connect-src 'self'" in headers["Content-Security-Policy"]
        assert ask(address, "/")[0] == ask(address, "/wrong/events")[0] == 404
        assert ask(address, Host="evil.example")[0] == ask(address, Host="127.0.0.1:1")[0] == 403
        port = urlsplit(address).port
        assert ask(address, Host=f"localhost:{port}")[0] == 200


def test_readers_get_what_is_put_up_and_are_let_go_at_the_end() -> None:
    """Each reader gets all rows first."""
    board = Board(going(1))
    with served(board) as address:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request("GET", f"{parts.path}events")
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        answer.readline()
        first = json.loads(answer.readline().removeprefix(b"data: "))
        board.put(DONE)
        for _ in range(2):
            answer.readline()
        second = json.loads(answer.readline().removeprefix(b"data: "))
    rest = answer.read()
    connection.close()
    assert [row["status"] for row in first["rows"]] == ["running", "pending"]
    assert (second["rows"][0]["status"], rest) == ("succeeded", b"\n")


def test_a_taken_port_is_refused_with_its_number() -> None:
    """In one line."""
    with served(Board(DONE)) as address:
        port = urlsplit(address).port or 0
        with pytest.raises(RunError, match=f"port {port} of 127.0.0.1 can't be used"), served(Board(DONE), port=port):
            pass
