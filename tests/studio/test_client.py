"""What clients that know only the public protocols rely on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import client_of, run

pytest.importorskip("langgraph_sdk")


def _client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fanwise_test_client", Path(__file__).with_name("client.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLIENT = _client()


@pytest.mark.slow
@pytest.mark.parametrize("step", CLIENT.STEPS, ids=lambda step: step.__name__)
def test_step(step: Any, server: Any) -> None:
    """Each step of the client holds against `fanwise serve`."""
    run(step(client_of(server.url)))


@pytest.mark.slow
def test_remote_graph(server: Any) -> None:
    """LangGraph's own `RemoteGraph` runs the graph as if it were here."""
    run(CLIENT.remote_graph(client_of(server.url)))
