"""The Agent Server's own doors for MCP and A2A: what clients of other makes can do with our graphs there."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from fanwise.schema.errors import FanwiseError

from .conftest import KEYS, ROOT, client_of, run

mcp = pytest.importorskip("mcp")
pytest.importorskip("langgraph_sdk")

PAUSING = {
    "request": "Is it ready?",
    "tasks": [
        {"id": "build", "specialist": "wait", "input": {"seconds": 0.05, "output": "shop-1.4.whl"}},
        {"id": "publish", "specialist": "wait", "depends_on": ["build"], "review": "before"},
    ],
}
QUICK = {"name": "quick", "tasks": [{"id": "x", "specialist": "wait", "input": {"output": 42}}]}
RPC = {"accept": "application/json, text/event-stream"}

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("health_check", {"messages": "Is anything failing?"}),
    "workflow": ("fanwise", {"workflow": "ensemble_vote"}),
    "form": ("ensemble_vote", {}),
    "plan": ("fanwise", {"plan": QUICK}),
    "pause": ("fanwise", {"plan": PAUSING}),
    "failure": ("fanwise", {"plan": {"tasks": [{"id": "x", "specialist": "thrower"}]}}),
    "no input": ("fanwise", {}),
    "no field": ("fanwise", {"requst": "x"}),
    "no specialist": ("fanwise", {"plan": {"tasks": [{"id": "a", "specialist": "nobody"}]}}),
    "no workflow": ("fanwise", {"workflow": "health_chek"}),
}
"""What is called over MCP: a tool and its arguments."""


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Any]:
    """A session of the `mcp` SDK."""
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx.AsyncClient(timeout=60) as http,
        streamable_http_client(f"{url}/mcp", http_client=http) as (read, write, _),
        mcp.ClientSession(read, write) as made,
    ):
        await made.initialize()
        yield made


@pytest.fixture(scope="module")
def seen(server: Any) -> dict[str, Any]:
    """What a client of MCP sees: the tools, and what each call returned; all calls are made at once."""

    async def asked() -> dict[str, Any]:
        async with session(server.url) as client:
            tools, *results = await asyncio.gather(
                client.list_tools(), *(client.call_tool(tool, given) for tool, given in CALLS.values())
            )
        assert not any(result.isError for result in results), results
        told = [ast.literal_eval(result.content[0].text) for result in results]
        return {"tools": {tool.name: tool for tool in tools.tools}, **dict(zip(CALLS, told, strict=True))}

    return asyncio.run(asked())


@pytest.mark.slow
def test_mcp_lists_each_graph_as_a_tool(seen: dict[str, Any]) -> None:
    """Names are the graphs', descriptions tell them apart, and each takes words; a workflow its parameters too."""
    graphs = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    tools = {name: seen["tools"][name] for name in graphs}  # assistants of other tests are tools too
    assert len({tool.description for tool in tools.values()}) == len(tools)
    assert len({tool.inputSchema["description"] for tool in tools.values()}) == len(tools)
    for tool in tools.values():
        fields = tool.inputSchema["properties"]
        assert fields["messages"]["type"] == fields["request"]["type"] == "string" and not tool.inputSchema["required"]
    assert {"plan", "workflow"} <= set(tools["fanwise"].inputSchema["properties"])
    assert {"events", "host"} <= set(tools["health_check"].inputSchema["properties"])


@pytest.mark.slow
@pytest.mark.parametrize("call", ["words", "workflow", "form", "plan"])
def test_mcp_answers(seen: dict[str, Any], call: str) -> None:
    """However it is asked, the answer stands first, and nothing is there that only Studio needs."""
    told = seen[call]
    assert list(told)[:3] == ["status", "summary", "tasks"] and told["status"] == "succeeded"
    assert not {"messages", "plan", "metrics"} & set(told)
    assert told["summary"]["text"] and "succeeded" in {task["status"] for task in told["tasks"].values()}
    if call == "words":
        assert told["summary"]["text"].startswith("web-03 went silent") and told["summary"]["severity"] == "high"
    if call == "plan":
        assert told["tasks"] == {"x": {"status": "succeeded", "output": 42}}


