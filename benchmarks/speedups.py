"""How much faster than one after another?

The scenarios of rows B7 and E7, with the durations that their tables name, beside plain sequential execution of the
same work in the same process: an `await` for each task, one after another. A speedup is the sequential time by the
time from the first start to the last end, as the rows count it, and is held against a goal with the digits that the row
has; beside it stands the one by the whole call, from the plan to the summary. Overhead is what a run takes whose tasks
take nothing: with one task (the dispatch, goal below 100 ms), and what each further one adds (below 10 ms).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any, NamedTuple

from common import options, saver, table, timed

from fanwise.graph import build_graph
from fanwise.graph.history import MemoryHistory
from fanwise.graph.run import execute

HANGS_S = 4.1
"""What a hung task takes where nothing cuts it short, as the row has it."""

Tasks = Sequence[Mapping[str, Any]]


class Scenario(NamedTuple):
    """Work, the speedup that its row names, and the status that the run ends in."""

    row: str
    name: str
    tasks: Tasks
    goal: float
    status: str = "succeeded"
    timeout_s: float | None = None
    digits: int = 1
    """Decimals of the row's figures."""


def wait(task_id: str, seconds: float, *needs: str, **given: Any) -> dict[str, Any]:
    """Return a task that takes so long."""
    return {"id": task_id, "specialist": "wait", "depends_on": list(needs), "input": {"seconds": seconds, **given}}


def scenarios() -> list[Scenario]:
    """Return the rows' scenarios, with the durations that they name."""
    memory, mcp, personal = wait("memory", 0.5), wait("mcp", 0.3), wait("personal", 0.4)
    optional = {"required": False}
    found = [
        Scenario("B7", "3 independent", [memory, mcp, personal], 2.4),
        Scenario(
            "B7", "2 + 1 dependent", [wait("memory", 0.7), wait("mcp", 0.7), wait("report", 0.8, "memory", "mcp")], 1.5
        ),
        Scenario(
            "B7",
            "1 of 3 hangs, time-out 1 s",
            [wait("memory", 0.5), {**wait("mcp", 0.0, hang=True), **optional}, wait("personal", 0.4)],
            5.0,
            "partial",
            1.0,
        ),
        Scenario("B7", "1 of 3 fails", [memory, {**wait("mcp", 0.3, fail="no"), **optional}, personal], 2.4, "partial"),
    ]
    goals = {1: 1.00, 3: 2.00, 5: 2.50, 10: 3.33}
    for count, goal in goals.items():
        found.append(Scenario("E7", f"{count} tasks", [wait(f"t{n}", 0.5) for n in range(count)], goal, digits=2))
    return found


async def sequential(tasks: Tasks) -> None:
    """Do the work of tasks one after another, as a loop of calls would; nothing cuts a hung one short but itself."""
    for task in tasks:
        given = task["input"]
        with suppress(RuntimeError):
            await asyncio.sleep(HANGS_S if given.get("hang") else given["seconds"])
            if "fail" in given:
                raise RuntimeError(given["fail"])


async def dispatched(tasks: Tasks, timeout_s: float | None = None, status: str = "succeeded") -> tuple[float, Any]:
    """Return what a run of tasks takes, planned, saved in a file, noted in a history and summed up; and its report."""
    async with saver("own") as checkpointer:
        graph = build_graph(checkpointer=checkpointer)
        config = {} if timeout_s is None else {"timeout_s": timeout_s}
        given = {"plan": {"tasks": list(tasks), "config": config}}
        report, cost = await timed(lambda: execute(graph, given, "bench", history=MemoryHistory()))
    assert report.status == status, f"{report.status}: {report.summary.text}"
    return cost.wall, report


async def measure(repeats: int) -> bool:
    """Measure every scenario and the overheads; return whether all goals are met."""
    await dispatched([wait("warm", 0.0)])
    rows, met = [], []
    for one in scenarios():
        begun = time.perf_counter()
        await sequential(one.tasks)
        before = time.perf_counter() - begun
        walls, reports = zip(
            *[await dispatched(one.tasks, one.timeout_s, one.status) for _ in range(repeats)], strict=True
        )
        wall, inside = median(walls), median(report.metrics.makespan_s for report in reports)
        met.append(round(before / inside, one.digits) >= one.goal)
        rows.append(
            [f"{one.row} {one.name}", before, inside, wall, before / inside, one.goal, told(met[-1]), before / wall]
        )
    print(f"seconds, medians of {repeats}")
    head = ["scenario", "sequential", "makespan", "whole call", "speedup", "goal", "", "by whole call"]
    table(head, rows)
    return await overhead(repeats) and all(met)


async def overhead(repeats: int) -> bool:
    """Measure what the machinery takes where tasks take nothing."""
    walls = {
        count: median([(await dispatched([wait(f"t{n}", 0.0) for n in range(count)]))[0] for _ in range(repeats)])
        for count in (1, 10, 100)
    }
    dispatch, each = walls[1] * 1000, (walls[100] - walls[1]) / 99 * 1000
    print("\nmilliseconds, tasks that take nothing")
    rows = [["a dispatch of one task", dispatch, 100.0, told(dispatch < 100)]]
    rows += [["each further task, of 100", each, 10.0, told(each < 10)]]
    table(["overhead", "measured", "goal: below", ""], rows)
    return dispatch < 100 and each < 10


def told(met: bool) -> str:
    """Return whether a goal is met."""
    return "met" if met else "MISSED"


def main() -> int:
    """Return the exit code."""
    given = options(__doc__).parse_args()
    return 0 if asyncio.run(measure(2 if given.quick else 7)) else 1


if __name__ == "__main__":
    sys.exit(main())
