"""What goes wrong between here and a deployment: each fault is told apart, and nothing is done twice for it."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

sys.path.insert(0, str(Path(__file__).parent))
from agent_server import AgentServer, Fault
from remote_runs import ran, told

from fanwise.graph import build_graph, remote_specialist
from fanwise.tracing import Tracing
from fanwise.tracing.relays import close_all

QUICK = {"max_attempts": 3, "initial_s": 0.01, "jitter": False}
TASK = {"id": "a", "specialist": "far", "input": {"x": 1}, "retry": QUICK}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def one() -> Iterator[AgentServer]:
    with AgentServer() as server:
        yield server


@pytest.fixture
def two() -> Iterator[AgentServer]:
    with AgentServer("two") as server:
        yield server


def far(*servers: Any, **more: Any) -> Any:
    """Return the specialist."""
    urls = [getattr(server, "url", server) for server in servers]
    return remote_specialist("far", url=urls, graph="echo", **more)


def run_one(specialist: Any, task: dict[str, Any] = TASK, **options: Any) -> tuple[Any, list[Any]]:
    """Run one task; return its result, and the events."""
    found, events = asyncio.run(ran([specialist], task, **options))
    return {**found[task["id"]], "warnings": found["warnings"]}, events


def test_a_task_is_done_once_and_its_progress_is_passed_on(one: AgentServer) -> None:
    result, events = run_one(far(one))
    assert result["output"] == {"echo": {"x": 1}, "by": "one"}, result["error"]
    assert [event["data"]["note"] for event in told(events, "task_progress", task_id="a", attempt=1)] == [0, 1, 2, 3]
    assert len(one.asked("POST /runs")) == 1


def test_keys_go_only_where_they_were_meant_to(one: AgentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph's SDK would send LangSmith's key to any server."""
    monkeypatch.setenv("LANGSMITH_API_KEY", "of-langsmith")
    monkeypatch.setenv("FAR_KEY", "secret-of-far")
    assert run_one(far(one))[0]["status"] == "succeeded"
    assert not any("x-api-key" in asked.headers for asked in one.requests)
    one.requests.clear()
    run_one(far(one, api_key="${FAR_KEY}", headers={"X-Team": "blue"}), {**TASK, "id": "b"})
    assert all(asked.headers["x-api-key"] == "secret-of-far" for asked in one.requests)
    assert all(asked.headers["x-team"] == "blue" for asked in one.requests)


def test_a_missing_key_is_told_before_anything_runs(one: AgentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAR_KEY", raising=False)
    with pytest.raises(Exception, match="FAR_KEY is not set"):
        run_one(far(one, api_key="${FAR_KEY}"))
    assert one.requests == []


def test_429_waits_as_long_as_it_is_asked_to(one: AgentServer) -> None:
    one.fault("POST /runs", Fault(429, headers=(("Retry-After", "0.4"),)))
    begun = time.monotonic()
    result, events = run_one(far(one))
    assert result["status"] == "succeeded" and result["attempts"] == 2
    assert time.monotonic() - begun >= 0.4
    assert told(events, "attempt_failed")[0]["retry_in_s"] >= 0.4
    assert "asks to wait (429" in told(events, "attempt_failed")[0]["error"]


def test_one_of_several_that_asks_to_wait_is_left_alone(one: AgentServer, two: AgentServer) -> None:
    """The other one is free: no attempt is lost."""
    one.always["POST /runs"] = Fault(429, headers=(("Retry-After", "60"),))
    tasks = [{**TASK, "id": f"t{n}"} for n in range(6)]
    found, _ = asyncio.run(ran([far(one, two)], *tasks))
    assert all(found[f"t{n}"]["output"]["by"] == "two" and found[f"t{n}"]["attempts"] == 1 for n in range(6))


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b'{"detail": "no key"}', "it does not let us in (401: no key); check api_key"),
        (403, b'{"detail": "not you"}', "it does not let us in (403: not you)"),
        (404, b'{"detail": "assistant not found"}', "no graph or assistant 'echo'; its graphs are echo"),
        (422, b'{"detail": "x is no number"}', "refused the input, config or context (422: x is no number)"),
    ],
)
def test_what_would_be_refused_again_is_not_tried_again(one: AgentServer, status: int, body: bytes, says: str) -> None:
    one.always["POST /runs"] = Fault(status, body)
    result, _ = run_one(far(one))
    assert result["status"] == "failed" and result["attempts"] == 1
    assert says in result["error"] and one.url in result["error"]