@pytest.mark.slow
def test_mcp_tells_where_a_question_can_be_answered(seen: dict[str, Any]) -> None:
    """A run that pauses can't be gone on with there: its client sees what is asked, and where to go."""
    told = seen["pause"]
    assert told["status"] == "paused" and "/a2a" in told["next"] and "fanwise mcp" in told["next"]
    assert len(told["questions"]) == 1 and "task publish, before it runs" in told["questions"][0]
    assert told["tasks"]["build"]["output"] == "shop-1.4.whl"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("no input", "give a request, a workflow or a plan"),
        ("no field", "did you mean 'request'?"),
        ("no specialist", "unknown specialist 'nobody'"),
        ("no workflow", "health_check"),
    ],
)
def test_mcp_says_what_is_wrong_with_a_call(seen: dict[str, Any], call: str, problem: str) -> None:
    """The server itself would tell the kind of the error alone."""
    assert seen[call]["status"] == "refused" and problem in seen[call]["problem"]


@pytest.mark.slow
def test_mcp_tells_of_a_task_that_fails(seen: dict[str, Any]) -> None:
    """What a specialist raises stands with its task."""
    assert seen["failure"]["status"] == "failed"
    assert seen["failure"]["tasks"]["x"]["error"] == "OwnError: the wheel is missing"


@pytest.mark.slow
def test_langchain_takes_the_graphs_as_tools(server: Any) -> None:
    """With langchain-mcp-adapters they are tools of an agent."""
    client = pytest.importorskip("langchain_mcp_adapters.client")

    async def asked() -> tuple[set[str], Any]:
        where = {"transport": "streamable_http", "url": f"{server.url}/mcp"}
        tools = {tool.name: tool for tool in await client.MultiServerMCPClient({"fanwise": where}).get_tools()}
        return set(tools), await tools["ensemble_vote"].ainvoke({})

    names, answer = asyncio.run(asked())
    assert {"fanwise", "health_check"} <= names
    assert ast.literal_eval(answer[0]["text"])["status"] == "succeeded"


class Agent:
    """A client of A2A that talks to one graph."""

    def __init__(self, url: str, graph: str, **headers: str) -> None:
        self.url, self._headers = url, headers
        found = httpx.post(f"{url}/assistants/search", json={"graph_id": graph}, headers=headers, timeout=30).json()
        self.id = next(one["assistant_id"] for one in found if one["name"] == graph)

    async def rpc(self, method: str, params: dict[str, Any], **more: Any) -> httpx.Response:
        asked = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
        headers = {**RPC, **more.get("headers", self._headers)}
        async with httpx.AsyncClient(timeout=60, verify=False) as http:  # to read certificates takes longer than to ask
            return await http.post(f"{self.url}/a2a/{more.get('agent', self.id)}", json=asked, headers=headers)

    async def send(self, part: dict[str, Any], **of: str) -> dict[str, Any]:
        """Send a message, and return the task that it made or went on with."""
        answer = (await self.rpc("SendMessage", message(part, **of))).json()
        assert "result" in answer, answer
        task = answer["result"]["task"]
        assert isinstance(task, dict)
        return task

    async def get(self, task: dict[str, Any]) -> dict[str, Any]:
        found = (await self.rpc("GetTask", {"id": task["id"]})).json()["result"]
        assert isinstance(found, dict)
        return found


def message(part: dict[str, Any], **of: str) -> dict[str, Any]:
    return {"message": {"role": "ROLE_USER", "messageId": str(uuid4()), "parts": [part], **of}}


def parts(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for artifact in task["artifacts"] for part in artifact["parts"]]


def state(task: dict[str, Any]) -> str:
    return str(task["status"]["state"])


@pytest.mark.slow
def test_a2a_card(server: Any) -> None:
    """Each graph has a card: its name, what it is for, and that it takes words and objects."""
    own = Agent(server.url, "health_check").id
    for address in (f"a2a/{own}/.well-known/agent-card.json", f".well-known/agent-card.json?assistant_id={own}"):
        card = httpx.get(f"{server.url}/{address}", timeout=30).json()
        assert card["name"] == "health_check" and card["description"].startswith("Is everything sending")
        assert card["url"] == f"{server.url}/a2a/{own}" and card["capabilities"]["streaming"]
        assert set(card["defaultInputModes"]) == {"application/json", "text/plain"}
        assert card["skills"][0]["metadata"]["inputSchema"]["supportsA2A"]


