"""Models that clients and assistants name: made for their run, shared where they are the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from openai_server import OpenAIServer, Say

from fanwise.schema.errors import FanwiseError
from fanwise.studio.graphs import Family
from fanwise.studio.settings import Environment, Settings, models_of, settings_schema

PLAN = {"plan": {"name": "small", "request": "Is it done?", "tasks": [{"id": "x", "specialist": "wait"}]}}


def test_model_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that the context names writes the summary; runs that name the same share it, others have none."""
    with OpenAIServer(lambda body: Say("It is done [x].")) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        family = Family(Environment())
        graph = family.graph("fanwise").copy({"checkpointer": InMemorySaver()})

        async def runs() -> list[Any]:
            outs = []
            for thread, model in enumerate(["summary=openai:small", "summary=openai:small", None]):
                config: Any = {"configurable": {"thread_id": str(thread)}}
                outs.append(await graph.ainvoke(PLAN, config, context={"model": model}))
            assert await family.with_models("summary=openai:small") is await family.with_models("summary=openai:small")
            assert await family.with_models("summary=openai:other") is not await family.with_models(None)
            return outs

        first, second, third = asyncio.run(runs())
        asked = {body.get("model") for body in server.requests}
    assert asked == {"small"}
    assert "It is done" in first["summary"]["text"] and "It is done" in second["summary"]["text"]
    assert "It is done" not in third["summary"]["text"]
    assert first["status"] == third["status"] == "succeeded"


def test_models_that_a_server_allows() -> None:
    """A server can say which models its clients may name."""
    environment = Environment.read({"FANWISE_MODELS": "openai:gpt-*", "FANWISE_MODEL": "openai:gpt-4.1"})
    assert environment.models("openai:gpt-4.1-mini") == (("default", "openai:gpt-4.1-mini"),)
    assert dict(environment.models("summary=openai:gpt-5")) == {"default": "openai:gpt-4.1", "summary": "openai:gpt-5"}
    with pytest.raises(FanwiseError, match="not allowed on this server; allowed: openai:gpt"):
        environment.models("anthropic:claude")
    with pytest.raises(FanwiseError, match="roles are planner, specialists, summary"):
        models_of("cook=openai:x")


def test_a_misspelt_option_is_not_dropped_by_the_server() -> None:
    """The server keeps of a context what the schema's properties hold: they let all names in, and `of` refuses."""
    given = {"max_paralel": 3, "deadline_at": 1}
    properties = settings_schema()["properties"]
    assert all(name in properties for name in given) and not set(given) & set(properties)
    with pytest.raises(FanwiseError, match=r"context.max_paralel: .*'max_parallel'.*context.deadline_at: there is no"):
        Settings.of(given)


def test_settings_are_a_form() -> None:
    """Every option that people see has a title, a description and the nodes that it is for."""
    fields = settings_schema()["properties"]
    assert next(iter(fields)) == "model"
    assert {"max_parallel", "deadline_s", "review", "schedule", "events"} <= set(fields)
    assert not {"deadline_at", "estimates"} & set(fields)
    for name, field in fields.items():
        assert field["title"] and field["description"] and field["langgraph_nodes"], name
