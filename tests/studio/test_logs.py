"""Logs that clients of a server name: files; source files and addresses only where they are the server's own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from fanwise.schema.errors import FanwiseError
from fanwise.studio.graphs import Family, StudioGraph
from fanwise.studio.settings import Environment, Settings

REFUSED = "may not be named here: source files and addresses are for whoever runs this server"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source file whose program leaves a mark when it is started."""
    path = tmp_path / "evil.events.yaml"
    code = f"open({str(tmp_path / 'started')!r}, 'w')"
    path.write_text(f'mcp:\n  tool: x\n  server: {{command: {sys.executable}, args: ["-c", {code!r}]}}\n')
    return path


@pytest.fixture
def graph() -> StudioGraph:
    return Family(Environment.read({})).graph("fanwise").copy({"checkpointer": InMemorySaver()})


def ran(graph: StudioGraph, given: Any, **context: Any) -> Any:
    return asyncio.run(graph.ainvoke(given, {"configurable": {"thread_id": "t"}}, context=context))


@pytest.mark.parametrize("place", ["{source}", "splunk://elsewhere:8089"])
def test_no_client_names_one(graph: StudioGraph, source: Path, place: str) -> None:
    """In the settings, the parameters, a plan's task, or a command that writes the state: nothing is started."""
    place = place.format(source=source)
    request = {"request": "Is anything failing?"}
    with pytest.raises(FanwiseError, match=f"context.events: .*{REFUSED}"):
        ran(graph, request, events=place)
    with pytest.raises(FanwiseError, match=REFUSED):
        ran(graph, {**request, "params": {"events": place}})
    tasks = [
        {"id": "check", "specialist": "errors", "input": {"events": place}},
        {"id": "sql", "specialist": "analyst", "input": {"events": place, "sql": "SELECT 1"}},
    ]
    out = ran(graph, {"plan": {"tasks": tasks}})
    assert all(REFUSED in out["results"][name]["error"] for name in ("check", "sql"))
    with pytest.raises(FanwiseError, match=REFUSED):
        ran(graph, Command(update={"params": {"events": place}, "plan": {}, **request}, goto="planner"))
    assert not (source.parent / "started").exists()


def test_the_servers_own_may_be_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `FANWISE_EVENTS` names is opened; that this one's program is no MCP server is what is told."""
    monkeypatch.setenv("FANWISE_EVENTS", str(source))
    graph = Family(Environment.read({"FANWISE_EVENTS": str(source)})).graph("fanwise")
    assert Settings.of({"events": str(source)}).events == str(source)
    with pytest.raises(FanwiseError, match="MCP server 'evil': did not start"):
        ran(graph, {"request": "Is anything failing?"})
    assert (source.parent / "started").exists()
