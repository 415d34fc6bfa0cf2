"""Who may reach the server, and how it ends."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import warm
from mcp_serving import COMMAND, Person, Told, call, over_http, plan, served, until

from fanwise.serving.mcp_http import security
from fanwise.serving.mcp_progress import Progress

HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def test_a_foreign_name_or_origin_is_refused(tmp_path: Path) -> None:
    """A page that leads a name of its own to this address gets nothing (DNS rebinding)."""

    async def main() -> None:
        async with served(tmp_path) as server, httpx.AsyncClient(headers=ACCEPT) as http:
            port = httpx.URL(server.url).port
            for headers, code in (
                ({"Host": "evil.example"}, 421),
                ({"Host": f"evil.example:{port}"}, 421),
                ({"Host": f"127.0.0.1.evil.example:{port}"}, 421),
                ({"Origin": "http://evil.example"}, 403),
                ({"Origin": f"http://localhost:{port}"}, 200),
                ({"Host": f"localhost:{port}"}, 200),
                ({}, 200),
            ):
                assert (await http.post(server.url, json=HELLO, headers=headers)).status_code == code, headers

    asyncio.run(main())


def test_further_names_can_be_allowed() -> None:
    """With a port they stand for that port alone."""
    known = security("0.0.0.0", ["tools.example", "proxy.example:8443"])
    assert {"tools.example", "tools.example:*", "proxy.example:8443"} <= set(known.allowed_hosts)
    assert "proxy.example:*" not in known.allowed_hosts and "0.0.0.0" not in known.allowed_hosts
    assert "https://tools.example" in known.allowed_origins


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    """Without it, or with another, nothing is served."""

    async def main() -> None:
        async with served(tmp_path, token="s3cret") as server:
            async with httpx.AsyncClient(headers=ACCEPT) as http:
                for value in (None, "Bearer other", "Basic s3cret", "Bearer", "Bearer s3cret2", "Bearer é"):
                    headers = {} if value is None else {"Authorization": value.encode()}
                    refused = await http.post(server.url, json=HELLO, headers=headers)  # type: ignore[arg-type]
                    assert refused.status_code == 401 and "bearer token" in refused.json()["error"]
            async with over_http(server.url, headers={"Authorization": "Bearer s3cret"}) as session:
                assert (await call(session, "run_plan", plan=plan({"id": "a"})))["status"] == "succeeded"

    asyncio.run(main())


def command(*options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Call `fanwise mcp` where it refuses."""
    return warm.run([sys.executable, *COMMAND, *options], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "give a token with --token-env"),
        (("--token-env", "NO_SUCH_VARIABLE"), "not set, or empty"),
        (("--events", "nothing.log"), "there is no such file or folder"),
        (("--host", "203.0.113.7", "--no-token"), "can't listen at 203.0.113.7"),
    ],
)
def test_bad_usage(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    """One message, code 2."""
    done = command(*options, folder=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_command_serves_and_ends_in_good_order(tmp_path: Path) -> None:
    """On SIGTERM running tasks end, the client is told, and the run can be resumed."""
    started = [sys.executable, *COMMAND, "--port", "0", "--db", "runs.db"]
    with warm.Popen(started, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", process.stderr.readline())
        assert found is not None

        async def main() -> None:
            async with over_http(found[0]) as session:
                given = plan({"id": "a", "input": {"seconds": 1.5}}, {"id": "b", "depends_on": ["a"]})
                await session.list_tools()  # the client looks them up to check results; the server will be gone
                arguments = {"plan": given, "thread_id": "cut"}
                told = Told()
                calling = asyncio.create_task(session.call_tool("run_plan", arguments, progress_callback=told))
                await until(lambda: told)
                await asyncio.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                made = (await calling).structuredContent
                assert made is not None and made["status"] == "interrupted"
                assert [task["status"] for task in made["tasks"]] == ["succeeded", "pending"]

        asyncio.run(main())
        since = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - since < 10
        assert "Traceback" not in process.stderr.read()
    resumed = [sys.executable, "-c", COMMAND[1], "resume", "cut", "--db", "runs.db", "--json"]
    done = warm.run(resumed, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '"status": "succeeded"' in done.stdout


def test_long_tasks_give_signs_of_life() -> None:
    """Each notification is further than the last, as the protocol wants it, and none takes a task's place."""
    told: list[tuple[float, float, str]] = []

    async def send(progress: float, total: float, message: str) -> None:
        told.append((progress, total, message))

    async def main() -> None:
        async with Progress(send, alive_s=0.02) as progress:
            progress.on_event({"type": "run_started", "total": 2, "plan": "p", "why": "", "run_id": "r"}, "t")
            progress.on_event({"type": "task_started", "task_id": "a", "attempt": 1}, "t")
            await asyncio.sleep(0.2)
            ended = {"task_id": "a", "specialist": "wait", "status": "succeeded", "error": None, "duration_s": 0.2}
            progress.on_event({"type": "task_finished", **ended, "completed": 1, "total": 2}, "t")

    asyncio.run(main())
    steps = [step for step, _, _ in told]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 1 and len(steps) > 4
    assert "at work: a" in told[1][2]


def test_a_client_that_takes_nothing_does_not_hold_the_run_up(tmp_path: Path) -> None:
    """A form that fails leaves the question open."""

    class Broken(Person):
        async def __call__(self, context: object, params: object) -> object:  # type: ignore[override]
            raise RuntimeError("no window")

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url, Broken()) as session:
            made = await call(session, "run_plan", plan=plan({"id": "a", "review": "before"}))
            assert made["status"] == "paused"

    asyncio.run(main())
