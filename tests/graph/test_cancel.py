"""A cancellation reaches whatever a specialist awaits, and leaves a run that can be gone on with."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypedDict

import httpx
import pytest
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from fanwise.graph import build_graph, specialist
from fanwise.graph.going_on import config_of
from fanwise.graph.run import execute, report
from fanwise.nodes.pace import hedge_s, timeout_s
from fanwise.state import Task


class Seen:
    """What was begun, and what saw its cancellation."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled: list[str] = []

    async def wait(self, name: str) -> None:
        """Wait for ever, and note how that ends."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise


class Inner(TypedDict, total=False):
    """The state of a graph inside a specialist."""

    done: bool


def in_a_function(seen: Seen) -> Any:
    """Return a specialist that waits itself."""

    @specialist("w")
    async def waits(task: Task) -> None:
        await seen.wait("function")

    return waits


def in_a_graph(seen: Seen) -> Any:
    """Return a compiled graph whose node waits."""

    async def node(state: Inner) -> Inner:
        await seen.wait("graph")
        return {"done": True}

    builder = StateGraph(Inner)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return {"w": builder.compile()}


def in_a_tool(seen: Seen) -> Any:
    """Return a specialist that calls a tool, which waits."""

    @tool
    async def look(what: str) -> str:
        """Look something up."""
        await seen.wait("tool")
        return what

    @specialist("w")
    async def asks(task: Task) -> str:
        return str(await look.ainvoke({"what": "it"}))

    return asks


@pytest.mark.parametrize("make", [in_a_function, in_a_graph, in_a_tool])
@pytest.mark.parametrize("how", ["caller", "deadline", "fast"])
def test_a_cancellation_reaches_what_works(make: Any, how: str) -> None:
    """By whoever awaits the graph, by the deadline, and by the first failure; nothing is reported as done."""

    async def check() -> None:
        seen = Seen()
        made = make(seen)
        names = made if isinstance(made, dict) else {"w": made}
        graph = build_graph(names, checkpointer=InMemorySaver())
        fails = {"id": "f", "specialist": "wait", "input": {"fail": "told to", "seconds": 0.2}}
        config = {"deadline_s": 0.3} if how == "deadline" else {"on_failure": "fast"} if how == "fast" else {}
        tasks = [{"id": "a", "specialist": "w"}, *([fails] if how == "fast" else [])]
        running = asyncio.create_task(execute(graph, {"plan": {"config": config, "tasks": tasks}}, "t"))
        await asyncio.wait_for(seen.begun.wait(), 10)
        if how == "caller":
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            stopped = await report(graph, "t")
            assert (stopped.status, stopped.results["a"].status) == ("interrupted", "pending")
        else:
            assert (await running).results["a"].status == "cancelled"
        assert len(seen.cancelled) == 1

    asyncio.run(check())


class Slow(BaseHTTPRequestHandler):
    """A server that never answers, and notices when its client goes away."""

    gone = threading.Event()
    came = threading.Event()

    def do_GET(self) -> None:
        """Wait until the client hangs up."""
        self.came.set()
        self.connection.settimeout(20)
        if self.connection.recv(1) == b"":
            self.gone.set()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def test_a_cancelled_http_call_hangs_up() -> None:
    """The server sees the connection closed when the attempt's time is over."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()

    @specialist("fetch")
    async def fetch(task: Task) -> int:
        async with httpx.AsyncClient(timeout=None) as client:
            return (await client.get(f"http://127.0.0.1:{server.server_address[1]}/")).status_code

    plan = {"tasks": [{"id": "a", "specialist": "fetch", "timeout_s": 2}]}
    out = asyncio.run(build_graph([fetch]).ainvoke({"plan": plan}, config_of("t")))
    assert out["results"]["a"]["status"] == "timed_out" and Slow.came.is_set()
    assert Slow.gone.wait(10)
    server.shutdown()
    server.server_close()


def test_time_outs_and_hedges_follow_what_was_seen() -> None:
    """Within their bounds, and only once enough is known; else the plan's own time-out holds."""
    seen = {"w": {"p50": 1.0, "p95": 4.0, "n": 5}}
    task = {"specialist": "w", "timeout_s": 60.0}
    adaptive = {**task, "adaptive_timeout": {"factor": 3.0}}
    assert timeout_s(task, seen) == 60.0
    assert timeout_s(adaptive, seen) == 12.0
    assert timeout_s(adaptive, {"w": {**seen["w"], "n": 4}}) == 60.0
    assert timeout_s({**adaptive, "adaptive_timeout": {"factor": 3.0, "max_s": 9.0}}, seen) == 9.0
    assert timeout_s({**adaptive, "adaptive_timeout": {"factor": 3.0, "min_s": 20.0}}, seen) == 20.0
    assert hedge_s({**task, "hedge": {}}, "w", seen) == 4.0
    assert hedge_s({**task, "hedge": {}}, "w", {}) is None
    assert hedge_s({**task, "hedge": {"after_s": 2.0}}, "w", {}) == 2.0


def test_work_that_will_not_end_does_not_keep_the_process() -> None:
    """It is abandoned with a warning, and the event loop ends without it."""
    code = """
import asyncio
from fanwise.graph import run, specialist

@specialist("stubborn")
async def stubborn(task):
    for _ in range(3):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            pass

report = run({"tasks": [{"id": "a", "specialist": "stubborn", "timeout_s": 0.1}]}, specialists=[stubborn])
print(report.results["a"].status, report.warnings[0][:40])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "timed_out task 'a' was ended and abandoned: it ign\n"
    assert done.stderr == ""
