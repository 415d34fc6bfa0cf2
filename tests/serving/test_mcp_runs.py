"""Runs of clients: plans, several at once, cancelled, dropped, resumed; what does not fit is refused in a sentence."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification
from mcp_serving import Told, Work, call, over_http, over_stdio, plan, refusal, served, until

PAIR = {"tasks": [{"id": "a", "specialist": "first"}, {"id": "b", "specialist": "slow", "depends_on": ["a"]}]}


def test_a_plan_is_explained_and_run(tmp_path: Path) -> None:
    """The plan is an object; its tasks' outputs are in the result, which get_run tells again."""

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url) as session:
            given = plan({"id": "a", "input": {"output": {"rows": 3}}}, {"id": "b", "depends_on": ["a"]})
            found = await call(session, "explain_plan", plan=given)
            assert found["phases"] == [["a"], ["b"]] and found["critical_path"] == ["a", "b"]
            made = await call(session, "run_plan", plan=given, thread_id="mine")
            assert (made["status"], made["thread_id"]) == ("succeeded", "mine")
            assert made["tasks"][0]["output"] == {"rows": 3}
            again = await call(session, "get_run", thread_id="mine")
            assert again["tasks"] == made["tasks"]
            over = await call(session, "resume_run", thread_id="mine")
            assert over["status"] == "succeeded"
            told = await refusal(session, "get_run", thread_id="nope")
            assert "there is no run 'nope'; a run's thread_id stands in the result" in told and "`" not in told

    asyncio.run(main())


def test_two_clients_at_once(tmp_path: Path) -> None:
    """Each gets its own results and its own progress; their runs go on side by side."""

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url) as one, over_http(server.url) as two:
            told = [Told() for _ in range(6)]
            given = [plan({"id": f"t{n}", "input": {"seconds": 0.5}}, {"id": f"u{n}"}) for n in range(6)]
            calls = [call(one if n % 2 else two, "run_plan", told[n], plan=given[n]) for n in range(6)]
            made = await asyncio.gather(*calls)
            for n in range(6):
                assert {task["task_id"] for task in made[n]["tasks"]} == {f"t{n}", f"u{n}"}
                assert told[n].whole == [0, 1, 2]
                assert made[n]["thread_id"] in str(told[n][0][2])
            starts = [next(t for t in m["tasks"] if t["task_id"].startswith("t")) for m in made]
            assert all(0.4 < start["duration_s"] < 5 for start in starts)

    asyncio.run(main())


async def _cancelled(session: Any, work: Work, **arguments: Any) -> None:
    """Call a tool, and send the protocol's notice of cancellation once the slow task works."""
    number = session._request_id
    calling = asyncio.create_task(session.call_tool("run_plan", arguments))
    await asyncio.wait_for(work.started.wait(), 30)
    notice = CancelledNotificationParams(requestId=number, reason="enough")
    note = CancelledNotification(method="notifications/cancelled", params=notice)
    await session.send_notification(ClientNotification(note))
    with pytest.raises(Exception, match="Request cancelled"):
        await calling


def test_a_cancelled_call_cancels_its_tasks(tmp_path: Path) -> None:
    """The task sees its cancellation; what was finished is kept, and resume_run does the rest, at once too."""

    async def main() -> None:
        work = Work()
        async with served(tmp_path, work.specialists()) as server, over_http(server.url) as session:
            await _cancelled(session, work, plan=PAIR, thread_id="cut")
            told = Told()
            made = await call(session, "resume_run", told, thread_id="cut")
            assert work.seen == ["first", "started", "cancelled", "started"]
            assert made["status"] == "succeeded"
            assert [task["output"] for task in made["tasks"]] == ["saved", "done at last"]
            assert told.whole == [1, 2]

    asyncio.run(main())


def test_a_run_tells_that_it_was_cut(tmp_path: Path) -> None:
    """get_run says what is done, and how the run goes on."""

    async def main() -> None:
        work = Work()
        async with served(tmp_path, work.specialists()) as server, over_http(server.url) as session:
            await _cancelled(session, work, plan=PAIR, thread_id="cut")
            await until(lambda: not server.runs._working)
            found = await call(session, "get_run", thread_id="cut")
            assert found["status"] == "interrupted"
            assert [task["status"] for task in found["tasks"]] == ["succeeded", "pending"]
            assert "resume_run" in found["next"]

    asyncio.run(main())


def test_a_dropped_connection_cancels_its_tasks(tmp_path: Path) -> None:
    """A client that goes away in the middle of a call leaves a run that can be resumed by another."""

    async def main() -> None:
        work = Work()
        async with served(tmp_path, work.specialists()) as server:
            await _call_and_drop(server.url, work)
            await until(lambda: "cancelled" in work.seen)
            async with over_http(server.url) as session:
                made = await call(session, "resume_run", thread_id="cut")
                assert made["status"] == "succeeded"

    asyncio.run(main())


