"""What becomes of an answer that is not what was asked for, and of servers that do not take every way of asking."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from openai_server import OpenAIServer, Say
from pydantic import BaseModel
from served import messages

from fanwise.models.faults import ModelAnswerError
from fanwise.nodes.specialists.llm import answering
from fanwise.nodes.specialists.llm.agent import Agent

SCHEMA = {
    "title": "verdict",
    "description": "The answer.",
    "type": "object",
    "properties": {"verdict": {"type": "string"}},
    "required": ["verdict"],
}
GOOD = json.dumps({"verdict": "fine"})


class Verdict(BaseModel):
    """The answer."""

    verdict: str


@tool
def look(place: str) -> str:
    """Look at a place."""
    return f"nothing at {place}"


def work(script: Any, *, name: str = "gpt-4.1-mini", output: Any = Verdict) -> tuple[Any, OpenAIServer]:
    """Return an agent's answer, or its error, and the server that was asked."""

    async def asked(server: OpenAIServer) -> Any:
        client = DefaultAsyncHttpxClient(headers={"Connection": "close"})
        model = ChatOpenAI(model=name, base_url=server.base_url, api_key="k", max_retries=0, http_async_client=client)  # type: ignore[arg-type]
        try:
            return await Agent("a", "You judge.", [look], output).work(model, "judge it", {})
        except Exception as error:
            return error

    with OpenAIServer(script) as server:
        return asyncio.run(asked(server)), server


@pytest.mark.parametrize("output", [Verdict, SCHEMA])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Say("that is fine"), "JSON"),
        (Say(json.dumps({"verdict": 7})), "verdict"),
        (Say(tools=[("look", '{"place": "her')]), "JSON"),
    ],
)
@pytest.mark.parametrize("name", ["gpt-4.1-mini", "of-no-known-profile"])
def test_a_mistake_goes_back_once(bad: Say, why: str, name: str, output: Any) -> None:
    """A model is told what is wrong, keeps its work so far, and has one more chance."""
    first = Say(tools=[("look", {"place": "here"})])
    good = Say(GOOD) if name == "gpt-4.1-mini" else Say(tools=[("verdict" if output is SCHEMA else "Verdict", GOOD)])
    answer, server = work([first, bad, good], name=name, output=output)
    assert answer == {"verdict": "fine"} and len(server.requests) == 3
    last = server.requests[-1]["messages"]
    assert any(m["role"] == "tool" and "nothing at here" in m["content"] for m in last)
    assert why in last[-1]["content"]
    answer, server = work([bad, bad, good], name=name, output=output)
    assert isinstance(answer, ModelAnswerError) and answer.kind == "malformed" and len(server.requests) == 2


def test_words_in_place_of_a_tool_call() -> None:
    """Exact JSON in words is an answer, whatever way it was asked for."""
    answer, server = work([Say(f"Here it is:\n```json\n{GOOD}\n```")], name="of-no-known-profile")
    assert answer == {"verdict": "fine"} and len(server.requests) == 1


def test_a_server_that_takes_no_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server refuses is asked for in the next best way, and not tried again."""
    monkeypatch.setattr(answering, "_refused", {})

    def script(body: dict[str, Any]) -> Say:
        if "response_format" in body:
            return Say("response_format is not supported", status=400)
        if body.get("tool_choice"):
            return Say("tool_choice is not supported", status=400)
        return Say(GOOD)

    answer, server = work(script)
    assert answer == {"verdict": "fine"}
    assert ["response_format" in body for body in server.requests] == [True, False, False]
    assert "It has to fit this JSON schema" in messages(server, "system")[0]


def test_a_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model says when it refuses stands in the error."""

    async def refuses(request: Any) -> Any:
        said = AIMessage("", additional_kwargs={"refusal": "I do not judge."})
        return answering.ModelResponse(result=[said])

    from langchain.agents.middleware.types import ModelRequest

    model = ChatOpenAI(model="m", api_key="k")  # type: ignore[arg-type]
    request = ModelRequest(model=model, messages=[], tools=[], state={"messages": []})
    with pytest.raises(ModelAnswerError, match="the model refuses: I do not judge"):
        asyncio.run(answering.Answering(Verdict).awrap_model_call(request, refuses))


def test_a_used_up_account_fails_at_once() -> None:
    """No further request is made to a server that says that the quota is used up."""
    answer, server = work([Say("You exceeded your quota", status=429, code="insufficient_quota")] * 5)
    assert isinstance(answer, Exception) and len(server.requests) == 1
    from fanwise.nodes.throttling import asked_to_wait

    assert asked_to_wait(answer) is None


def test_the_state_holds_plain_json() -> None:
    """What an agent keeps in its checkpoints is loaded by every checkpointer, without a warning of unknown types."""

    async def state(server: OpenAIServer) -> dict[str, Any]:
        client = DefaultAsyncHttpxClient(headers={"Connection": "close"})
        model = ChatOpenAI(model="gpt-4.1-mini", base_url=server.base_url, api_key="k", http_async_client=client)  # type: ignore[arg-type]
        return await Agent("a", "You judge.", [look], Verdict).run(model, "judge it", {})

    with OpenAIServer([Say(GOOD)]) as server:
        assert asyncio.run(state(server))["structured_response"] == {"verdict": "fine"}
