"""Events from tools of real MCP servers, over stdio and HTTP: the same findings as over a file, and each fault told."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from fanwise.events.duckdb_store import DuckDBStore
from fanwise.events.ending import STOP, Stop, Stopped
from fanwise.events.layouts import COLUMNS
from fanwise.events.open import open_events
from fanwise.events.sample import write_sample
from fanwise.nodes.router import route
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.nodes.summary import summarize
from fanwise.plans.registry import load_workflows
from fanwise.schema.errors import EventsError
from fanwise.schema.results import Summary, TaskResult

SERVER = str(Path(__file__).with_name("log_server.py"))
BY_NAME = {check.name: check for check in CHECKS}
EVERY = 4
REQUESTS = ("Why did web-03 go quiet?", "Is everything ok?", "What is slow?")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of the sample log's events as one file of JSON lines."""
    folder = tmp_path_factory.mktemp("log")
    write_sample(folder / "shop")
    path = folder / "log.jsonl"
    names = {name: f"iso({name})" if kind == "TIMESTAMP" else f'"{name}"' for name, kind in COLUMNS.items()}
    store = open_events(str(folder / "shop"))
    assert isinstance(store, DuckDBStore)
    with store.cursor() as cursor, path.open("w") as out:
        rows = cursor.execute(f"SELECT {', '.join(names.values())} FROM events ORDER BY ts, id").fetchall()
        for row in rows[::EVERY]:
            event = dict(zip(names, row, strict=True))
            out.write(json.dumps({name: value for name, value in event.items() if value is not None}) + "\n")
    return path


@pytest.fixture(scope="module")
def expected(log: Path) -> dict[str, list[Any]]:
    """What is found in the file, by request."""
    return {request: told(ask(str(log), request)) for request in REQUESTS}


@pytest.fixture(scope="module")
def http(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The server on loopback; its configuration, and the file in which it notes its calls."""
    with serving(log, tmp_path_factory.mktemp("http") / "calls") as server:
        yield server


@contextmanager
def serving(log: Path, calls: Path, **more: str) -> Iterator[dict[str, Any]]:
    """Start the server on loopback, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "LOG": str(log), "CALLS": str(calls), **more}
    process = subprocess.Popen([sys.executable, SERVER, "streamable-http", str(port)], env=env)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield {"url": f"http://127.0.0.1:{port}/mcp", "calls": calls}
    finally:
        process.kill()
        process.wait()


def stdio(log: Path, **env: str) -> dict[str, Any]:
    """Return the configuration of the server as a subprocess."""
    return {"command": sys.executable, "args": [SERVER, "stdio"], "env": {"LOG": str(log), **env}}


def source(folder: Path, server: Any, tool: str, **more: Any) -> str:
    """Write a source file, and return its path."""
    path = folder / "shop.events.json"
    path.write_text(json.dumps({"mcp": {"server": server, "tool": tool, **more}}))
    return str(path)


