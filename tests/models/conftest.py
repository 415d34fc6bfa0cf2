"""A server that speaks the OpenAI protocol, and OpenAI's client led to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from openai_server import OpenAIServer, Script

Serve = Callable[[Script], OpenAIServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start servers with a script each; OpenAI's clients are led to the last one."""
    servers: list[OpenAIServer] = []

    def start(script: Script) -> OpenAIServer:
        server = OpenAIServer(script, repeat_last=True).__enter__()
        servers.append(server)
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        return server

    yield start
    for server in servers:
        server.__exit__()
