"""Where no deployment is there: tasks wait for one, are told so once, and fail when it has been long enough."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agent_server import AgentServer
from remote_runs import ran, told

from fanwise.cli.lines import Lines
from fanwise.cli.progress import Progress
from fanwise.graph import remote_specialist
from fanwise.nodes.specialists.remote import pool

ONCE = {"max_attempts": 1}


def tasks(count: int, **more: Any) -> list[dict[str, Any]]:
    """Return tasks for the server."""
    return [{"id": f"t{n}", "specialist": "far", "input": {"x": n}, "retry": ONCE, **more} for n in range(count)]


def gone() -> str:
    """Return the address of a server that was there, and of which this process knows nothing."""
    with AgentServer() as server:
        return server.url


def test_tasks_outlive_a_restart_of_their_only_server() -> None:
    """It is killed in the midst of its work, is there again later, and knows nothing: each task has one attempt."""
    back: list[AgentServer] = []
    with AgentServer() as server:
        server.work_s = 0.6
        far = remote_specialist("far", url=server.url, graph="echo")

        async def work() -> Any:
            running = asyncio.create_task(ran([far], *tasks(6)))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.die)
            await asyncio.sleep(1.2)
            back.append(AgentServer("back", server.port))
            return await running

        try:
            found, events = asyncio.run(work())
        finally:
            for again in back:
                again.die()
    assert [found[f"t{n}"]["output"] for n in range(6)] == [{"echo": {"x": n}, "by": "back"} for n in range(6)]
    assert {found[f"t{n}"]["attempts"] for n in range(6)} == {1} and found["warnings"] == []
    changes = [(event["live"], event.get("wait_s")) for event in told(events, "deployment_changed")]
    assert changes == [(False, 60.0), (True, None)]
    assert sum(map(len, back[0].runs.values())) == 6
    assert len(back[0].asked("GET /ok")) <= 6, "those who wait look together"


def test_an_address_that_never_answered_is_waited_for_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at once, and the wait counts from when it was found out: another attempt does not wait anew."""
    monkeypatch.setattr(pool, "STRANGER_S", 0.8)
    far = remote_specialist("far", url=gone(), graph="echo")
    begun = time.monotonic()
    retry = {"max_attempts": 3, "initial_s": 0.01, "jitter": False}
    found, events = asyncio.run(ran([far], *tasks(2, retry=retry)))
    assert 0.8 <= time.monotonic() - begun < 3
    assert {found[f"t{n}"]["status"] for n in range(2)} == {"failed"} and found["t0"]["attempts"] == 3
    assert [event["wait_s"] for event in told(events, "deployment_changed")] == [0.8]
    assert found["t0"]["error"].count("can't be reached") == 1


def test_a_wait_ends_with_its_time_out_or_its_task() -> None:
    far = remote_specialist("far", url=gone(), graph="echo")
    begun = time.monotonic()
    found, _ = asyncio.run(ran([far], *tasks(1, timeout_s=0.3)))
    assert found["t0"]["status"] == "timed_out" and time.monotonic() - begun < 2

    async def cancelled() -> None:
        running = asyncio.create_task(ran([remote_specialist("far", url=gone(), graph="echo")], *tasks(1)))
        await asyncio.sleep(0.3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    begun = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - begun < 2


def test_it_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Progress())
    lines.on_event({"type": "deployment_changed", "url": "http://a", "live": False, "why": "silent", "wait_s": 60.0})
    lines.on_event({"type": "deployment_changed", "url": "http://a", "live": True, "why": ""})
    lines.on_event({"type": "task_paused", "task_id": "x", "review": None, "remote": "agent at http://a"})
    assert capsys.readouterr().err.splitlines() == [
        "http://a: left out (its tasks wait for it, 1 min 00 s at most): silent",
        "http://a: given work again",
        "[0/0] x waits for a person: its remote run asks (agent at http://a)",
    ]
