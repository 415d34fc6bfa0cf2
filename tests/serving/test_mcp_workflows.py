"""The five checks, with clients that are not ours: connect, ping, list tools, run each workflow, see its progress."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from langchain_mcp_adapters.client import MultiServerMCPClient
from mcp import ClientSession
from mcp_serving import Told, call, over_http, over_stdio, served

TOOLS = ["dynamic_troubleshoot", "run_plan", "resume_run", "explain_plan", "get_run"]
WORKFLOWS = [("health_check", 2), ("missing_data", 10), ("performance", 3)]
PROBLEM = "Why did web-03 go quiet?"


async def five_checks(session: ClientSession) -> None:
    """Do all of them on a session that is connected."""
    await session.send_ping()
    tools = (await session.list_tools()).tools
    assert [tool.name for tool in tools] == TOOLS
    assert all(tool.outputSchema and tool.description for tool in tools)
    for name, tasks in WORKFLOWS:
        told = Told()
        made = await call(session, "dynamic_troubleshoot", told, problem=PROBLEM, workflow=name)
        assert made["status"] == "succeeded"
        assert made["summary"]["severity"] in ("medium", "high", "critical")
        assert made["summary"]["findings"] and made["summary"]["recommendations"]
        assert len(made["tasks"]) == tasks
        assert told.whole == list(range(tasks + 1))
        assert {total for _, total, _ in told} == {tasks}
        assert made["thread_id"] in str(told[0][2])
        ended = {str(message).split()[0] for _, _, message in told[1:]}
        assert {task["task_id"] for task in made["tasks"]} <= ended


def test_over_http(tmp_path: Path, shop: Path) -> None:
    """The SDK's client over streamable HTTP, with and without a slash at the end of the address."""

    async def main() -> None:
        async with served(tmp_path, events=str(shop / "shop")) as server:
            async with over_http(f"{server.url}/") as session:
                await five_checks(session)

    asyncio.run(main())


@pytest.mark.slow
def test_over_stdio(tmp_path: Path, shop: Path) -> None:
    """The SDK's client starts the command; what tasks print does not get in its way."""
    code = tmp_path / "loud.py"
    code.write_text(
        "import os, subprocess, sys\n"
        "from fanwise.graph import specialist\n"
        "@specialist('loud')\n"
        "def loud(task):\n"
        "    print('to standard output', flush=True)\n"
        "    os.write(1, b'to the descriptor\\n')\n"
        "    subprocess.run(['echo', 'from a child'], check=True)\n"
        "    return sys.stdin.read()\n"
    )

    async def main() -> None:
        events = ("--events", str(shop / "shop"), "--specialists", str(code))
        async with over_stdio(tmp_path, *events) as session:
            await five_checks(session)
            made = await call(session, "run_plan", plan={"tasks": [{"id": "a", "specialist": "loud"}]})
            assert made["tasks"][0]["output"] == ""

    asyncio.run(main())
    said = (tmp_path / "stderr.txt").read_text()
    assert all(text in said for text in ("to standard output", "to the descriptor", "from a child"))


def test_with_langchains_adapters(tmp_path: Path, shop: Path) -> None:
    """LangChain's adapters list the tools and run a workflow: text for the model, the structured result beside it."""

    async def main() -> None:
        async with served(tmp_path, events=str(shop / "shop")) as server:
            client = MultiServerMCPClient({"fanwise": {"transport": "streamable_http", "url": server.url}})
            tools = {tool.name: tool for tool in await client.get_tools()}
            assert list(tools) == TOOLS
            for name, _ in WORKFLOWS:
                request = {"type": "tool_call", "id": "1", "args": {"problem": PROBLEM, "workflow": name}}
                message = await tools["dynamic_troubleshoot"].ainvoke({**request, "name": "dynamic_troubleshoot"})
                assert message.status == "success"
                structured = message.artifact["structured_content"]
                assert structured["status"] == "succeeded"
                assert json.loads(message.content[0]["text"]) == structured

    asyncio.run(main())


def test_the_problem_alone_is_enough(tmp_path: Path, shop: Path) -> None:
    """The words choose the workflow, and host and time can be given beside them."""

    async def main() -> None:
        async with served(tmp_path, events=str(shop / "shop")) as server, over_http(server.url) as session:
            made = await call(session, "dynamic_troubleshoot", problem="Why is it slow?")
            assert {task["task_id"] for task in made["tasks"]} == {"latency", "load", "errors"}
            asked = {"host": "web-03", "earliest": "2001-01-01T00:00:00Z", "latest": "now"}
            made = await call(session, "dynamic_troubleshoot", problem="Is all well?", workflow="health", **asked)
            assert {task["task_id"] for task in made["tasks"]} == {"silence", "errors"}
            assert "web-03" in made["summary"]["text"]

    asyncio.run(main())


def test_what_can_be_read(tmp_path: Path) -> None:
    """The workflows and the specialists are resources, and a prompt leads through the tools."""

    async def main() -> None:
        async with served(tmp_path) as server, over_http(server.url) as session:
            uris = [str(item.uri) for item in (await session.list_resources()).resources]
            assert uris == ["fanwise://workflows", "fanwise://specialists"]
            flows, workers = [
                json.loads((await session.read_resource(uri)).contents[0].text)  # type: ignore[arg-type,union-attr]
                for uri in uris
            ]
            assert [flow["name"] for flow in flows] == ["health_check", "missing_data_troubleshooting", "performance"]
            assert {"wait", "silence", "coder"} <= {worker["name"] for worker in workers}
            asked = await session.get_prompt("troubleshoot", {"problem": "no orders"})
            assert "no orders" in asked.messages[0].content.text  # type: ignore[union-attr]

    asyncio.run(main())
