"""What is known to go wrong between LangGraph's server and a graph."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from .conftest import FANWISE, ROOT, client_of, run, start, stop

pytest.importorskip("langgraph_sdk")


def wait(server: Any, given: dict[str, Any], graph: str = "fanwise", thread: str | None = None, **more: Any) -> Any:
    async def asked() -> Any:
        client = client_of(server.url)
        return await client.runs.wait(thread, graph, input=given, raise_error=False, **more)

    return run(asked())


def one(specialist: str, **given: Any) -> dict[str, Any]:
    return {"plan": {"tasks": [{"id": "x", "specialist": specialist, "input": given}]}}


@pytest.mark.slow
def test_a_request_is_enough(server: Any) -> None:
    """A request alone is planned, run and answered: nothing of it blocks the server's event loop."""
    out = wait(server, {"request": "Why did web-03 go quiet?"})
    assert out["status"] in ("succeeded", "partial"), out
    assert "web-03" in out["summary"]["text"] and out["messages"][-1]["type"] == "ai"
    assert "BlockingError" not in server.log


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["health_check", "performance", "ensemble_checks", "ensemble_vote", "ensemble_race"])
def test_graph_of_a_workflow_needs_no_input(server: Any, graph: str) -> None:
    """A workflow's graph runs it with the server's log where its form is left empty."""
    out = wait(server, {}, graph)
    assert out["status"] in ("succeeded", "partial"), out
    assert out["plan"]["name"] == graph


@pytest.mark.slow
def test_jobs_at_the_same_time(server: Any) -> None:
    """Runs are at work side by side: the server's own default would be one."""

    async def runs() -> float:
        client = client_of(server.url)
        began = time.perf_counter()
        outs = await asyncio.gather(
            *(client.runs.wait(None, "fanwise", input=one("wait", seconds=4)) for _ in range(4))
        )
        assert [out["status"] for out in outs] == ["succeeded"] * 4
        return time.perf_counter() - began

    assert run(runs()) < 12


@pytest.mark.slow
def test_blocking_specialist_is_told(server: Any) -> None:
    """A specialist that blocks the event loop fails with a message that says so; the run and the server go on."""
    out = wait(server, one("blocker"))
    assert out["status"] == "failed", out
    assert "blocking" in out["results"]["x"]["error"].lower(), out["results"]["x"]


@pytest.mark.slow
def test_errors_of_specialists_keep_their_message(server: Any) -> None:
    """An exception of a class that the server does not know is told with its text, in its task's result."""
    out = wait(server, one("thrower"))
    assert "the wheel is missing" in json.dumps(out["results"]["x"]["error"]), out


@pytest.mark.slow
def test_cancelling_a_run_cancels_its_tasks(server: Any, tmp_path: Path) -> None:
    """What a specialist does ends when its run is cancelled."""
    note = tmp_path / "note"

    async def asked() -> None:
        client = client_of(server.url)
        thread = (await client.threads.create())["thread_id"]
        made = await client.runs.create(thread, "fanwise", input=one("patient", note=str(note)))
        for _ in range(200):
            if "patient" in (await client.threads.get_state(thread))["next"]:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        await client.runs.cancel(thread, made["run_id"], wait=True)

    run(asked())
    for _ in range(50):
        if note.exists():
            break
        time.sleep(0.1)
    assert note.read_text() == "cancelled"


@pytest.mark.slow
def test_streams_are_not_narrower_than_the_state(server: Any) -> None:
    """What Studio draws comes from the stream: the plan and how it was chosen are there, not only in the state."""

    async def asked() -> Any:
        client = client_of(server.url)
        chunks = client.runs.stream(None, "fanwise", input=one("wait"), stream_mode="values")
        return [chunk.data async for chunk in chunks if chunk.event == "values"][-1]

    assert {"plan", "status", "summary", "results", "metrics", "warnings", "messages", "request"} <= set(run(asked()))