def test_a_server_with_an_error_of_its_own_is_asked_again(one: AgentServer) -> None:
    one.fault("POST /runs", Fault(500), Fault(200, b"<html>sign in</html>"))
    result, events = run_one(far(one))
    assert result["status"] == "succeeded" and result["attempts"] == 3
    first, second = (event["error"] for event in told(events, "attempt_failed"))
    assert "an error of its own (500" in first and "its answer is no JSON; is this the address" in second


def test_nobody_there_is_said_at_once_and_tried_again() -> None:
    """The SDK would try one refused connection for seconds."""
    begun = time.monotonic()
    result, _ = run_one(far(NOWHERE, wait_s=0))
    assert result["status"] == "failed" and result["attempts"] == 3
    assert result["error"].startswith("NoneLive: http://127.0.0.1:9: can't be reached (")
    assert time.monotonic() - begun < 5


def test_a_stream_that_is_cut_is_joined_where_it_ended(one: AgentServer) -> None:
    """Proxies end streams; the run goes on, and no progress comes twice."""
    one.cut_after, one.work_s = 2, 0.2
    result, events = run_one(far(one))
    assert result["status"] == "succeeded" and result["attempts"] == 1
    assert [event["data"]["note"] for event in told(events, "task_progress")] == [0, 1, 2, 3]
    assert [asked.headers["last-event-id"] for asked in one.asked("GET /stream")][:2] == ["-1", "1"]
    assert len(one.asked("POST /runs")) == 1


@pytest.mark.parametrize("request_kind", ["POST /threads", "POST /runs", "GET /stream", "GET /runs"])
def test_a_lost_answer_starts_nothing_twice(one: AgentServer, request_kind: str) -> None:
    """The connection breaks after the server did what it was asked: what is there is found."""
    one.work_s = 0.1
    one.fault(request_kind, Fault(0, after=True))
    result, _ = run_one(far(one))
    assert result["status"] == "succeeded" and result["attempts"] == 1
    assert sum(map(len, one.runs.values())) == 1


def test_a_server_that_breaks_each_time_is_given_up(one: AgentServer) -> None:
    one.always["POST /runs"] = Fault(0)
    result, _ = run_one(far(one), {**TASK, "retry": {"max_attempts": 1}})
    assert result["status"] == "failed" and "Unreachable" in result["error"]
    assert 2 <= len(one.asked("POST /runs")) <= 10


def test_the_work_of_a_dead_server_goes_to_another(one: AgentServer, two: AgentServer) -> None:
    """In the same attempt, once for each task; one warning; and it is given work again when it is back."""
    one.work_s = two.work_s = 0.6
    tasks = [{**TASK, "id": f"t{n}", "retry": {"max_attempts": 1}} for n in range(8)]
    port = one.port
    back: list[AgentServer] = []

    async def work() -> Any:
        running = asyncio.create_task(ran([specialist], *tasks))
        for _ in range(1000):
            if sum(len(begun) for server in (one, two) for begun in server.runs.values()) == len(tasks):
                break
            await asyncio.sleep(0.01)
        await asyncio.to_thread(one.die)
        first = await running
        back.append(AgentServer("back", port))
        await asyncio.sleep(1.1)  # it is looked at again after a second
        return first, await ran([specialist], *({**task, "id": f"again-{task['id']}"} for task in tasks))

    specialist = far(one, two)
    try:
        (first, events), (second, later) = asyncio.run(work())
    finally:
        for server in back:
            server.die()
    begun_there = sum(map(len, one.runs.values()))
    assert begun_there == 4, "the work is balanced"
    assert all(first[task["id"]]["output"]["by"] == "two" for task in tasks)
    assert all(first[task["id"]]["attempts"] == 1 for task in tasks)
    assert len(told(events, "task_moved", url=one.url)) == 4
    assert [(event["url"], event["live"]) for event in told(events, "deployment_changed")] == [(one.url, False)]
    assert len(first["warnings"]) == 1, first["warnings"]
    assert first["warnings"][0].startswith(f"the deployment {one.url} was left out: can't be reached")
    places = [first[task["id"]]["remote"] for task in tasks]
    assert {place["url"] for place in places} == {two.url}
    assert sorted(place["moved_from"] for place in places) == [[]] * 4 + [[one.url]] * 4
    assert {place["thread_id"] for place in places} <= two.threads.keys()
    assert told(later, "deployment_changed") == [
        {"type": "deployment_changed", "url": one.url, "live": True, "why": ""}
    ]
    assert {second[f"again-{task['id']}"]["output"]["by"] for task in tasks} == {"back", "two"}