async def _call_and_drop(url: str, work: Work) -> None:
    """Speak the protocol by hand, and close the connection of the call, not the session."""
    common = {"Accept": "application/json, text/event-stream"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "curl", "version": "1"}}
    async with httpx.AsyncClient(headers=common, timeout=30) as http:
        opened = await http.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        http.headers["Mcp-Session-Id"] = opened.headers["Mcp-Session-Id"]
        await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        params = {"name": "run_plan", "arguments": {"plan": PAIR, "thread_id": "cut"}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with http.stream("POST", url, json=request):
            await asyncio.wait_for(work.started.wait(), 30)


@pytest.mark.slow
def test_the_end_of_stdio_ends_its_runs(tmp_path: Path) -> None:
    """A client that closes standard input leaves a run that the command resumes."""
    code = tmp_path / "own.py"
    code.write_text(
        "import asyncio, pathlib\n"
        "from fanwise.graph import specialist\n"
        "@specialist('slow')\n"
        "async def slow(task):\n"
        "    mark = pathlib.Path('cancelled')\n"
        "    if mark.exists():\n"
        "        return 'done at last'\n"
        "    pathlib.Path('started').touch()\n"
        "    try:\n"
        "        await asyncio.sleep(60)\n"
        "    except asyncio.CancelledError:\n"
        "        mark.touch()\n"
        "        raise\n"
    )
    given = {"tasks": [{"id": "a", "specialist": "wait"}, {"id": "b", "specialist": "slow", "depends_on": ["a"]}]}

    async def cut() -> None:
        async with over_stdio(tmp_path, "--specialists", "own.py") as session:
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "run_plan", {"plan": given, "thread_id": "cut"})
                await until((tmp_path / "started").exists)
                group.cancel_scope.cancel()

    async def go_on() -> None:
        async with over_stdio(tmp_path, "--specialists", "own.py") as session:
            made = await call(session, "resume_run", thread_id="cut")
            assert [task["output"] for task in made["tasks"]][1] == "done at last"

    asyncio.run(cut())
    assert (tmp_path / "cancelled").exists()
    asyncio.run(go_on())


def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, shop: Path) -> None:
    """Every message says what came and what would do; nothing ran."""
    said = [
        ("run_plan", {}, "plan: is missing; give a value"),
        ("run_plan", {"plan": [1]}, "plan: expected an object, got [1] (a list)"),
        ("run_plan", {"plan": {"tasks": []}}, "holds no task"),
        ("run_plan", {"plan": plan({"id": "a", "depends_on": ["b"]})}, "'b'"),
        ("run_plan", {"plan": {"tasks": [{"id": "a", "specialist": "wiat"}]}}, "did you mean 'wait'?"),
        ("run_plan", {"plann": {}}, "unknown argument 'plann', did you mean 'plan'?"),
        ("run_plan", {"plan": plan({"id": "a"}), "thread_id": " "}, "can't name a run"),
        ("run_plan", {"plan": plan({"id": "a"}), "deadline_s": -1}, "deadline_s: should be greater than 0"),
        ("explain_plan", {"plan": plan({"id": "a", "depends_on": ["a"]})}, "'a'"),
        ("get_run", {"thread_id": "no"}, "there is no run 'no'"),
        ("resume_run", {"thread_id": "no"}, "there is no run 'no'"),
        ("dynamic_troubleshoot", {}, "nothing is asked"),
        ("dynamic_troubleshoot", {"workflow": "perfomance"}, "did you mean 'performance'?"),
        ("dynamic_troubleshoot", {"problem": "x", "params": {"hst": "a"}, "workflow": "perf"}, "'hst'"),
        ("dynamic_troubleshoot", {"problem": "x", "earliest": "lunch"}, "earliest 'lunch' is no moment"),
        ("format_disk", {}, "there is no tool 'format_disk'; there are dynamic_troubleshoot"),
    ]

    async def main() -> None:
        async with served(tmp_path, events=str(shop / "shop")) as server, over_http(server.url) as session:
            for tool, arguments, words in said:
                text = await refusal(session, tool, **arguments)
                assert words in text, text
                assert "Traceback" not in text and "pydantic" not in text and len(text) < 600

    asyncio.run(main())