def test_context_is_the_same_here_and_on_a_server() -> None:
    """A run without a context has the settings' defaults, as on a server, and a wrong one is refused."""
    from fanwise.schema.errors import FanwiseError
    from fanwise.studio.settings import Settings

    assert Settings.of(None) == Settings.of({}) == Settings()
    assert Settings.of({"max_parallel": 2, "model": None, "review": ""}).max_parallel == 2
    with pytest.raises(FanwiseError, match=r"context.max_paralel: .*did you mean 'max_parallel'.*context.timeout_s"):
        Settings.of({"max_paralel": 2, "timeout_s": -1})


def test_all_problems_of_a_plan_in_a_text_are_told_at_once() -> None:
    """A plan that is given as the text of a file is looked at with the graph's specialists."""
    from fanwise.schema.errors import PlanError
    from fanwise.studio.app import fanwise

    text = "tasks:\n  - {id: a, specialist: wate, depends_on: [b]}\n"
    with pytest.raises(PlanError, match=r"(?s)2 problems.*line 2.*did you mean 'wait'.*line 2.*unknown dependency 'b'"):
        asyncio.run(fanwise.ainvoke({"plan": text}, {"configurable": {"thread_id": "t"}}))


def test_second_request_on_a_thread_is_a_new_run() -> None:
    """A thread's next request is not answered with the plan of the one before."""
    from fanwise.studio.app import ensemble_vote, fanwise

    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}

    async def runs() -> tuple[Any, Any]:
        first = await fanwise.copy({"checkpointer": saver}).ainvoke(one("wait"), config)
        second = await ensemble_vote.copy({"checkpointer": saver}).ainvoke({"request": "Which?"}, config)
        return first, second

    first, second = run(runs())
    assert first["plan"]["tasks"][0]["id"] == "x"
    assert second["plan"]["name"] == "ensemble_vote" and "x" not in second["results"]


def test_busy_port_is_refused(tmp_path: Path) -> None:
    """A port that is taken is an error; the server itself would move to another one and say so in its log only."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*FANWISE, "serve", "--port", port], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 or done.returncode == 1
    assert f"--port {port}: it can't be listened on" in done.stderr, done.stderr


@pytest.mark.slow
def test_second_server_on_the_same_folder_is_refused(server: Any) -> None:
    """Two servers in one folder would overwrite each other's threads."""
    command = [*FANWISE, "serve", "--port", "0"]
    done = subprocess.run(command, cwd=server.folder, capture_output=True, text=True)
    assert "another server keeps its threads there" in done.stderr, done.stderr


def test_open_address_needs_a_decision(tmp_path: Path) -> None:
    """An address that others reach too is not served without access control, unless that is said."""
    command = [*FANWISE, "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "--auth" in done.stderr, done.stderr


@pytest.mark.slow
def test_nothing_is_asked_outside(server: Any) -> None:
    """The server holds no connection but those of its own clients."""
    import psutil

    process = psutil.Process(server.process.pid)
    found = [item for one_ in (process, *process.children(recursive=True)) for item in one_.net_connections("inet")]
    outside = [item.raddr for item in found if item.raddr and item.raddr.ip not in ("127.0.0.1", "::1")]
    assert outside == []
    assert "version" not in {line for line in server.log.splitlines() if "newer version" in line}


@pytest.mark.slow
def test_langgraph_dev_serves_the_same(tmp_path: Path) -> None:
    """`langgraph dev` reads the repository's configuration and answers, without a key."""
    command = [sys.executable, "-c", "from langgraph_cli.cli import cli; cli()", "dev", "--no-browser", "--no-reload"]
    options = ("--config", str(ROOT / "langgraph.json"), "--n-jobs-per-worker", "10")
    quiet = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
    server = start(tmp_path, *options, command=command, **quiet)
    try:
        assert wait(server, one("wait"))["status"] == "succeeded"
    finally:
        stop(server)
