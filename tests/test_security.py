"""The page about security names tests that are there; and who may say where requests go."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fanwise.graph import build_graph
from fanwise.nodes.specialists.remote.specialist import remote_specialist
from fanwise.schema.policy import Retry

TESTS = Path(__file__).resolve().parent
PAGE = (TESTS.parent / "docs" / "security.md").read_text()
THREATS = [line for line in PAGE.partition("## Threats")[2].partition("\n## ")[0].splitlines() if line[:2] == "| "]
"""The table's rows, and its head."""


def named() -> Iterator[tuple[str, str]]:
    """Each file and test that the page's table of threats names; a test without a file is in the file before it."""
    for line in THREATS:
        file = ""
        for given, test in re.findall(r"`([\w/]+\.py)?(?:::(\w+))?`", line):
            file = given or file
            if file:
                yield file, test


def test_every_threat_has_a_test() -> None:
    """Each row of the table ends with one."""
    assert len(THREATS) > 20
    for row in THREATS[1:]:
        assert ".py" in row.rstrip("| ").rpartition(" | ")[2], row


@pytest.mark.parametrize(("file", "test"), sorted(set(named())))
def test_each_test_that_the_page_names_is_there(file: str, test: str) -> None:
    """Who moves or renames one is told here."""
    text = (TESTS / file).read_text()
    assert not test or re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), f"{file} has no {test}"


@contextmanager
def listening(elsewhere: str = "") -> Iterator[tuple[str, list[str]]]:
    """A server that notes what it is asked for, and sends everyone elsewhere, or away."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(307 if elsewhere else 404)
            self.send_header("location", f"{elsewhere}{self.path}")
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *given: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_only_its_owner_says_where_a_remote_specialist_goes() -> None:
    """No task names another address, and a deployment that is asked sends nobody elsewhere."""
    pytest.importorskip("langgraph_sdk")
    with listening() as (other, reached), listening(other) as (own, asked):
        far = remote_specialist("far", url=own, graph="echo", retry=Retry(max_attempts=1))
        forged = {"url": other, "remote": {"url": other}, "headers": {"host": other}, "graph": f"{other}/x"}
        tasks = [{"id": "a", "specialist": "far", "title": other, "input": forged}]
        made = asyncio.run(build_graph([far]).ainvoke({"plan": {"tasks": tasks}}))
    assert made["results"]["a"]["status"] == "failed"
    assert asked and not reached
