"""A task's input when its dependencies are there: references first, then `when`, then `transform`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph.store.memory import InMemoryStore

from fanwise.graph import build_graph, specialist
from fanwise.nodes.conditions import ConditionError, prepared
from fanwise.nodes.outputs import Outputs
from fanwise.schema.skip import Skip

NO_STORE = Outputs(None, "t")


def ended(output: Any, status: str = "succeeded", error: str | None = None) -> dict[str, Any]:
    return {"task_id": "a", "status": status, "output": output, "error": error}


def made(task: dict[str, Any], **results: Any) -> Any:
    task = {"id": "b", "specialist": "x", "depends_on": list(results), **task}
    return asyncio.run(prepared(task, results, NO_STORE))["input"]


def test_when_and_transform_see_values() -> None:
    """References are put in before either looks at the input."""
    task = {
        "input": {"n": "{{tasks.a.output.n}}"},
        "when": "input.n > `2`",
        "transform": "{double: sum([input.n, input.n])}",
    }

    assert made(task, a=ended({"n": 3})) == {"n": 3, "double": 6}
    with pytest.raises(Skip):
        made(task, a=ended({"n": 1}))


def test_when_guards_a_reference() -> None:
    """A task that is skipped anyway does not fail for a reference that leads nowhere; one that is to run does."""
    task = {"input": {"first": "{{tasks.a.output.items[0]}}"}, "when": "results.a.items"}

    assert made(task, a=ended({"items": [7]})) == {"first": 7}
    with pytest.raises(Skip):
        made(task, a=ended({"items": []}))
    with pytest.raises(ConditionError, match="output has no 'items'; did you mean 'item'"):
        made({"input": task["input"]}, a=ended({"item": 1}))


def test_what_a_transform_makes_is_not_looked_at() -> None:
    """Only what the plan says is a reference, never a result."""
    task = {"input": {}, "transform": "{x: results.a}"}

    assert made(task, a=ended("{{tasks.a.output}}")) == {"x": "{{tasks.a.output}}"}


def test_dependency_that_failed_can_be_referred_to() -> None:
    """Its status and error are text, its output is null, and there is nothing in that."""
    task = {"input": ["{{tasks.a.status}}", "{{tasks.a.error}}", "{{tasks.a.output}}"], "run_if": "all_done"}

    assert made(task, a=ended(None, "failed", "boom")) == ["failed", "boom", None]
    with pytest.raises(ConditionError, match="there is no output: task 'a' ended as failed"):
        made({"input": "{{tasks.a.output.x}}"}, a=ended(None, "failed", "boom"))


def test_output_that_is_kept_apart_is_read() -> None:
    """A reference to a large output takes it from the store; one to a lost output fails the task."""
    outputs = Outputs(InMemoryStore(), "t", limit=10)
    task = {"id": "b", "depends_on": ["a"], "input": {"n": "{{tasks.a.output.rows[1]}}"}}

    async def run() -> Any:
        result = await outputs.put_away(ended({"rows": list(range(100))}))
        assert result["output"] is None
        whole = await prepared(task, {"a": result}, outputs)
        with pytest.raises(ConditionError, match="was kept apart and is not there any more"):
            await prepared(task, {"a": result}, Outputs(InMemoryStore(), "t", limit=10))
        return whole

    assert asyncio.run(run())["input"] == {"n": 1}


def test_task_without_references_is_the_same() -> None:
    """Nothing is copied, and nothing read from the store."""
    task = {"id": "b", "input": {"text": "{{x}}"}}

    assert asyncio.run(prepared(task, {"a": ended(1)}, NO_STORE)) is task


def test_graph_puts_results_in() -> None:
    """From a plan to a specialist's call; one that leads nowhere fails its task alone, with what is there."""

    @specialist("echo")
    def echo(task: Any) -> Any:
        return task.input

    tasks = [
        {"id": "get it", "specialist": "wait", "input": {"output": {"rows": [{"n": 1}, {"n": 2}]}}},
        {
            "id": "use",
            "specialist": "echo",
            "depends_on": ["get it"],
            "input": {"all": "{{tasks.get it.output.rows}}", "text": "first {{tasks.get it.output.rows[0].n}}"},
        },
        {"id": "lost", "specialist": "echo", "depends_on": ["get it"], "input": "{{tasks.get it.output.row}}"},
    ]
    out = asyncio.run(build_graph([echo]).ainvoke({"plan": {"tasks": tasks}}))

    assert out["results"]["use"]["output"] == {"all": [{"n": 1}, {"n": 2}], "text": "first 1"}
    assert out["results"]["lost"]["status"] == "failed"
    assert "output has no 'row'; did you mean 'rows'?" in out["results"]["lost"]["error"]
