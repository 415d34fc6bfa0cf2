"""`mcp`: tools of real MCP servers, over stdio and streamable HTTP, with and without a model."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from mcp_server import INJECTION
from openai_server import Say
from served import messages, result_of, served

from fanwise.graph import build_graph
from fanwise.nodes.specialists.equipment import NO_MODEL, Equipment
from fanwise.nodes.specialists.llm.mcp import NO_SERVERS, mcp
from fanwise.state import FanwiseError, PlanError
from fanwise.tool_servers import sessions
from fanwise.tool_servers.servers import load_config

GOLD = {"item": "gold"}
SERVER = str(Path(__file__).with_name("mcp_server.py"))


def stdio(**more: Any) -> dict[str, Any]:
    """Return the configuration of the server as a subprocess."""
    return {"command": sys.executable, "args": [SERVER, "stdio"], **more}


@pytest.fixture(scope="module")
def http() -> Iterator[dict[str, Any]]:
    """The server on loopback, and its configuration."""
    with serving("streamable-http") as port:
        yield {"url": f"http://127.0.0.1:{port}/mcp", "transport": "streamable_http"}


@contextmanager
def serving(transport: str) -> Iterator[int]:
    """Start the server on a port, and yield that."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, transport, str(port)])
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def called(servers: dict[str, Any], tool: str, retries: int = 1, **arguments: Any) -> dict[str, Any]:
    """Return the result of one call without a model."""
    given = {"server": next(iter(servers)), "tool": tool, "arguments": arguments}
    task = {"input": given, "retry": {"max_attempts": retries, "initial_s": 0.05}}
    return asyncio.run(result_of(mcp(Equipment(mcp=servers)), task))


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_one_call_needs_no_model(kind: str, request: pytest.FixtureRequest) -> None:
    """A structured result, a text, a tool's error, a wrong name, and wrong arguments."""
    servers = {"shop": stdio() if kind == "stdio" else request.getfixturevalue("http")}
    assert called(servers, "stock", item="tea")["output"] == {
        "server": "shop",
        "tool": "stock",
        "result": {"pieces": 3},
    }
    failed = called(servers, "stock", retries=3, item="gold")
    assert failed["status"] == "failed" and "MCP tool shop/stock failed" in failed["error"]
    assert failed["attempts"] == 1
    unknown = called(servers, "stok", item="tea")
    assert "MCP server 'shop' has no tool 'stok'; did you mean 'stock'?" in unknown["error"]
    assert "validation error" in called(servers, "stock", thing="tea")["error"]


def test_the_environment_is_given_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`${VAR}` is replaced, nothing else of the environment is seen, and a variable that is missing is named."""
    monkeypatch.setenv("SHOP_CUSTOMER", "ada")
    servers = {"shop": stdio(env={"CUSTOMER": "${SHOP_CUSTOMER}-${UNSET_VAR:-x}"})}
    assert called(servers, "order", item="tea")["output"]["result"] == {"result": "ordered 1 tea as ada-x"}
    missing = mcp(Equipment(mcp={"shop": stdio(env={"CUSTOMER": "${NO_SUCH_VAR}"})}))
    assert missing.lacks == "MCP server 'shop': env.CUSTOMER: the environment variable NO_SUCH_VAR is not set"


def test_headers_reach_a_server_and_older_ones_speak_sse(http: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Over streamable HTTP and over SSE; a header's variable is taken from the environment."""
    monkeypatch.setenv("SHOP_CUSTOMER", "ada")
    headers = {"X-Customer": "${SHOP_CUSTOMER}"}
    assert called({"shop": {**http, "headers": headers}}, "who")["output"]["result"] == {"result": "ada"}
    with serving("sse") as port:
        old = {"url": f"http://127.0.0.1:{port}/sse", "type": "sse", "headers": headers}
        assert called({"shop": old}, "who")["output"]["result"] == {"result": "ada"}


