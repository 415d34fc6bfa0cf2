"""Splunk asked over a tool of an MCP server: the answers and findings that the same events in a file have."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from splunk_events import shop, write

from fanwise.events.open import open_events
from fanwise.events.protocol import Where
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.schema.errors import EventsError
from fanwise.schema.plan import Task

SERVER = str(Path(__file__).with_name("search_tool_server.py"))
BY_NAME = {check.name: check for check in CHECKS}
SEARCH = {"language": "spl", "argument": "query", "earliest": "earliest_time", "latest": "latest_time"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The server on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, str(port)])
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def source(folder: Path, url: str, **search: Any) -> str:
    """Write a source file, and return its path."""
    given = {**SEARCH, "limit": "row_limit", "of": {"index": "main", "earliest": "0"}, **search}
    path = folder / "splunk.events.json"
    path.write_text(json.dumps({"mcp": {"server": {"url": url}, "tool": "run_splunk_query", "search": given}}))
    return str(path)


def test_answers_and_findings_are_those_of_the_file(tmp_path: Path, url: str) -> None:
    """Questions of every kind, and checks; evidence names the place in Splunk."""
    file, tool = write(shop(), tmp_path / "log"), source(tmp_path, url)
    one, other = open_events(file), open_events(tool)
    assert other.info().events == one.info().events and other.info().hosts == one.info().hosts
    assert other.counts(["host", "level"], bucket_s=3600) == one.counts(["host", "level"], bucket_s=3600)
    assert other.gaps(["host"], min_s=600, where=Where(source="nginx")) == one.gaps(
        ["host"], min_s=600, where=Where(source="nginx")
    )
    assert len(list(other.messages())) == one.info().events
    for name in ("silence", "errors"):
        reports = []
        for location in (file, tool):
            task = Task(id="t", specialist=name, input={"events": location})
            found = BY_NAME[name](task, {}).findings
            reports.append([finding.model_dump(exclude={"evidence"}) for finding in found])
        assert reports[0] == reports[1] and reports[0]


def test_an_answer_that_may_be_cut_off_is_refused(tmp_path: Path, url: str) -> None:
    """As many rows came as the tool gives at most."""
    store = open_events(source(tmp_path, url, rows=200))
    assert len(list(store.messages())) <= 199
    with pytest.raises(EventsError, match=r"more rows than may be read \(search.rows: 200\)"):
        store.counts(["host", "path", "user"], bucket_s=60)


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, url: str) -> None:
    """Fields of the search, and of what is searched."""
    with pytest.raises(EventsError) as raised:
        open_events(source(tmp_path, url, language="sql", of={"idx": "main", "token": "${T}", "earliest": "at noon"}))
    text = str(raised.value)
    for part in (
        "mcp.search.language",
        "(mcp.search.of.idx): unknown field 'idx'; did you mean 'index'?",
        "(mcp.search.of.token): unknown field 'token'",
        "neither index nor base is given",
        "mcp.search.of.earliest",
    ):
        assert part in text
