"""Trace files: what stands in them, that they are what their schemas say, and that no secret is in them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from openai_server import OpenAIServer, Say

from fanwise.graph import arun, build_graph, specialist
from fanwise.graph.run import execute
from fanwise.state import FanwiseError, Report
from fanwise.tracing import Tracing
from fanwise.tracing.files import Traces
from fanwise.tracing.writing import safe_names

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
SECRET = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6"


def validator(name: str) -> Draft202012Validator:
    """Return what holds a file against its schema."""
    schema = json.loads((SCHEMAS / name).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the traces by task id, and the index, each held against its schema."""
    (index_path,) = folder.glob("dispatch-*.json")
    index = json.loads(index_path.read_text())
    validator("dispatch-index.json").validate(index)
    traces = {}
    for task in index["tasks"]:
        traces[task["id"]] = json.loads((folder / task["trace"]).read_text())
        validator("task-trace.json").validate(traces[task["id"]])
    return traces, index


def test_every_outcome_is_what_the_schema_says(tmp_path: Path) -> None:
    """Success, retries, time-outs, fallbacks, skipped, cancelled; one file for each, and the index with links."""
    plan = {
        "request": "Is it ready?",
        "tasks": [
            {"id": "ok", "specialist": "wait", "input": {"seconds": 0, "output": {"x": 1}}},
            {
                "id": "again",
                "specialist": "wait",
                "input": {"fail_times": 1},
                "retry": {"max_attempts": 2, "initial_s": 0},
            },
            {"id": "slow", "specialist": "wait", "input": {"seconds": 9}, "timeout_s": 0.05, "fallback": {"output": 0}},
            {"id": "bad", "specialist": "wait", "input": {"fail_times": 9}, "required": False},
            {"id": "behind", "specialist": "wait", "depends_on": ["bad"], "required": False},
            {"id": "a/../b: ü", "specialist": "wait"},
        ],
    }
    report = asyncio.run(arun(plan, trace_dir=tmp_path / "traces"))
    traces, index = read(tmp_path / "traces")
    assert index["correlation_id"] == report.thread_id and index["status"] == report.status
    assert {task_id: trace["status"] for task_id, trace in traces.items()} == {
        "ok": "succeeded",
        "again": "succeeded",
        "slow": "succeeded",
        "bad": "failed",
        "behind": "skipped",
        "a/../b: ü": "succeeded",
    }
    assert [attempt["status"] for attempt in traces["again"]["attempt_log"]] == ["failed", "succeeded"]
    assert [attempt["status"] for attempt in traces["slow"]["attempt_log"]] == ["timed_out"]
    assert traces["ok"]["output"] == {"x": 1} and traces["behind"]["attempt_log"] == []
    assert all("/" not in task["trace"] for task in index["tasks"])


def test_a_secret_in_a_task_s_id_is_in_no_name(tmp_path: Path) -> None:
    """The index links each file by the name that it has."""
    tasks = [{"id": f"{name}-{SECRET}{end}", "specialist": "wait"} for name, end in (("a", 1), ("a", 2), ("b", 3))]
    asyncio.run(arun({"tasks": tasks}, trace_dir=tmp_path))
    (index_path,) = tmp_path.glob("dispatch-*.json")
    links = [task["trace"] for task in json.loads(index_path.read_text())["tasks"]]
    assert {path.name for path in tmp_path.iterdir()} == {index_path.name, *links} and len(set(links)) == 3
    assert not any(SECRET in path.name + path.read_text() for path in tmp_path.iterdir())


def test_tool_calls_models_and_tokens(tmp_path: Path) -> None:
    """With a real client: what was called, with which arguments, how much came back, and what it took."""

    @tool
    def rows(table: str, password: str = "") -> str:
        """Show the rows of a table."""
        return f"{table}: " + "x" * 50_000 + SECRET

    script = [Say(tools=[("rows", {"table": "orders", "password": "hunter2"})]), Say("Many.")]
    prices = {"models": {"gpt-x": {"input": 1.0, "output": 2.0}}}
    with OpenAIServer(script) as server:
        model = ChatOpenAI(model="gpt-x", base_url=server.base_url, api_key="test-key")  # type: ignore[arg-type]
        plan = {"tasks": [{"id": "count", "specialist": "counter"}]}
        asyncio.run(arun(plan, specialists={"counter": create_agent(model, [rows])}, trace_dir=tmp_path, prices=prices))
    traces, _ = read(tmp_path)
    (attempt,) = traces["count"]["attempt_log"]
    (called,) = attempt["tool_calls"]
    assert called["name"] == "rows" and called["arguments"] == {"table": "orders", "password": "[masked]"}
    assert called["result_chars"] > 50_000 and len(called["result"]) < 21_000 and called["id"].startswith("call_")
    assert called["duration_s"] is not None and called["error"] is None
    assert [call["tools"] for call in attempt["model_calls"]] == [["rows"], []]
    assert attempt["model_calls"][0]["usage"]["input_tokens"] > 0 and attempt["model_calls"][0]["model"] == "gpt-x"
    assert attempt["usage"]["cost"] > 0 and traces["count"]["usage"]["by_model"]["gpt-x"]["cost"] > 0
    assert all(SECRET not in path.read_text() for path in tmp_path.iterdir())