@pytest.mark.slow
def test_a2a_answers_in_text(server: Any) -> None:
    """Words or an object in, the summary out; it can be read again."""
    given: list[dict[str, Any]] = [
        {"text": "Is anything failing?"},
        {"data": {"plan": QUICK}},
        {"data": {"workflow": "ensemble_vote"}},
    ]
    begins = ("web-03 went silent", "1 of 1 task succeeded", "")

    async def asked() -> None:
        agent = Agent(server.url, "fanwise")
        tasks = await asyncio.gather(*map(agent.send, given))
        for text, task, again in zip(begins, tasks, await asyncio.gather(*map(agent.get, tasks)), strict=True):
            assert state(task) == state(again) == "TASK_STATE_COMPLETED"
            assert len(parts(task)) == 1 and parts(task)[0]["text"].startswith(text), parts(task)
            assert again["history"][-1]["parts"][0]["text"] == parts(task)[0]["text"] != ""

    asyncio.run(asked())


@pytest.mark.slow
def test_a2a_streams(server: Any) -> None:
    """A stream begins with the task and ends with its last status; in between comes the answer."""

    async def asked() -> str:
        given = message({"kind": "text", "text": "Who is right?"})
        return (await Agent(server.url, "ensemble_vote").rpc("message/stream", given)).text

    told = [json.loads(line[5:])["result"] for line in asyncio.run(asked()).splitlines() if line.startswith("data:")]
    assert told[0]["kind"] == "task" and told[-1]["final"] and told[-1]["status"]["state"] == "completed"
    texts = [part["text"] for item in told for part in item.get("artifact", {}).get("parts", ())]
    assert len(texts) == 1 and texts[0]


@pytest.mark.slow
def test_a2a_answers_a_question(server: Any) -> None:
    """A run that pauses wants input; an answer completes it: a word, an object, or an object by the question's id.

    One that does not fit is asked again, with what is wrong with it.
    """
    approve = {"decisions": [{"type": "approve"}]}

    async def answered(how: str) -> None:
        agent = Agent(server.url, "fanwise")
        task = await agent.send({"data": {"plan": PAUSING}})
        of = {"contextId": task["contextId"], "taskId": task["id"]}
        assert state(task) == state(await agent.get(task)) == "TASK_STATE_INPUT_REQUIRED"
        if how == "after a wrong one":
            task = await agent.send({"text": "perhaps"}, **of)
            assert state(task) == "TASK_STATE_INPUT_REQUIRED"
            assert "got 'perhaps'" in parts(task)[0]["data"]["value"]["problems"][0]
        question = parts(task)[0]["data"]
        assert question["value"]["task_id"] == "publish" and question["response_schema"]
        answers = {"object": {"data": {"resume": approve}}, "id": {"data": {"resume": {question["id"]: approve}}}}
        done = await agent.send(answers.get(how, {"text": "approve"}), **of)
        assert state(done) == "TASK_STATE_COMPLETED" and parts(done)[0]["text"].startswith("2 of 2 tasks succeeded")

    async def all_answered() -> None:
        await asyncio.gather(*map(answered, ("word", "object", "id", "after a wrong one")))

    asyncio.run(all_answered())


@pytest.mark.slow
def test_a2a_failure_is_told_in_words_beside_it(server: Any) -> None:
    """The task tells the kind of the error alone; the run that it names tells what is wrong."""
    task = asyncio.run(Agent(server.url, "fanwise").send({"data": {"requst": "x"}}))
    assert state(task) == "TASK_STATE_FAILED"
    assert task["status"]["message"]["parts"][0]["text"] == "Error executing assistant: PlanError"
    thread, _, made = task["id"].partition(":")
    told = httpx.get(f"{server.url}/threads/{thread}/runs/{made}/join", timeout=30).json()
    assert "did you mean 'request'?" in told["__error__"]["message"]


