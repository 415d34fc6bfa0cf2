"""What `fanwise serve` keeps when it is killed, and what it takes over from an earlier version."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import HERE, Server, client_of, run, start, stop

pytest.importorskip("langgraph_sdk")

OWN = str(HERE / "durable_specialists.py")
LISTS = Path("data", ".langgraph_api", ".langgraph_ops.pckl")
AS_BEFORE = "from fanwise.studio import keeping; keeping.CONFIG.clear(); from fanwise.cli import main; main()"
"""The server with LangGraph's own checkpointer and store, as earlier versions had it."""


def serve(folder: Path, **options: Any) -> Server:
    return start(folder, "--data", "data", "--specialists", OWN, **options)


def kill(server: Server) -> None:
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(10)


def plan(notes: Path, *tasks: dict[str, Any]) -> dict[str, Any]:
    return {
        "plan": {
            "tasks": [
                {"specialist": "noted", **task, "input": {"notes": str(notes), **task.get("input", {})}}
                for task in tasks
            ]
        }
    }


def pages(server: Server, thread: str) -> int:
    return urllib.request.urlopen(f"{server.url}/fanwise/threads/{thread}/timeline.json", timeout=20).status


@pytest.mark.slow
def test_killed_server_keeps_what_was_done(tmp_path: Path) -> None:
    """After `kill -9` ended runs are there whole, open ones go on, questions can be answered; no task is done twice."""
    notes, server = tmp_path / "notes", serve(tmp_path)
    try:
        threads = run(_open(server, notes))
        while not (tmp_path / LISTS).exists():
            time.sleep(0.1)  # the server has not written yet that a run is open
        threads["late"] = run(_late(server, notes))
        kill(server)
        server = serve(tmp_path)
        run(_after(server, threads))
        assert notes.read_text().split() == ["first", "slow", "l", "slow"], "what had ended was done again"
    finally:
        stop(server)


async def _open(server: Server, notes: Path) -> dict[str, str]:
    """Make a thread that asks, and one that is at work for longer than the server takes to write its lists."""
    client = client_of(server.url)
    threads = {name: (await client.threads.create())["thread_id"] for name in ("asked", "open")}
    await client.runs.wait(threads["asked"], "fanwise", input=plan(notes, {"id": "ask", "specialist": "asks"}))
    work = ({"id": "first"}, {"id": "slow", "depends_on": ["first"], "input": {"seconds": 60}})
    await client.runs.create(threads["open"], "fanwise", input=plan(notes, *work))
    return threads


async def _late(server: Server, notes: Path) -> str:
    """Let a run end whose thread is on no list that was written."""
    client = client_of(server.url)
    thread = (await client.threads.create())["thread_id"]
    out = await client.runs.wait(thread, "fanwise", input=plan(notes, {"id": "l", "input": {"bytes": 100_000}}))
    assert out["results"]["l"]["output_ref"], "not a large output"
    return str(thread)


async def _after(server: Server, threads: dict[str, str]) -> None:
    client = client_of(server.url)
    late = await client.threads.get(threads["late"])
    state = await client.threads.get_state(threads["late"])
    assert late["status"] == "idle" and state["values"]["status"] == "succeeded" and not state["next"]
    key = state["values"]["results"]["l"]["output_ref"]["key"]
    kept = await client.store.get_item(("fanwise", "outputs", threads["late"]), key)
    assert len(kept["value"]["json"]) > 100_000 and pages(server, threads["late"]) == 200

    asked = await client.threads.get_state(threads["asked"])
    answer = {asked["interrupts"][0]["id"]: "now"}
    out = await client.runs.wait(threads["asked"], "fanwise", command={"resume": answer})
    assert out["status"] == "succeeded" and out["results"]["ask"]["output"] == {"when": "now"}

    (going_on,) = await client.runs.list(threads["open"])
    out = await client.runs.join(threads["open"], going_on["run_id"])
    assert out["status"] == "succeeded", out


@pytest.mark.slow
def test_threads_of_an_earlier_version_are_taken_over(tmp_path: Path) -> None:
    """A folder that an earlier version left goes on being used: with states, large outputs and items of the store."""

    async def fill(server: Server) -> str:
        client = client_of(server.url)
        thread = (await client.threads.create())["thread_id"]
        work = plan(tmp_path / "notes", {"id": "l", "input": {"bytes": 100_000}})
        await client.runs.wait(thread, "fanwise", input=work)
        await client.store.put_item(("mine",), "key", {"said": "yes"})
        return str(thread)

    async def check(server: Server, thread: str) -> None:
        client = client_of(server.url)
        state = await client.threads.get_state(thread)
        assert state["values"]["status"] == "succeeded" and len(await client.threads.get_history(thread)) > 3
        key = state["values"]["results"]["l"]["output_ref"]["key"]
        assert await client.store.get_item(("fanwise", "outputs", thread), key)
        assert (await client.store.get_item(("mine",), "key"))["value"] == {"said": "yes"}
        await client.threads.delete(thread)

    server = serve(tmp_path, command=[sys.executable, "-c", AS_BEFORE, "serve"])
    try:
        thread = run(fill(server))
        stop(server)
        server = serve(tmp_path)
        run(check(server, thread))
        kill(server)
        server = serve(tmp_path)
        assert run(client_of(server.url).threads.get_state(thread))["values"] == {}, "what was deleted came back"
    finally:
        stop(server)


@pytest.mark.slow
def test_threads_are_copied_rolled_back_and_deleted(server: Server) -> None:
    """The server's checkpointer copies a thread, forgets a run that is rolled back, and deletes a thread."""

    async def work() -> None:
        client = client_of(server.url)
        thread = (await client.threads.create())["thread_id"]
        one = {"plan": {"tasks": [{"id": "x", "specialist": "wait", "input": {"seconds": 0}}]}}
        await client.runs.wait(thread, "fanwise", input=one)
        copy = (await client.threads.copy(thread))["thread_id"]
        slow = {"plan": {"tasks": [{"id": "y", "specialist": "wait", "input": {"seconds": 60}}]}}
        made = await client.runs.create(thread, "fanwise", input=slow)
        await asyncio.sleep(2)  # the server begins with it within a second
        assert (await client.threads.get_state(thread))["values"]["plan"]["tasks"][0]["id"] == "y"
        await client.runs.cancel(thread, made["run_id"], wait=True, action="rollback")
        for name in (thread, copy):
            state = await client.threads.get_state(name)
            assert list(state["values"]["results"]) == ["x"] and not state["next"], state
            assert state["metadata"]["thread_id"] == name
            assert not [key for key in state["metadata"] if key.startswith("langgraph_auth")]
        await client.threads.delete(thread)
        await client.threads.create(thread_id=thread, graph_id="fanwise")
        assert (await client.threads.get_state(thread))["values"] == {}

    run(work())
    assert "Custom checkpointer missing" not in server.log
