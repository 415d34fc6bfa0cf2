"""How much sooner does a run begin, and end, if its tasks start while a model still writes the plan?

The plan is streamed at 80 tokens a second by a scripted server on loopback. Half of the tasks depend on nothing, each
of the others on one of them; each works for a second. The same plan runs with a specialist that is free of side effects
and with one that is not.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import options, table, verdicts
from langchain_openai import ChatOpenAI

from fanwise.graph import build_graph, specialist

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from openai_server import OpenAIServer, Say

TOKENS_PER_S = 80.0
WORK_S = 1.0


class Times(NamedTuple):
    """Seconds from the request on."""

    planned: float
    first: float
    """The first task is at work."""
    end: float


def plan(size: int) -> str:
    """Return a model's answer: a plan of so many tasks."""
    half = size // 2
    tasks = [
        {
            "id": f"look-{n}",
            "specialist": "look",
            "title": f"Part {n}",
            "description": f"Look at part {n} of the system and say what stands out, with the numbers that show it",
            "input": {"part": n},
            "depends_on": [] if n < half else [f"look-{n - half}"],
        }
        for n in range(size)
    ]
    return json.dumps({"workflow": None, "params": {}, "tasks": tasks, "reply": ""})


async def measure(server: OpenAIServer, *, pure: bool) -> Times:
    """Run the plan once."""

    @specialist("look", pure=pure)
    async def look(task: Any) -> str:
        await asyncio.sleep(WORK_S)
        return str(task.id)

    model = ChatOpenAI(model="scripted", base_url=server.base_url, api_key="test", max_retries=0)  # type: ignore[arg-type]
    graph = build_graph([look], model={"planner": model})
    await graph.ainvoke({"plan": {"tasks": [{"id": "warm", "specialist": "wait"}]}})
    wall, begun, planned, out = time.time(), time.perf_counter(), 0.0, {}
    async for mode, value in graph.astream({"request": "What stands out?"}, stream_mode=["custom", "values"]):
        if mode == "values":
            out = value
        elif value["type"] == "run_started":
            planned = time.perf_counter() - begun
    assert out["status"] == "succeeded", out
    end = time.perf_counter() - begun
    starts = [datetime.fromisoformat(result["started_at"]).timestamp() for result in out["results"].values()]
    return Times(planned, min(starts) - wall, end)


def medians(runs: list[Times]) -> Times:
    """Return the medians of several runs."""
    return Times(*(median(column) for column in zip(*runs, strict=True)))


def main() -> None:
    """Print the table."""
    quick = options(__doc__).parse_args().quick
    sizes, repeats = ((4, 8), 1) if quick else ((4, 8, 16), 3)
    rows, goals = [], []
    for size in sizes:
        text = plan(size)
        with OpenAIServer([Say(text, tokens_per_s=TOKENS_PER_S)], repeat_last=True) as server:
            asyncio.run(measure(server, pure=True))  # the first connection, and imports
            with_, without = [], []
            for _ in range(repeats):
                with_.append(asyncio.run(measure(server, pure=True)))
                without.append(asyncio.run(measure(server, pure=False)))
        ours, plain = medians(with_), medians(without)
        first, end = ours.first / plain.first, ours.end / plain.end
        rows.append((size, len(text) // 4, plain.planned, ours.first, plain.first, first, ours.end, plain.end, end))
        goals.append((f"{size} tasks: first start, with over without", first, 0.5))
        goals.append(
            (
                f"{size} tasks: end after the plan is there, over one task's work",
                (ours.end - ours.planned) / WORK_S,
                1.1,
            )
        )
    head = ("tasks", "tokens", "plan is there", "first, with", "without", "ratio", "end, with", "without", "ratio")
    table(head, rows)
    verdicts(goals)


if __name__ == "__main__":
    main()
