"""What is sent to the model, word for word: a change of a prompt shows here.

FANWISE_RENEW_SNAPSHOTS=1 writes the files anew.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Say
from planning_parts import NIGHTLY, SPECIALISTS, MakePlanner, planned

from fanwise.nodes.specialist import Specialist
from fanwise.state import Plan

FOLDER = Path(__file__).parent / "snapshots"

CONFIG = {"max_parallel": 8, "deadline_s": 90.0, "max_rounds": 3, "timeout_s": 60}

METHODS = ("json_schema", "function_calling", "plain")


def check(name: str, server: OpenAIServer) -> None:
    """Compare what was asked with the file of that name."""
    bodies = [{key: value for key, value in body.items() if not key.startswith("_")} for body in server.requests]
    text = json.dumps(bodies, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    file = FOLDER / f"{name}.json"
    if os.environ.get("FANWISE_RENEW_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name} differs; FANWISE_RENEW_SNAPSHOTS=1 writes it anew"


def made(make_planner: MakePlanner, script: list[Any], method: str = "json_schema") -> tuple[Any, OpenAIServer]:
    """Return a planner that knows everything a planner can know."""
    talker = Specialist("talker", print, "Talks to people", model="gpt-4.1-mini")
    planner, server = make_planner(
        script, specialists={**SPECIALISTS, "talker": talker}, workflows={"nightly": NIGHTLY}, max_tasks=12
    )
    planner._planning.methods = [method]  # type: ignore[list-item]
    return planner, server


@pytest.mark.parametrize("method", METHODS)
def test_request_for_a_plan(make_planner: MakePlanner, method: str) -> None:
    """With all that can be told: limits, durations, parameters, workflows."""
    text = planned({"id": "a"})
    planner, server = made(
        make_planner, [Say(tools=[("plan", text)]) if method == "function_calling" else text], method
    )
    asyncio.run(
        planner.plan(
            "Count the rows of x", params={"events": "shop.log"}, config=CONFIG, known_seconds={"fetch": 3.14159}
        )
    )
    check(f"plan_{method}", server)


def test_bare_request(make_planner: MakePlanner) -> None:
    """With nothing beside it."""
    planner, server = make_planner([planned({"id": "a"})])
    asyncio.run(planner.plan("Count the rows of x"))
    check("plan_bare", server)


def test_correction(make_planner: MakePlanner) -> None:
    """The answer, and what is wrong with it."""
    planner, server = made(make_planner, [planned({"id": "a", "specialist": "oracle"}), planned({"id": "a"})])
    asyncio.run(planner.plan("Count the rows of x", config=CONFIG))
    check("correction", server)


def test_further_round(make_planner: MakePlanner) -> None:
    """The plan's tasks and their results."""
    planner, server = made(make_planner, [json.dumps({"done": True, "why": "All there.", "tasks": []})])
    plan = Plan.model_validate(
        {
            "tasks": [
                {"id": "f", "specialist": "fetch", "description": "Count x", "input": {"page": "x"}},
                {"id": "r", "specialist": "report", "depends_on": ["f"]},
            ]
        }
    )
    results: dict[str, Any] = {
        "f": {"status": "succeeded", "output": {"rows": 3}},
        "r": {"status": "failed", "output": None, "error": "no paper"},
    }
    asyncio.run(planner.more("Count the rows of x", plan, results, 2, config=CONFIG, known_seconds={"fetch": 3.2}))
    check("more", server)