def at(http: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": http["url"]}


def refusal(folder: Path, server: Any, tool: str, **more: Any) -> str:
    """Return why a source can't be opened."""
    with pytest.raises(EventsError) as raised:
        open_events(source(folder, server, tool, **more))
    return str(raised.value)


def ask(location: str, request: str) -> Summary:
    """Route a request and run its workflow in order, without the graph."""
    workflows = load_workflows()
    found = route(request, list(workflows.values()), open_events(location).info())
    plan = workflows[found.workflow].plan({"events": location, **found.params}, request=request)
    results: dict[str, TaskResult] = {}
    for task in plan.tasks:
        given = {name: results[name] for name in task.depends_on}
        output = BY_NAME[task.specialist](task, given).model_dump(mode="json")
        done = TaskResult(task_id=task.id, specialist=task.specialist, status="succeeded", output=output)
        results[task.id] = done
    return summarize(results, request=request, plan=plan.to_state())


def told(summary: Summary) -> list[Any]:
    """Return what a summary found, but for the places of its evidence."""
    return [finding.model_dump(exclude={"evidence", "tasks"}) for finding in summary.findings]


BY_OFFSET = {"arguments": {"index": "main"}, "events": "result.rows"} | {
    "page": {"argument": "offset", "size_argument": "limit", "size": 2_000}
}
BY_CURSOR = {"page": {"argument": "cursor", "cursor": "next"}}


def test_records_in_pages_give_the_findings_of_the_file(
    tmp_path: Path, http: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    """Over HTTP, for the three workflows; fetched once for all their checks; evidence names the tool and the page."""
    location = source(tmp_path, at(http), "search_logs", **BY_OFFSET)
    for request in REQUESTS:
        found = ask(location, request)
        assert told(found) == expected[request] and len(found.findings) >= 2
        for line in (line for item in found.findings for line in item.evidence):
            assert line.startswith("search_logs, page ")
    assert any(finding["kind"] == "host_silent" for finding in expected[REQUESTS[0]])
    assert http["calls"].read_text().split("\n")[:-1] == [f"search_logs {n}" for n in [*range(0, 8_001, 2_000), 8_714]]
    store = open_events(location)
    [first], [last] = (store.sample(limit=1, order=order) for order in ("first", "last"))  # type: ignore[arg-type]
    assert (first["file"], first["line"]) == ("search_logs, page 1", 1)
    assert (last["file"], last["line"]) == ("search_logs, page 5", 714)
    [file] = store.info().files
    assert (file.file, file.format, file.lines, file.parsed) == ("search_logs", "json", 8_714, 8_714)
    assert file.note == "5 pages of the tool search_logs"


@pytest.mark.parametrize(("tool", "more"), [("read_lines", BY_CURSOR), ("tail", {})])
def test_lines_give_the_findings_of_the_file(
    tmp_path: Path, log: Path, http: dict[str, Any], tool: str, more: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    """JSON in a text, by cursor; over stdio, a log's lines as they stand. No path of a file is in the evidence."""
    location = source(tmp_path, at(http) if more else stdio(log), tool, **more)
    found = ask(location, REQUESTS[1])
    assert told(found) == expected[REQUESTS[1]]
    assert all(line.startswith(tool) for item in found.findings for line in item.evidence)


def test_a_bare_list_and_a_server_by_its_name(tmp_path: Path, log: Path) -> None:
    """The server stands in an `mcpServers` file beside the source file."""
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"logs": stdio(log)}}))
    assert open_events(source(tmp_path, "logs", "as_list", config="mcp.json")).info().events == 50


def test_limits_cut_with_a_note(tmp_path: Path, http: dict[str, Any]) -> None:
    """Events, bytes, pages: what was read is whole, and it is said that there is more."""
    for limits, events, cut in (
        ({"events": 3_000}, 3_000, "cut off after 3,000 events (limits.events: 3,000): search_logs has more"),
        ({"bytes": 300_000}, None, "(limits.bytes: 300,000): search_logs has more"),
        ({"pages": 1}, 2_000, "cut off after 2,000 events (limits.pages: 1): search_logs has more"),
    ):
        info = open_events(source(tmp_path, at(http), "search_logs", **BY_OFFSET, limits=limits)).info()
        assert cut in info.files[0].note
        assert info.events == events or (events is None and 1_000 < info.events < 2_000)


def test_what_was_fetched_is_used_for_a_while(tmp_path: Path, http: dict[str, Any]) -> None:
    """Then it is fetched anew."""
    location = source(tmp_path, at(http), "as_list", max_age_s=0.2)
    first = open_events(location)
    assert open_events(location) is first
    time.sleep(0.3)
    assert open_events(location) is not first
    assert asyncio.run(_in_a_loop(location)) == 50


async def _in_a_loop(location: str) -> int:
    """Open it where an event loop runs."""
    return open_events(location).info().events