def test_servers_that_are_not_there_say_why(tmp_path: Path) -> None:
    """No such command, a command that ends, nothing at the address: tried again, then one message."""
    gone = called({"s": {"command": "no-such-command-here"}}, "x", retries=2)
    assert "MCP server 's': there is no command 'no-such-command-here'" in gone["error"] and gone["attempts"] == 2
    ended = called({"s": stdio(env={"DIES": "1"})}, "x")
    assert "MCP server 's': did not start" in ended["error"] and "it said: no licence found" in ended["error"]
    closed = called({"s": {"url": "http://127.0.0.1:9/mcp"}}, "x")
    assert "MCP server 's': can't be reached at http://127.0.0.1:9/mcp" in closed["error"]


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is no MCP server at all."""
    monkeypatch.setattr(sessions, "CONNECT_S", 1.0)
    result = called({"s": {"command": "sleep", "args": ["60"]}}, "x")
    assert "MCP server 's': no answer within 1 s" in result["error"]


def test_a_call_has_its_time_and_is_not_done_twice() -> None:
    """What went out may have been done, so that it is not tried again."""
    late = called({"shop": stdio(timeout_s=0.5)}, "slow", retries=3, seconds=5)
    assert "MCP tool shop/slow: no answer within 0.5 s" in late["error"] and late["attempts"] == 1
    dead = called({"shop": stdio()}, "die", retries=3)
    assert dead["status"] == "failed" and "MCP" in dead["error"] and dead["attempts"] == 1


def test_cancelling_ends_the_subprocess(tmp_path: Path) -> None:
    """The server of a task whose time is over is not left behind."""
    pid_file = tmp_path / "pid"
    given = {"tool": "slow", "arguments": {"seconds": 30}}
    specialist = mcp(Equipment(mcp={"shop": stdio(env={"PID_FILE": str(pid_file)})}))

    async def scenario() -> dict[str, Any]:
        result = await result_of(specialist, {"input": given, "timeout_s": 2, "retry": {"max_attempts": 1}})
        pid = int(pid_file.read_text())
        for _ in range(100):
            if not os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC240 - no file, and it never blocks
                return result
            await asyncio.sleep(0.1)
        raise AssertionError("the server is still there")

    assert asyncio.run(scenario())["status"] == "timed_out"


def test_an_agent_uses_the_tools_of_several_servers(http: dict[str, Any]) -> None:
    """Parallel calls to two servers; a tool's error reaches the model, which goes on; all of it as data."""
    script = [
        Say(
            tools=[("one__stock", {"item": "tea"}), ("two__review", {"item": "cup"}), ("one__stock", {"item": "gold"})]
        ),
        Say("There are 3 pieces of tea; the cup is nice; there is no gold."),
    ]
    with served(script) as (server, model):
        specialist = mcp(Equipment(model=model, mcp={"one": stdio(), "two": http}))
        result = asyncio.run(result_of(specialist, {"input": {"ask": "How is the shop?"}}))
    assert result["output"] == {"answer": script[1].text, "servers": ["one", "two"]}
    told = messages(server, "tool")
    assert '"pieces": 3' in told[0] or '"pieces":3' in told[0]
    assert INJECTION in told[1] and INJECTION in told[2]
    for text in told:
        mark = text.split()[1]
        assert text.startswith(f"<data {mark} ") and text.endswith(f"</data {mark}>")
    offered = {tool["function"]["name"] for tool in server.requests[0]["tools"]}
    assert {"one__stock", "two__stock", "one__order"} <= offered and len(offered) == 12


def test_a_server_that_dies_under_an_agent_is_a_tools_error() -> None:
    """The agent hears of it and can say so."""
    script = [Say(tools=[("die", {})]), Say("The shop's server went away.")]
    with served(script) as (server, model):
        specialist = mcp(Equipment(model=model, mcp={"shop": stdio()}))
        result = asyncio.run(result_of(specialist, {"description": "End it"}))
    assert result["status"] == "succeeded", result["error"]
    assert "MCP tool shop/die" in messages(server, "tool")[0]


