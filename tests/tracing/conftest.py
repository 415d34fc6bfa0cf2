"""What the tests of tracing share: LangSmith's client, led to a server on loopback, and all of it closed afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langsmith import utils

sys.path.insert(0, str(Path(__file__).parent))
from langsmith_sink import Sink

from fanwise.tracing.relays import close_all


def _forget() -> None:
    utils.get_env_var.cache_clear()
    utils.get_tracer_project.cache_clear()


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test begin without any tracing, and leave no thread behind."""
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_HIDE_INPUTS", "LANGSMITH_HIDE_OUTPUTS"):
        monkeypatch.delenv(name, raising=False)
    _forget()
    yield
    close_all()
    _forget()


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch, closed: None) -> Iterator[Sink]:
    """A server that takes what LangSmith is sent."""
    with Sink() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield server
        close_all()
