"""Graphs whose planner asks a scripted server, through the real client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_openai import ChatOpenAI
from openai_server import OpenAIServer

from fanwise.graph import build_graph


def model(server: OpenAIServer) -> ChatOpenAI:
    """Return a chat model that asks the server."""
    return ChatOpenAI(
        model="scripted", base_url=server.base_url, api_key="test", stream_usage=True, max_retries=0, temperature=0
    )


def graph_of(server: OpenAIServer, specialists: Any = (), **options: Any) -> Any:
    """Return a graph that plans with the server's answers; its summary is written without a model."""
    return build_graph(specialists, model={"planner": model(server)}, **options)


def answer(*tasks: Mapping[str, Any], **more: Any) -> str:
    """Return an answer with some tasks."""
    full = [{"description": "Do it", "input": {}, "depends_on": [], **task} for task in tasks]
    return json.dumps({"workflow": None, "params": {}, "tasks": full, "reply": "", **more})


def more(*tasks: Mapping[str, Any], why: str = "More is to be looked at.") -> str:
    """Return an answer that adds tasks, or says that there are none."""
    full = [{"description": "Do it", "input": {}, "depends_on": [], **task} for task in tasks]
    return json.dumps({"done": not full, "why": why, "tasks": full})


FILLER = {"id": "filler", "specialist": "wait", "description": "x" * 400}
"""A task that takes long to write."""