def test_a_server_that_hangs_is_left_out(one: AgentServer, two: AgentServer) -> None:
    """It takes connections, and says nothing more."""
    one.work_s = 30
    for kind in ("GET /stream", "GET /runs", "GET /ok"):
        one.always[kind] = Fault(0, wait_s=4)
    tasks = [{**TASK, "id": f"t{n}", "retry": {"max_attempts": 1}} for n in range(2)]
    found, events = asyncio.run(ran([far(one, two, request_timeout_s=0.5)], *tasks))
    assert {found[task["id"]]["output"]["by"] for task in tasks} == {"two"}
    assert told(events, "deployment_changed")[0]["why"] == "no answer within 2 s"


def test_all_dead_names_each(one: AgentServer) -> None:
    one.die()
    result, _ = run_one(far(one, NOWHERE, wait_s=0), {**TASK, "retry": {"max_attempts": 1}})
    assert result["error"].count("can't be reached (") == 2
    assert one.url in result["error"] and NOWHERE in result["error"]


def test_another_try_goes_where_the_first_one_went(one: AgentServer, two: AgentServer) -> None:
    """The first attempt ends by its time-out; its run goes on, since it can't be cancelled; the second one joins it."""
    one.work_s = two.work_s = 2.6
    for server in (one, two):
        server.always["POST /cancel"] = Fault(500)
    task = {**TASK, "timeout_s": 1.5}
    result, _ = run_one(far(one, two), task)
    assert result["status"] == "succeeded" and result["attempts"] == 2, result["error"]
    assert sum(map(len, [*one.runs.values(), *two.runs.values()])) == 1
    assert "may still be at work, it could not be cancelled" in result["warnings"][0]


def test_a_time_out_ends_the_remote_run(one: AgentServer) -> None:
    one.work_s = 30
    result, _ = run_one(far(one), {**TASK, "timeout_s": 0.5, "retry": {"max_attempts": 1}})
    assert result["status"] == "timed_out" and result["warnings"] == []
    assert [run["status"] for runs in one.runs.values() for run in runs] == ["interrupted"]
    assert "action=interrupt" in one.asked("POST /cancel")[0].path


def test_a_run_that_was_about_to_begin_is_ended_too(one: AgentServer) -> None:
    """The time is over while the server has not yet said which run it began."""
    one.work_s, one.slow_s["POST /runs"] = 30, 0.8
    result, _ = run_one(far(one), {**TASK, "timeout_s": 0.4, "retry": {"max_attempts": 1}})
    assert result["status"] == "timed_out" and result["warnings"] == []
    assert [run["status"] for runs in one.runs.values() for run in runs] == ["interrupted"]


def test_a_server_that_does_not_answer_a_cancellation_holds_up_nothing(one: AgentServer) -> None:
    one.work_s = 30
    one.always["POST /cancel"] = Fault(200, b"{}", wait_s=3.0)
    begun = time.monotonic()
    result, _ = run_one(far(one), {**TASK, "timeout_s": 0.5, "retry": {"max_attempts": 1}})
    assert result["status"] == "timed_out" and time.monotonic() - begun < 2.9
    assert "could not be cancelled: no answer within 1.5 s" in result["warnings"][0]


def test_trace_context_goes_along(one: AgentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remote run stands below the attempt, for LangSmith and OpenTelemetry; nothing of the content goes along."""
    pytest.importorskip("opentelemetry.sdk")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", NOWHERE)
    monkeypatch.setenv("LANGSMITH_API_KEY", "none")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    run_id = uuid.uuid4()

    async def work() -> None:
        graph = build_graph([far(one)], tracing=Tracing(langsmith=True, otel=True), checkpointer=InMemorySaver())
        config: Any = {"run_id": run_id, "configurable": {"thread_id": "t"}}
        await graph.ainvoke({"plan": {"tasks": [TASK]}}, config)

    try:
        asyncio.run(work())
    finally:
        close_all(0.1)
    headers = one.asked("POST /runs")[0].headers
    order = headers["langsmith-trace"].split(".")
    assert str(run_id) in order[0] and len(order) >= 3
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", run_id.hex, "01")
    attempt = uuid.UUID(order[-1].split("Z", 1)[1])
    assert int(span, 16) == attempt.int & (2**64 - 1)
    assert headers["baggage"].startswith("langsmith-project=") and "," not in headers["baggage"]
    assert run_one(far(one), {**TASK, "id": "b"})[0]["status"] == "succeeded"
    assert not {"langsmith-trace", "traceparent", "baggage"} & one.asked("POST /runs")[1].headers.keys()