def test_faults_of_tools_are_told_apart(tmp_path: Path, http: dict[str, Any]) -> None:
    """No such tool, arguments that it refuses or does not have, its own failure, and results without events."""
    say = lambda tool, **more: refusal(tmp_path, at(http), tool, **more)  # noqa: E731
    assert "MCP server 'shop' has no tool 'serch_logs'; did you mean 'search_logs'?" in say("serch_logs")
    assert "MCP tool 'search_logs' has no argument 'indx'; did you mean 'index'?" in say(
        "search_logs", arguments={"indx": "main"}
    )
    assert "has no argument 'ofset'" in say("search_logs", arguments={"index": "main"}, page={"argument": "ofset"})
    assert "does not take its arguments: index: 5 is not of type 'string'" in say("search_logs", arguments={"index": 5})
    assert "arguments: 'index' is a required property" in say("search_logs")
    assert "MCP tool shop/search_logs failed: " in (failed := say("search_logs", arguments={"index": "other"}))
    assert "no such index: other" in failed
    assert "a result without events: it holds no one list of events" in (none := say("weather"))
    assert "the result has sky, wind" in none
    assert "'events: rows' finds nothing; the result has events" in say("nothing", events="rows")
    assert "the tool 'nothing' returned no events" in say("nothing")
    assert "page 2 has a cursor that came before, 'again'" in say("loop", page={"argument": "cursor", "cursor": "next"})
    assert "page 2 is the same as the one before" in say("deaf", page={"argument": "page", "counts": "pages"})
    slow = say("slow", arguments={"seconds": 1}, limits={"timeout_s": 0.5})
    assert "no whole answer within 0.5 s (limits.timeout_s)" in slow
    assert "no answer within 0.5 s" in refusal(
        tmp_path, {**at(http), "timeout_s": 0.5}, "slow", arguments={"seconds": 1}
    )


def test_faults_of_servers_are_told_apart(tmp_path: Path, log: Path) -> None:
    """No such command, one that ends with a last word, nothing at the address, one that dies in a call."""
    assert "there is no command 'no-such-command-here'" in refusal(tmp_path, {"command": "no-such-command-here"}, "x")
    assert "did not start" in (ended := refusal(tmp_path, stdio(log, DIES="1"), "x"))
    assert ended.endswith("no licence found")
    assert "can't be reached at http://127.0.0.1:9/mcp" in refusal(tmp_path, {"url": "http://127.0.0.1:9/mcp"}, "x")


@pytest.mark.parametrize("over", ["stdio", "http"])
def test_a_server_that_ends_in_a_call_is_told(over: str, tmp_path: Path, log: Path) -> None:
    """With the tool and the page that was asked for."""
    with serving(log, tmp_path / "calls", WHOLE="1") if over == "http" else nullcontext() as http:
        told = refusal(tmp_path, at(http) if http else stdio(log), "die", page={"argument": "page", "counts": "pages"})
    assert "MCP tool shop/die, page 2: the server ended, or closed the connection, before it had answered (" in told


