"""How close do real task graphs come to their critical path, dataflow beside phased?

Each graph of the data set becomes a plan of `wait` tasks. First with unlimited slots, scaled so that the critical path
takes `--seconds`: makespan over critical path, for both schedules. Then on few slots, scaled so that the expected
makespan takes that long: real makespan over what `explain` expects; beside it the same schedule on the event loop's
timers alone. These are late by up to a millisecond each, so that no makespan of many short tasks is below that.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from common import options, shared_data, table, verdicts

from fanwise.graph import arun, explain
from fanwise.graph.schedule import Limits, Schedule
from fanwise.schema.dag import upward_ranks

GOAL = ("nf-mag", 1.05)
SLOTS = (4, 16)


def plan_of(dag: dict[str, Any], factor: float, config: dict[str, Any]) -> dict[str, Any]:
    """Return a task graph as a plan of `wait` tasks."""
    tasks = [
        {
            "id": task["id"],
            "specialist": "wait",
            "input": {"seconds": task["seconds"] * factor},
            "depends_on": task["deps"],
        }
        for task in dag["tasks"]
    ]
    return {"name": dag["name"], "config": config, "tasks": tasks}


async def makespan(plan: dict[str, Any]) -> float:
    """Run a plan; return the seconds from its first start to its last end."""
    report = await arun(plan)
    assert report.status == "succeeded", report.summary.text
    return report.metrics.makespan_s


async def unlimited(dag: dict[str, Any], seconds: float, repeats: int) -> tuple[float, float]:
    """Return the best makespan over critical path with unlimited slots: dataflow, phased."""
    factor = seconds / explain(plan_of(dag, 1.0, {"max_parallel": None})).critical_path_s
    best = {"dataflow": float("inf"), "phased": float("inf")}
    for _ in range(repeats):
        for schedule in best:
            plan = plan_of(dag, factor, {"max_parallel": None, "schedule": schedule})
            best[schedule] = min(best[schedule], await makespan(plan) / seconds)
    return best["dataflow"], best["phased"]


async def timers(plan: dict[str, Any], slots: int) -> float:
    """Return the makespan of a plan whose tasks are nothing but timers."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    seconds = {task["id"]: task["input"]["seconds"] for task in plan["tasks"]}
    needs = {task["id"]: task["depends_on"] for task in plan["tasks"]}
    ranks, schedule = upward_ranks(needs, seconds), Schedule(Limits(slots))
    for order, (task_id, others) in enumerate(needs.items()):
        schedule.add(task_id, others, rank=ranks[task_id], order=order)

    def start() -> None:
        for task_id in schedule.decide(loop.time()).start:
            loop.call_later(seconds[task_id], end, task_id)

    def end(task_id: str) -> None:
        schedule.settle(task_id, "succeeded")
        over.set() if len(schedule.statuses) == len(seconds) else start()

    begun = loop.time()
    start()
    await over.wait()
    return loop.time() - begun


async def limited(dag: dict[str, Any], seconds: float, slots: int) -> tuple[float, float]:
    """Return the makespan, and that of timers alone, over what `explain` expects, on few slots."""
    config = {"max_parallel": slots}
    factor = seconds / explain(plan_of(dag, 1.0, config)).expected_makespan_s
    plan = plan_of(dag, factor, config)
    expected = explain(plan).expected_makespan_s
    return await makespan(plan) / expected, await timers(plan, slots) / expected


async def measure(paths: list[Path], seconds: float, repeats: int) -> None:
    """Measure all graphs and print the table."""
    rows: list[list[Any]] = []
    for path in paths:
        dag = json.loads(path.read_text("utf-8"))
        levels = len(explain(plan_of(dag, 1.0, {})).phases)
        rows.append([dag["name"], len(dag["tasks"]), levels, *await unlimited(dag, seconds, repeats)])
        rows[-1] += [ratio for slots in SLOTS for ratio in await limited(dag, seconds, slots)]
    slots = [name for count in SLOTS for name in (f"{count} slots / expected", f"{count}, timers alone")]
    table(["graph", "tasks", "levels", "dataflow / critical path", "phased / critical path", *slots], rows)
    name, limit = GOAL
    verdicts((f"{name}, dataflow / critical path", row[3], limit) for row in rows if row[0] == name)


def main() -> int:
    """Return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, help="how long a run should take (3; with --quick 1)")
    parser.add_argument("--repeats", type=int, help="runs with unlimited slots, of which the best counts (2; 1)")
    given = parser.parse_args()
    paths = sorted(shared_data("dags").glob("*.json"))
    if given.quick:
        paths = [path for path in paths if path.name.startswith("nf-")]
    seconds, repeats = (1.0, 1) if given.quick else (3.0, 2)
    asyncio.run(measure(paths, given.seconds or seconds, given.repeats or repeats))
    return 0


if __name__ == "__main__":
    sys.exit(main())
