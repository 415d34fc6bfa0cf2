"""How close do limited slots come to what is possible, with tasks of very different lengths?

Random plans with heavy-tailed durations (Pareto) and random dependencies on 16 slots. No schedule is faster than
max(critical path, work / slots); the figures are wall times over that bound. The bare graph (`bare.py`) runs the same
tasks level by level with LangGraph's own `max_concurrency`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

from bare import bare_graph
from common import options, saver, table, timed, verdicts

from fanwise.graph import build_graph, explain

TASKS, SLOTS, GOAL = 200, 16, 1.05


def random_plan(seed: int, bound_s: float) -> dict[str, Any]:
    """Return a plan whose bound is `bound_s` seconds; half of the tasks wait for one to three earlier ones."""
    rng = random.Random(seed)
    tasks: list[dict[str, Any]] = []
    for index in range(TASKS):
        needs = rng.sample(range(index), min(index, rng.randint(1, 3))) if rng.random() < 0.5 else []
        tasks.append({"id": f"t{index}", "seconds": rng.paretovariate(1.2), "depends_on": [f"t{n}" for n in needs]})
    longest = sum(task["seconds"] for task in tasks) / SLOTS / 2  # else one task alone is the bound
    seconds = {task["id"]: min(task.pop("seconds"), longest) for task in tasks}
    plan = _planned(tasks, seconds, 1.0)
    return _planned(tasks, seconds, bound_s / explain(plan).lower_bound_s)


def _planned(tasks: list[dict[str, Any]], seconds: dict[str, float], factor: float) -> dict[str, Any]:
    waits = []
    for task in tasks:
        length = seconds[task["id"]] * factor
        waits.append({**task, "specialist": "wait", "input": {"seconds": length}, "estimated_s": length})
    return {"config": {"max_parallel": SLOTS}, "tasks": waits}


async def ours(plan: dict[str, Any]) -> float:
    """Return Fanwise's wall time for the whole run."""
    async with saver("memory") as checkpointer:
        graph = build_graph(checkpointer=checkpointer)
        output, cost = await timed(lambda: graph.ainvoke({"plan": plan}, {"configurable": {"thread_id": "bench"}}))
    assert output["status"] == "succeeded"
    return cost.wall


async def bare(plan: dict[str, Any]) -> float:
    """Return the bare graph's wall time."""
    config: Any = {"configurable": {"thread_id": "bench"}, "max_concurrency": SLOTS, "recursion_limit": 1000}
    async with saver("memory") as checkpointer:
        graph = bare_graph(checkpointer)
        output, cost = await timed(lambda: graph.ainvoke({"tasks": plan["tasks"]}, config))
    assert len(output["results"]) == TASKS
    return cost.wall


async def measure(seeds: range, bound_s: float) -> None:
    """Measure one plan for each seed and print the table."""
    rows: list[list[Any]] = []
    for seed in seeds:
        plan = random_plan(seed, bound_s)
        told = explain(plan)
        mine, theirs = await ours(plan), await bare(plan)
        bound = told.lower_bound_s
        rows.append([seed, len(told.phases), told.critical_path_s / bound, told.expected_makespan_s / bound])
        rows[-1] += [mine / bound, theirs / bound]
    print(f"{TASKS} tasks on {SLOTS} slots, bound {bound_s:g} s; every figure over the bound")
    table(["seed", "levels", "critical path", "expected", "fanwise", "bare, max_concurrency"], rows)
    verdicts((f"seed {row[0]}, fanwise / bound", row[4], GOAL) for row in rows)


def main() -> int:
    """Return the exit code."""
    given = options(__doc__).parse_args()
    asyncio.run(measure(range(2) if given.quick else range(5), 2.5 if given.quick else 3.5))
    return 0


if __name__ == "__main__":
    sys.exit(main())
