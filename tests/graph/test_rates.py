"""Rates, refusals, hedges and time-outs that follow what was seen."""

from __future__ import annotations

import asyncio
import email.utils
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from fanwise.graph import build_graph, report_usage, specialist
from fanwise.graph.gates import SHARED, Gate
from fanwise.graph.pressure import cores, free_cores
from fanwise.graph.resources import Demand, specialist_pool
from fanwise.graph.schedule import Limits, Schedule
from fanwise.nodes.throttling import asked_to_wait
from fanwise.state import Task


class Server(ThreadingHTTPServer):
    """Answers slowly, and refuses with 429 and Retry-After who comes while too many are there."""

    daemon_threads = True
    most = 3

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.inside = 0
        self.refusals = 0
        self.answers = 0


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Answer, or refuse."""
        server: Any = self.server
        with server.lock:
            refused = server.inside >= server.most
            server.refusals += refused
            server.inside += not refused
        if not refused:
            time.sleep(0.02)
            with server.lock:
                server.inside -= 1
                server.answers += 1
        self.send_response(429 if refused else 200)
        if refused:
            self.send_header("Retry-After", "0.05")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that takes three requests at a time."""
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def no_gates() -> Iterator[None]:
    """What one test has taught the process is gone for the next."""
    SHARED._gates.clear()
    yield
    SHARED._gates.clear()


def test_a_server_that_refuses_is_asked_less_often_until_it_answers(server: Server) -> None:
    """All tasks succeed; most requests after the first burst are answered; the change can be seen."""
    url, events = f"http://127.0.0.1:{server.server_address[1]}/", list[Any]()

    @specialist("fetch")
    async def fetch(task: Task) -> int:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).raise_for_status().status_code

    tasks = [{"id": f"t{index}", "specialist": "fetch"} for index in range(40)]
    config = {"max_parallel": 20, "retry": {"max_attempts": 30, "initial_s": 0.01, "max_s": 0.1}}

    async def run() -> list[str]:
        graph = build_graph([fetch])
        async for event in graph.astream({"plan": {"config": config, "tasks": tasks}}, stream_mode="custom"):
            events.append(event)
        return [event["status"] for event in events if event["type"] == "task_finished"]

    assert asyncio.run(run()) == ["succeeded"] * 40
    changes = [event for event in events if event["type"] == "pool_changed"]
    assert changes and changes[0]["pool"] == specialist_pool("fetch") and changes[0]["limit"] <= 10
    assert server.answers == 40 and server.refusals < 80


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (httpx.HTTPStatusError("", request=httpx.Request("GET", "http://x"), response=httpx.Response(429)), 0.0),
        (
            httpx.HTTPStatusError(
                "",
                request=httpx.Request("GET", "http://x"),
                response=httpx.Response(503, headers={"retry-after": "7"}),
            ),
            7.0,
        ),
        (
            httpx.HTTPStatusError(
                "",
                request=httpx.Request("GET", "http://x"),
                response=httpx.Response(429, headers={"Retry-After": email.utils.formatdate(1_000_030, usegmt=True)}),
            ),
            30.0,
        ),
        (httpx.HTTPStatusError("", request=httpx.Request("GET", "http://x"), response=httpx.Response(500)), None),
        (ValueError("429"), None),
    ],
)
def test_refusals_are_told_from_other_errors(error: Exception, seconds: float | None) -> None:
    """Status and wait are where HTTP clients put them; seconds and dates are read."""
    assert asked_to_wait(error, now=1_000_000) == seconds


def test_a_gate_halves_and_grows_back() -> None:
    """Multiplicative decrease, once for a burst; additive increase; in the end no limit."""
    gate = Gate()
    assert gate.refused(0.0, 2.0, 16, None) and gate.limit == 8
    assert not gate.refused(0.5, 2.0, 16, None) and gate.limit == 8
    assert gate.opens_at(1.0) == 2.5
    assert gate.refused(3.0, 0.0, 8, None) and gate.limit == 4
    for _ in range(2000):
        gate.passed()
    assert gate.limit is None and gate.opens_at(9.0) <= 9.0


def test_starts_and_tokens_have_a_rate() -> None:
    """Starts are spaced evenly; tokens above the rate have to come back first."""
    gate = Gate(starts_per_s=4)
    gate.started(0.0)
    assert gate.opens_at(0.0) == 0.25
    spender = Gate(tokens_per_min=600)
    spender.spent(300, 0.0)
    assert spender.opens_at(0.0) <= 0.0
    spender.spent(500, 0.0)
    assert spender.opens_at(0.0) == pytest.approx(20.0)


def test_rates_of_specialists_hold_over_runs_of_a_process() -> None:
    """Two runs at the same time start their tasks at the one rate that both configure."""
    starts: list[float] = []

    @specialist("call")
    async def call(task: Task) -> None:
        starts.append(time.monotonic())

    plan = {
        "config": {"rates": {"call": {"starts_per_s": 50}}},
        "tasks": [{"id": f"t{i}", "specialist": "call"} for i in range(4)],
    }

    async def both() -> None:
        graph = build_graph([call])
        await asyncio.gather(*(graph.ainvoke({"plan": plan}) for _ in range(2)))

    asyncio.run(both())
    assert len(starts) == 8 and starts[-1] - starts[0] >= 7 * 0.02 - 0.005