def tools_of(url: str, **headers: str) -> httpx.Response:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    return httpx.post(f"{url}/mcp", json=asked, headers={**RPC, **headers}, timeout=30, verify=False)


@pytest.mark.slow
def test_doors_keep_users_apart(guarded: Any) -> None:
    """Without a key neither door opens; another's assistant is no tool, and another's task is not there."""
    keys = {name: {"x-api-key": key} for name, key in KEYS.items()}
    ada, bob = (Agent(guarded.url, "fanwise", **keys[name]) for name in ("ada", "bob"))

    async def asked() -> None:
        own = await client_of(guarded.url, api_key=KEYS["ada"]).assistants.create("fanwise", name="of_ada")
        task = await ada.send({"data": {"plan": PAUSING}})
        of = {"contextId": task["contextId"], "taskId": task["id"]}
        asked_for = (
            ("GetTask", {"id": task["id"]}),
            ("CancelTask", {"id": task["id"]}),
            ("SendMessage", message({"text": "approve"}, **of)),
            ("SendMessage", message({"data": {"plan": PAUSING}}, contextId=task["contextId"])),
        )
        for refused in await asyncio.gather(*(bob.rpc(method, params) for method, params in asked_for)):
            assert "not found" in refused.json()["error"]["message"], refused.text
        for refused in await asyncio.gather(*(bob.rpc(method, params, headers={}) for method, params in asked_for)):
            assert refused.status_code == 401
        assert (await bob.rpc("ListTasks", {})).json()["result"]["tasks"] == []
        refused = await bob.rpc("SendMessage", message({"text": "hello"}), agent=own["assistant_id"])
        assert "not found" in refused.json()["error"]["message"]
        assert state(await ada.get(task)) == "TASK_STATE_INPUT_REQUIRED"

    run(asked())
    listed = {name: tools_of(guarded.url, **key).text for name, key in keys.items()}
    assert "of_ada" in listed["ada"] and "of_ada" not in listed["bob"] and "health_check" in listed["bob"]
    for headers in ({}, {"x-api-key": "wrong"}, {"x-auth-scheme": "langsmith"}):
        assert tools_of(guarded.url, **headers).status_code == 401, headers
        card = f"{guarded.url}/.well-known/agent-card.json?assistant_id={ada.id}"
        assert httpx.get(card, headers=headers, timeout=30).status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "foreign", [("origin", "https://evil.example"), ("host", "evil.example")], ids=["page", "name"]
)
def test_doors_refuse_foreign_pages_and_names(server: Any, foreign: tuple[str, str]) -> None:
    """What guards the API guards them too, also against the plain POST that a page needs no permission for."""
    agent, asked = Agent(server.url, "fanwise").id, b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    for path in ("mcp", f"a2a/{agent}"):
        told = {**RPC, "content-type": "text/plain", foreign[0]: foreign[1]}
        assert httpx.post(f"{server.url}/{path}", content=asked, headers=told, timeout=30).status_code == 403, path
    card = f"{server.url}/.well-known/agent-card.json?assistant_id={agent}"
    assert httpx.get(card, headers=dict([foreign]), timeout=30).status_code == 403


def test_other_callers_get_the_state_as_it_is() -> None:
    """Only MCP's clients, who send a header of their own, are shown less; a fault of ours is an error there too."""
    from fanwise.studio.doors import for_mcp, is_mcp

    assert is_mcp({"configurable": {"mcp-protocol-version": "2025-11-25"}})
    assert not is_mcp({"configurable": {"thread_id": "t"}}) and not is_mcp({}) and not is_mcp(None)

    async def failing(error: Exception) -> AsyncIterator[Any]:
        yield "values", {"status": "running"}
        raise error

    async def shown(error: Exception) -> list[Any]:
        return [item async for item in for_mcp(failing(error), subgraphs=False)]  # type: ignore[arg-type]

    refused = {"status": "refused", "problem": "no"}
    assert asyncio.run(shown(FanwiseError("no")))[-1] == ("values", refused)
    with pytest.raises(KeyError):
        asyncio.run(shown(KeyError("a fault of ours")))
