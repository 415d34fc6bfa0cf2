"""Everyday plans that a model writes, run: each task is given the results that the gold plan says, and no others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Say

from fanwise.graph import build_graph, specialist
from fanwise.state import Task, TaskResult

EVERY = 5
"""Every so-manieth of the 400 plans is run."""


def written(row: Mapping[str, Any]) -> str:
    """Return a gold plan as a model writes it."""
    tasks = [
        {
            "id": f"step {task['id']}",
            "specialist": "person",
            "description": task["description"],
            "input": {},
            "depends_on": [f"step {need}" for need in task["depends_on"]],
        }
        for task in row["tasks"]
    ]
    return json.dumps({"workflow": None, "params": {}, "tasks": tasks, "reply": ""})


@pytest.mark.parametrize("pure", [True, False], ids=["early", "planned"])
def test_each_task_is_given_what_the_gold_plan_says(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, pure: bool
) -> None:
    lines = (shared_data / "asynchow-400.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {f"{index}: {(row := json.loads(line))['title']}": row for index, line in enumerate(lines[::EVERY])}

    @specialist("person", description="Does everyday things", pure=pure)
    async def person(task: Task, results: dict[str, TaskResult]) -> list[str]:
        return sorted(results)

    def script(body: dict[str, Any]) -> Say:
        said = next(m["content"] for m in body["messages"] if m["role"] == "user")
        return Say(written(rows[said]), piece=100)

    async def run_all(graph: Any) -> list[dict[str, Any]]:
        gate = asyncio.Semaphore(8)

        async def one(request: str) -> dict[str, Any]:
            async with gate:
                done: dict[str, Any] = await graph.ainvoke({"request": request})
                return done

        return await asyncio.gather(*map(one, rows))

    with OpenAIServer(script) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        done = asyncio.run(run_all(build_graph([person], model={"planner": "scripted"})))
    for row, out in zip(rows.values(), done, strict=True):
        assert (out["status"], out["warnings"]) == ("succeeded", [])
        gold = {f"step {t['id']}": sorted(f"step {need}" for need in t["depends_on"]) for t in row["tasks"]}
        assert {task_id: result["output"] for task_id, result in out["results"].items()} == gold