def paused_then(specialist: Any, given: dict[str, Any], decision: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Run until a person is asked, answer, and return the question with the result."""
    graph = build_graph([specialist], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    plan = {"tasks": [{"id": "t", "specialist": "mcp", "input": given}]}

    async def scenario() -> tuple[Any, dict[str, Any]]:
        out = await graph.ainvoke({"plan": plan}, config)
        [question] = out["__interrupt__"]
        out = await graph.ainvoke(Command(resume={question.id: {"decisions": [decision]}}), config)
        return question.value, out["results"]["t"]

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("decision", "orders"),
    [
        ({"type": "approve"}, "tea 2\n"),
        ({"type": "edit", "edited_action": {"name": "order", "args": {"item": "tea", "pieces": 1}}}, "tea 1\n"),
        ({"type": "reject", "message": "too dear"}, None),
    ],
)
@pytest.mark.parametrize("with_model", [False, True])
def test_a_person_approves_what_the_configuration_says(
    tmp_path: Path, decision: dict[str, Any], orders: str | None, with_model: bool
) -> None:
    """Before the call goes out, for single calls and for an agent's; other tools are not asked about."""
    file = tmp_path / "orders"
    servers = {"shop": stdio(env={"ORDERS": str(file)}, approve=["order"])}
    call = ("order", {"item": "tea", "pieces": 2})
    script = [Say(tools=[("stock", {"item": "tea"})]), Say(tools=[call]), Say("Done.")]
    with served(script) as (_, model):
        given: dict[str, Any] = {"ask": "Order tea"} if with_model else {"tool": "order", "arguments": call[1]}
        question, result = paused_then(mcp(Equipment(model=model, mcp=servers)), given, decision)
    assert "order of the MCP server shop?" in question["action_requests"][0]["description"]
    assert question["action_requests"][0]["name"] == "order" and question["action_requests"][0]["args"] == call[1]
    assert (file.read_text() if file.exists() else None) == orders
    if orders is None and not with_model:
        assert result["status"] == "failed" and "was not approved: too dear" in result["error"]
    else:
        assert result["status"] == "succeeded", result["error"]


def test_approving_a_tool_that_is_not_there_is_refused() -> None:
    """A slip in the list would let the real tool through."""
    with served([Say("x")]) as (_, model):
        specialist = mcp(Equipment(model=model, mcp={"shop": stdio(approve=["ordr"])}))
        result = asyncio.run(result_of(specialist, {"description": "Order"}))
    assert "has no tool 'ordr'; did you mean 'order'?" in result["error"]


CONFIG = """{
  "mcpServers": {
    "good": {"command": "npx", "args": ["-y", "x"], "alwaysAllow": ["y"]},
    "bad": {"comand": "npx"},
    "both": {"command": "npx", "url": "http://x"},
    "wrong": {"url": "http://x", "aprove": "*"},
    "off": {"command": "npx", "disabled": true}
  }
}
"""


def test_a_configuration_file_is_checked_with_its_lines(tmp_path: Path) -> None:
    """All problems at once."""
    path = tmp_path / "mcp.json"
    path.write_text(CONFIG)
    with pytest.raises(PlanError) as refused:
        load_config(path)
    text = str(refused.value)
    assert "line 4 (mcpServers.bad.comand): unknown field 'comand'; did you mean 'command'?" in text
    assert "line 5 (mcpServers.both): a server has either a 'command' or a 'url'" in text
    assert "line 6 (mcpServers.wrong.aprove): unknown field 'aprove'; did you mean 'approve'?" in text
    good = json.loads(CONFIG)["mcpServers"]
    path.write_text(json.dumps({"mcpServers": {"good": good["good"], "off": good["off"]}}))
    assert set(load_config(path)) == {"good", "off"}
    path.write_text('{"tools": {}}')
    with pytest.raises(PlanError, match="expected an object 'mcpServers'"):
        load_config(path)


def test_what_it_lacks_is_said() -> None:
    """No servers, no model for a question, no such server."""
    assert mcp(Equipment()).lacks == NO_SERVERS
    assert mcp(Equipment(mcp={"off": {"command": "x", "disabled": True}})).lacks == NO_SERVERS
    with pytest.raises(FanwiseError, match="MCP server bad: a server has either"):
        mcp(Equipment(mcp={"bad": {}}))
    specialist = mcp(Equipment(mcp={"shop": stdio(), "other": stdio()}))
    asked = asyncio.run(result_of(specialist, {"description": "Why?"}))
    assert NO_MODEL in asked["error"]
    unnamed = asyncio.run(result_of(specialist, {"input": {"tool": "stock"}}))
    assert "'server' is missing; there are shop, other" in unnamed["error"]
    with pytest.raises(PlanError, match="expected one of 'shop', 'other', None, got 'shpo'"):
        asyncio.run(result_of(specialist, {"input": {"tool": "stock", "server": "shpo"}}))
    assert os.environ.get("NO_SUCH_VAR") is None