def test_secrets_are_in_no_message(tmp_path: Path, http: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given by the environment, reach the server, and stand by their names where they are told again."""
    monkeypatch.setenv("SHOP_TOKEN", "s3cr3t-9")
    server = {**at(http), "headers": {"X-Team": "${SHOP_TOKEN}"}}
    assert "s3cr3t-9" in open_events(source(tmp_path, server, "who")).sample()[0]["raw"]
    failed = refusal(tmp_path, at(http), "login", arguments={"token": "${SHOP_TOKEN}"})
    assert "the token ${SHOP_TOKEN} has expired" in failed and "s3cr3t" not in failed
    closed = refusal(tmp_path, {"url": "http://127.0.0.1:9/mcp?key=${SHOP_TOKEN}"}, "x")
    assert "${SHOP_TOKEN}" in closed and "s3cr3t" not in closed
    unset = refusal(tmp_path, at(http), "login", arguments={"token": "${NO_SUCH_TOKEN}"})
    assert "mcp.arguments.token: the environment variable NO_SUCH_TOKEN is not set" in unset


def is_gone(pid: int) -> bool:
    for _ in range(100):
        if not os.path.exists(f"/proc/{pid}"):
            return True
        time.sleep(0.1)
    return False


def test_stopping_ends_the_server_where_nobody_else_waits(tmp_path: Path, log: Path) -> None:
    """One of two who wait leaves, and it goes on; the second leaves, and the server is gone."""
    pid_file, stops = tmp_path / "pid", (Stop(), Stop())
    location = source(tmp_path, stdio(log, PID_FILE=str(pid_file)), "slow", arguments={"seconds": 60})
    ended: list[str] = []

    def waits(stop: Stop) -> None:
        STOP.set(stop)
        with pytest.raises(Stopped):
            open_events(location)
        ended.append("stopped")

    threads = [threading.Thread(target=waits, args=[stop]) for stop in stops]
    threads[0].start()
    while not pid_file.exists():
        time.sleep(0.05)
    threads[1].start()
    time.sleep(0.3)
    stops[0].set()
    time.sleep(0.5)
    assert not ended and not is_over(int(pid_file.read_text()))
    stops[1].set()
    for thread in threads:
        thread.join(10)
    assert ended == ["stopped", "stopped"] and is_gone(int(pid_file.read_text()))


def is_over(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def test_the_end_of_the_process_ends_the_server(tmp_path: Path, log: Path) -> None:
    """Also while another thread waits for it."""
    pid_file = tmp_path / "pid"
    location = source(tmp_path, stdio(log, PID_FILE=str(pid_file)), "slow", arguments={"seconds": 60})
    code = (
        "import os, sys, threading, time\nfrom fanwise.events.open import open_events\n"
        "threading.Thread(target=open_events, args=[sys.argv[1]], daemon=True).start()\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.05)\n"
    )
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", code, location, str(pid_file)], timeout=30, check=True)
    assert time.monotonic() - begun < 20 and is_gone(int(pid_file.read_text()))


WRONG = """mcp:
  server: {comand: npx}
  tool: 5
  argument: {index: main}
  events: "rows[["
  page: {argument: offset, size: 10, cursr: next}
  limits: {events: 0, byte: 3}
"""


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path: Path) -> None:
    """With lines, and the nearest names."""
    path = tmp_path / "bad.events.yaml"
    path.write_text(WRONG)
    with pytest.raises(EventsError) as raised:
        open_events(str(path))
    text = str(raised.value)
    for part in (
        "line 2 (mcp.server.comand): unknown field 'comand'; did you mean 'command'?",
        "line 3 (mcp.tool): expected text, got 5",
        "line 4 (mcp.argument): unknown field 'argument'; did you mean 'arguments'?",
        "line 5 (mcp.events): no JMESPath",
        "line 6 (mcp.page.cursr): unknown field 'cursr'; did you mean 'cursor'?",
        "line 7 (mcp.limits.byte): unknown field 'byte'; did you mean 'bytes'?",
        "line 7 (mcp.limits.events)",
    ):
        assert part in text


def test_a_server_that_can_not_be_used_is_told(tmp_path: Path, log: Path) -> None:
    """No such name, no file, one that is disabled, and a tool that a person approves."""
    servers = {"logs": {**stdio(log), "approve": ["tail"]}, "off": {**stdio(log), "disabled": True}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    assert "there is no MCP server 'lgs'; did you mean 'logs'?" in refusal(tmp_path, "lgs", "x", config="mcp.json")
    assert "the MCP server 'off' is disabled" in refusal(tmp_path, "off", "x", config="mcp.json")
    assert "a person approves each call of this tool" in refusal(tmp_path, "logs", "tail", config="mcp.json")
    assert "a server's name needs 'config'" in refusal(tmp_path, "logs", "tail")
    assert "mcp.config" in refusal(tmp_path, "logs", "tail", config="nowhere.json")
    assert "'tool' is missing" in refusal_of_text(tmp_path, "mcp: {server: {command: x}}")
    assert "expected an object with 'server' and 'tool'" in refusal_of_text(tmp_path, "mcp: 3")


def refusal_of_text(folder: Path, text: str) -> str:
    path = folder / "text.events.yaml"
    path.write_text(text)
    with pytest.raises(EventsError) as raised:
        open_events(str(path))
    return str(raised.value)
