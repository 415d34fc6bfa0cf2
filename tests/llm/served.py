"""What tests of specialists with a model share: one task run against a scripted server, through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from openai_server import OpenAIServer, Script, text_of

from fanwise.graph import build_graph


@contextmanager
def model_of(server: OpenAIServer) -> Iterator[ChatOpenAI]:
    """Yield the real client, led to the server."""
    # a connection that is kept would outlive its event loop, and its end be told in another test
    client = DefaultAsyncHttpxClient(headers={"Connection": "close"})
    yield ChatOpenAI(
        model="gpt-4.1-mini",
        base_url=server.base_url,
        api_key="test-key",  # type: ignore[arg-type]
        max_retries=0,
        http_async_client=client,
    )


@contextmanager
def served(script: Script) -> Iterator[tuple[OpenAIServer, ChatOpenAI]]:
    """Yield a server that answers by a script, and a model that it serves."""
    with OpenAIServer(script) as server, model_of(server) as model:
        yield server, model


NO_PLUGINS = "-p no:schemathesis -p no:langsmith_plugin -p no:hypothesispytest"
"""Options of the pytest that specialists run: the plugins that this suite has installed take seconds to import."""


async def result_of(specialist: Any, task: dict[str, Any], *before: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run a task of a specialist, after tasks that it depends on, and return its result."""
    graph = build_graph([specialist], **options)
    one = {"id": "t", "specialist": specialist.name, "depends_on": [other["id"] for other in before], **task}
    out = await graph.ainvoke({"plan": {"tasks": [*before, one]}})
    result: dict[str, Any] = out["results"]["t"]
    return result


def messages(server: OpenAIServer, role: str, request: int = -1) -> list[str]:
    """Return the texts of a request's messages of one role."""
    return [text_of(message) for message in server.requests[request]["messages"] if message["role"] == role]
