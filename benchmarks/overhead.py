"""What does a task cost that does nothing, beside LangGraph alone?

No-op tasks without dependencies at three sizes, and a chain of them, with each checkpointer: Fanwise and a bare graph
(`bare.py`) alternate in one process, each run with a new graph, checkpointer and thread. Fanwise's cost contains
checking the plan, ordering it, progress events and the summary; the bare graph does none of these.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from bare import bare_chain, bare_graph
from common import WORST, Cost, options, saver, table, timed, verdicts

from fanwise.graph import build_graph, specialist

CONFIG: Any = {"configurable": {"thread_id": "bench"}, "recursion_limit": 100_000}

Build = Callable[[Any], Any]
"""Compiles a graph with a checkpointer."""


@specialist("noop")
async def noop() -> None:
    """Do nothing."""


def fanwise(checkpointer: Any) -> Any:
    """Return Fanwise's graph, as it comes."""
    return build_graph([noop], checkpointer=checkpointer)


def tasks_of(count: int, *, chain: bool = False) -> list[dict[str, Any]]:
    """Return no-op tasks, side by side or one after another."""
    tasks: list[dict[str, Any]] = [{"id": f"t{index}", "specialist": "noop", "input": {}} for index in range(count)]
    if chain:
        for before, task in pairwise(tasks):
            task["depends_on"] = [before["id"]]
    return tasks


async def once(build: Build, kind: str, tasks: list[dict[str, Any]]) -> Cost:
    """Run tasks on a new graph and an empty checkpointer; return the cost of the run alone."""
    given = {"plan": {"tasks": tasks}} if build is fanwise else {"tasks": tasks}
    async with saver(kind) as checkpointer:
        graph = build(checkpointer)
        output, cost = await timed(lambda: graph.ainvoke(given, CONFIG))
    statuses = [result["status"] for result in output["results"].values()]
    assert statuses == ["succeeded"] * len(tasks), f"{len(statuses)} results of {len(tasks)} tasks"
    return cost


async def compare(builds: list[Build], kind: str, tasks: list[dict[str, Any]], repeats: int) -> list[Cost]:
    """Return the best cost per task of each graph, in milliseconds; they take turns."""
    best = [WORST] * len(builds)
    for turn in range(repeats):
        for index in range(len(builds)) if turn % 2 == 0 else reversed(range(len(builds))):
            best[index] = best[index].best(await once(builds[index], kind, tasks))
    return [Cost(*(1000 * seconds / len(tasks) for seconds in cost)) for cost in best]


async def parallel(sizes: dict[int, int]) -> None:
    """Measure tasks side by side: sizes with the repetitions of each."""
    rows, goals = [], []
    for kind in ("memory", "sqlite"):
        per_size: dict[int, Cost] = {}
        for size, repeats in sizes.items():
            mine, bare = await compare([fanwise, bare_graph], kind, tasks_of(size), repeats)
            per_size[size] = mine
            rows.append([f"{kind} {size}", mine.wall, bare.wall, mine.wall / bare.wall])
            rows[-1] += [mine.cpu, bare.cpu, mine.cpu / bare.cpu]
            if size >= 1000:
                limit = 1.0 if size == 1000 else 0.8
                goals.append((f"{kind}, {size} tasks: fanwise / bare, wall", mine.wall / bare.wall, limit))
                goals.append((f"{kind}, {size} tasks: fanwise / bare, CPU", mine.cpu / bare.cpu, limit))
        if 10_000 in per_size:
            large, usual = per_size[10_000], per_size[1000]
            goals.append((f"{kind}, a task of 10000 / one of 1000, wall", large.wall / usual.wall, 1.5))
            goals.append((f"{kind}, a task of 10000 / one of 1000, CPU", large.cpu / usual.cpu, 1.5))
    print("ms per no-op task, side by side (best of " + ", ".join(f"{n} at {size}" for size, n in sizes.items()) + ")")
    table(["checkpointer, tasks", "fanwise wall", "bare wall", "ratio", "fanwise CPU", "bare CPU", "ratio"], rows)
    verdicts(goals)


async def chain(length: int, repeats: int) -> None:
    """Measure tasks one after another, with SQLite."""
    tasks = tasks_of(length, chain=True)
    mine, join, short = await compare([fanwise, bare_graph, bare_chain], "sqlite", tasks, repeats)
    print(f"\nms per no-op task, a chain of {length}, sqlite (best of {repeats})")
    table(
        ["graph", "wall", "CPU", "fanwise / it, wall", "fanwise / it, CPU"],
        [
            ["fanwise", mine.wall, mine.cpu, 1.0, 1.0],
            ["bare, join after each", join.wall, join.cpu, mine.wall / join.wall, mine.cpu / join.cpu],
            ["bare, for chains only", short.wall, short.cpu, mine.wall / short.wall, mine.cpu / short.cpu],
        ],
    )
    verdicts(
        [
            ("chain, fanwise / bare with joins, wall", mine.wall / join.wall, 1 / 3),
            ("chain, fanwise / bare for chains only, wall", mine.wall / short.wall, 1 / 3),
        ]
    )


async def measure(sizes: dict[int, int], repeats: int) -> None:
    """Measure everything."""
    for build in (fanwise, bare_graph):
        await once(build, "sqlite", tasks_of(20))  # imports and caches
    await parallel(sizes)
    await chain(200, repeats)


def main() -> int:
    """Return the exit code."""
    given = options(__doc__).parse_args()
    asyncio.run(measure({100: 5, 1000: 3} if given.quick else {100: 15, 1000: 11, 10_000: 3}, 2 if given.quick else 5))
    return 0


if __name__ == "__main__":
    sys.exit(main())