def test_a_tool_s_error_is_told(tmp_path: Path) -> None:
    """With its kind and text."""

    @tool
    def breaks(x: int) -> int:
        """Break."""
        raise ConnectionError("no way there")

    @specialist("calls")
    async def calls(task: Any) -> Any:
        return await breaks.ainvoke({"x": 1})

    asyncio.run(arun({"tasks": [{"id": "a", "specialist": "calls"}]}, specialists=[calls], trace_dir=tmp_path))
    traces, _ = read(tmp_path)
    (called,) = traces["a"]["attempt_log"][0]["tool_calls"]
    assert called["error"] == "ConnectionError: no way there"


def test_reviews_stand_in_the_trace(tmp_path: Path) -> None:
    """What a person decided, and in a second invocation's index."""
    graph = build_graph(checkpointer=InMemorySaver())
    plan = {"tasks": [{"id": "a", "specialist": "wait", "review": "before"}, {"id": "b", "specialist": "wait"}]}

    async def both() -> Report:
        first, second = Traces("t", str(tmp_path / "1")), Traces("t", str(tmp_path / "2"))
        with first.listening():
            paused = await execute(graph, {"plan": plan}, "t", on_update=first.on_update, on_event=first.on_event)
        first.finish(paused)
        traces = read(tmp_path / "1")[0]
        assert traces["a"]["status"] == "paused" and traces["b"]["status"] == "succeeded"
        answers = {paused.interrupts[0].id: {"type": "approve"}}
        second = Traces(
            "t", str(tmp_path / "2"), (await graph.aget_state({"configurable": {"thread_id": "t"}})).values["plan"]
        )
        made = await execute(graph, None, "t", answers=answers, on_update=second.on_update, on_event=second.on_event)
        second.finish(made)
        return made

    assert asyncio.run(both()).status == "succeeded"
    traces, _ = read(tmp_path / "2")
    assert traces["a"]["reviews"][0]["decision"] == "approve"


def test_the_plan_may_name_the_folder(tmp_path: Path) -> None:
    """As the command has it."""
    plan = {"config": {"trace_dir": str(tmp_path / "t")}, "tasks": [{"id": "a", "specialist": "wait"}]}
    asyncio.run(arun(plan))
    assert list(read(tmp_path / "t")[0]) == ["a"]


def test_own_patterns_are_masked_in_files_too(tmp_path: Path) -> None:
    """What the graph's tracing says counts for its files."""
    task = {"id": "a", "specialist": "wait", "input": {"seconds": 0, "output": "customer 4711"}}
    asyncio.run(arun({"tasks": [task]}, trace_dir=tmp_path, tracing=Tracing(patterns=(r"customer \d+",))))
    assert read(tmp_path)[0]["a"]["output"] == "[masked]"


def test_a_folder_that_can_not_be_is_one_message(tmp_path: Path) -> None:
    """Nothing runs."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FanwiseError, match="no folder for traces at"):
        asyncio.run(arun({"tasks": [{"id": "a", "specialist": "wait"}]}, trace_dir=tmp_path / "file" / "t"))


def test_names_are_safe() -> None:
    """No two alike even where case does not count, no path, no reserved name."""
    ids = ["a", "A", "../x", "con", "dispatch-1", "x" * 300, "ü", "."]
    names = safe_names(ids)
    assert len({name.casefold() for name in names.values()}) == len(ids)
    assert all(name.isascii() and "/" not in name and len(name) < 120 for name in names.values())
    assert names["a"] == "a.json" and names["con"].startswith("task-con-")
