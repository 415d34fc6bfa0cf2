"""A planner that talks to a scripted server, through the real client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai_server import OpenAIServer, Say, Script
from planning_parts import SPECIALISTS, MakePlanner

from fanwise.models.chat import chat_model
from fanwise.nodes.planning import ModelPlanner
from fanwise.nodes.planning.asking import Patience


@pytest.fixture
def make_planner(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePlanner]:
    """Makes a planner and the server that its model asks; it never waits."""
    servers: list[OpenAIServer] = []

    def make(script: Script | list[str], **options: Any) -> tuple[ModelPlanner, OpenAIServer]:
        given = (
            [Say(item) if isinstance(item, str) else item for item in script] if isinstance(script, list) else script
        )
        server = OpenAIServer(given).__enter__()
        servers.append(server)
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        waits: list[float] = []
        model = chat_model("scripted")
        options = {"specialists": SPECIALISTS, "workflows": {}, "max_tasks": 50, **options}
        planner = ModelPlanner(model, patience=Patience(sleep=sleep), **options)
        planner.waits = waits  # type: ignore[attr-defined]
        return planner, server

    yield make
    for server in servers:
        server.__exit__()