def test_a_hedge_overtakes_a_slow_attempt_and_holds_its_own_slot() -> None:
    """The second attempt wins, the first is cancelled; without a free slot there is none."""
    calls: list[int] = []
    cancelled: list[int] = []

    @specialist("call")
    async def call(task: Task, attempt: int) -> int:
        calls.append(attempt)
        try:
            await asyncio.sleep(30 if attempt == 1 else 0)
        except asyncio.CancelledError:
            cancelled.append(attempt)
            raise
        return attempt

    tasks = [{"id": "a", "specialist": "call", "hedge": {"after_s": 0.02}, "timeout_s": 1}]
    out = asyncio.run(build_graph([call]).ainvoke({"plan": {"tasks": tasks}}))
    assert out["results"]["a"]["output"] == 2 and (calls, cancelled) == ([1, 2], [1])
    calls.clear()
    alone = {"config": {"max_parallel": 1}, "tasks": [{**tasks[0], "timeout_s": 0.2}]}
    out = asyncio.run(build_graph([call]).ainvoke({"plan": alone}))
    assert out["results"]["a"]["status"] == "timed_out" and calls == [1]


@pytest.mark.parametrize(
    ("total", "busy", "own", "free"),
    [(8, 8.0, 8.0, 8), (8, 8.0, 2.0, 2), (8, 3.0, 0.0, 5), (2, 2.0, 0.0, 1), (1, 1.0, 0.0, 1)],
)
def test_cores_that_others_use_are_not_free(total: int, busy: float, own: float, free: int) -> None:
    """What this process uses itself counts as free: its own tasks use it; one core is always left."""
    assert free_cores(total, busy, own) == free


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Processes of others that want all cores, and more."""
    started = "".join(f"{sys.executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!; " for _ in range(2 * cores()))
    pids = subprocess.run(["sh", "-c", started], capture_output=True, text=True, check=True).stdout.split()
    yield
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_cpu_bound_tasks_make_room_for_other_processes(busy_machine: None) -> None:
    """While others keep the machine busy, fewer CPU-bound tasks may work, and it can be seen."""
    changes: list[Any] = []
    enough = asyncio.Event()

    @specialist("compute", cpu_bound=True)
    async def compute(task: Task) -> None:
        await enough.wait()

    async def run() -> None:
        plan = {"tasks": [{"id": f"t{i}", "specialist": "compute"} for i in range(4)], "config": {"timeout_s": 30}}
        async for event in build_graph([compute]).astream({"plan": plan}, stream_mode="custom"):
            if event["type"] == "pool_changed":
                changes.append(event)
                enough.set()

    asyncio.run(run())
    assert changes[0]["pool"] == "cpu" and changes[0]["limit"] < cores()


def test_a_task_that_waits_for_its_gate_holds_nothing() -> None:
    """Others start meanwhile, and the schedule says when to look again."""
    schedule = Schedule(Limits(1), gates=SHARED)
    SHARED.make("slow").refused(0.0, 5.0, 1, None)
    schedule.add("slow", demand=Demand.of({"slow": 1.0}), rank=9.0)
    schedule.add("other", order=1)
    decision = schedule.decide(0.0)
    assert decision.start == ["other"]
    schedule.settle("other", "succeeded")
    decision = schedule.decide(1.0)
    assert decision.start == [] and decision.wake_at == 5.0
    assert schedule.decide(5.0).start == ["slow"]


def test_what_attempts_use_is_summed_up_and_charged() -> None:
    """Chat models are counted by themselves, other work by its own word; tokens count against the specialist's rate."""

    class Counted(FakeListChatModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            made = super()._generate(*args, **kwargs)
            message: Any = made.generations[0].message
            message.usage_metadata = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
            message.response_metadata = {"model_name": "tiny"}
            return made

    @specialist("ask")
    async def ask(task: Task, attempt: int) -> str:
        answer = await Counted(responses=["yes"]).ainvoke("well?")
        report_usage(input_tokens=8, cost=0.5)
        if attempt == 1:
            raise ConnectionError("once more")
        return answer.text

    tasks = [{"id": "a", "specialist": "ask", "retry": {"max_attempts": 2, "initial_s": 0}}]
    plan = {"config": {"rates": {"ask": {"tokens_per_min": 6000}}}, "tasks": tasks}
    out = asyncio.run(build_graph([ask]).ainvoke({"plan": plan}))
    assert out["results"]["a"]["usage"] == {
        "input_tokens": 76,
        "output_tokens": 24,
        "total_tokens": 100,
        "cost": 1.0,
        "by_model": {"tiny": {"input_tokens": 60, "output_tokens": 24, "total_tokens": 84}},
    }
    gate = SHARED.get(specialist_pool("ask"))
    assert gate is not None and gate._tokens == pytest.approx(5900, abs=100)