def test_clients_name_logs_within_borders_only(tmp_path: Path, shop: Path) -> None:
    """A tool's argument, a plan's task and a result that flows into a task: none leads out of the root."""
    outside = tmp_path / "secret.log"
    outside.write_text("2025-03-01T12:00:00Z host1 password=hunter2\n")
    named = plan({"id": "w", "input": {"output": {"place": str(outside)}}})
    flow = {"id": "e", "specialist": "errors", "depends_on": ["w"], "input": {"events": "{{tasks.w.output.place}}"}}
    literal = {"tasks": [{"id": "e", "specialist": "errors", "input": {"events": str(outside)}}]}

    async def main() -> None:
        async with served(tmp_path, root=shop) as server, over_http(server.url) as session:
            assert "have the server started with" in await refusal(session, "dynamic_troubleshoot", problem="x")
            for place in (str(outside), "../secret.log", "~/x", "shop/../../secret.log", "file:///etc/passwd"):
                refused = await refusal(session, "dynamic_troubleshoot", problem="x", events=place)
                assert "may not be read here" in refused or "no file or folder" in refused
            assert "tasks[0].input.events" in await refusal(session, "run_plan", plan=literal)
            made = await call(session, "run_plan", plan={"tasks": [*named["tasks"], flow]})
            assert [task["status"] for task in made["tasks"]] == ["succeeded", "failed"]
            assert "may not be read here" in made["tasks"][1]["error"]
            made = await call(session, "dynamic_troubleshoot", workflow="health", events="shop")
            assert made["status"] == "succeeded"
        async with served(tmp_path, events=str(shop / "shop")) as server, over_http(server.url) as session:
            own = await call(session, "run_plan", plan={"tasks": [{"id": "e", "specialist": "errors"}]})
            assert own["status"] == "succeeded"  # the server's own log, without being named

    asyncio.run(main())


def test_results_are_bounded_and_the_rest_can_be_had(tmp_path: Path) -> None:
    """Large outputs and long lists are left out, with what to ask for."""
    large = [f"row {n}" for n in range(20_000)]

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url) as session:
            many = [{"id": f"t{n}", "input": {"output": "x" * 1_500}} for n in range(150)]
            made = await call(session, "run_plan", plan=plan({"id": "big", "input": {"output": large}}, *many))
            assert len(json.dumps(made)) < 100_000
            assert (len(made["tasks"]), made["tasks_left_out"]) == (100, 51)
            big = made["tasks"][0]
            assert big["output"] is None and big["output_chars"] > 200_000
            rest = await call(session, "get_run", thread_id=made["thread_id"], first_task=100)
            assert {task["task_id"] for task in [*made["tasks"], *rest["tasks"]]} == {"big", *(t["id"] for t in many)}
            text, offset = "", 0
            while offset is not None:
                page = await call(session, "get_run", thread_id=made["thread_id"], task_id="big", offset=offset)
                text, offset = text + page["output_text"], page["next_offset"]
            assert json.loads(text) == large
            assert "has no task 'nope'" in await refusal(
                session, "get_run", thread_id=made["thread_id"], task_id="nope"
            )

    asyncio.run(main())


def test_only_so_many_runs_and_so_much_at_once(tmp_path: Path) -> None:
    """A further run, a second run of one name, and a request that is too large are refused."""

    async def main() -> None:
        work = Work()
        async with served(tmp_path, work.specialists(), max_runs=1, max_bytes=20_000) as server:
            async with over_http(server.url) as session:
                calling = asyncio.create_task(session.call_tool("run_plan", {"plan": PAIR, "thread_id": "one"}))
                await asyncio.wait_for(work.started.wait(), 30)
                small = plan({"id": "a"})
                assert "which is the limit" in await refusal(session, "run_plan", plan=small)
                assert "there is a run 'one' already" in await refusal(session, "run_plan", plan=small, thread_id="one")
                assert "at work already" in await refusal(session, "resume_run", thread_id="one")
                assert (await call(session, "get_run", thread_id="one"))["status"] == "running"
                await server.runs.stop(0)
                stopped = await calling
                assert stopped.isError and "resume_run" in str(stopped.content)
            async with httpx.AsyncClient() as http:
                large = await http.post(server.url, json={"x": "y" * 30_000})
                assert large.status_code == 413

    asyncio.run(main())


def test_a_request_that_is_no_sense_harms_nobody(tmp_path: Path) -> None:
    """Nesting without end, numbers that are none, and text that is no JSON: an error each, and the server goes on."""
    call_ = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_plan","arguments":{"plan":%s}}}'
    nested = "[" * 60_000 + "]" * 60_000

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url) as session, httpx.AsyncClient() as http:
            headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
            for body in (call_ % nested, call_ % "NaN", "{", "\ud800".encode("utf-8", "surrogatepass"), "[]"):
                assert (await http.post(server.url, content=body, headers=headers)).status_code >= 400
            deep: Any = "x"
            for _ in range(90):
                deep = {"a": deep}
            assert len(await refusal(session, "run_plan", plan={"tasks": deep})) < 2_000
            made = await call(session, "run_plan", plan=plan({"id": "a", "input": {"output": deep}}))
            assert made["tasks"][0]["output"] is None
            page = await call(session, "get_run", thread_id=made["thread_id"], task_id="a")
            assert json.loads(page["output_text"]) == deep
            assert (await call(session, "run_plan", plan=plan({"id": "a"})))["status"] == "succeeded"

    asyncio.run(main())
