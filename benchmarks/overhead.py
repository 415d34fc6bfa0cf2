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
from statistics import median
from typing import Any

from bare import bare_chain, bare_graph
from common import Cost, options, saver, table, timed, verdicts

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


def fanwise_own(checkpointer: Any) -> Any:
    """Return Fanwise's graph; it is run on Fanwise's own SQLite checkpointer, as the command does."""
    return fanwise(checkpointer)


def tasks_of(count: int, *, chain: bool = False) -> list[dict[str, Any]]:
    """Return no-op tasks, side by side or one after another."""
    tasks: list[dict[str, Any]] = [{"id": f"t{index}", "specialist": "noop", "input": {}} for index in range(count)]
    if chain:
        for before, task in pairwise(tasks):
            task["depends_on"] = [before["id"]]
    return tasks


async def once(build: Build, kind: str, tasks: list[dict[str, Any]]) -> Cost:
    """Run tasks on a new graph and an empty checkpointer; return the cost of the run alone."""
    given = {"tasks": tasks} if build in (bare_graph, bare_chain) else {"plan": {"tasks": tasks}}
    async with saver("own" if build is fanwise_own else kind) as checkpointer:
        graph = build(checkpointer)
        output, cost = await timed(lambda: graph.ainvoke(given, CONFIG))
    statuses = [result["status"] for result in output["results"].values()]
    assert statuses == ["succeeded"] * len(tasks), f"{len(statuses)} results of {len(tasks)} tasks"
    return cost


async def compare(builds: list[Build], kind: str, tasks: list[dict[str, Any]], repeats: int) -> list[list[Cost]]:
    """Return each graph's cost in every turn; in a turn they run one after the other, in the next in reverse."""
    turns: list[list[Cost]] = [[] for _ in builds]
    for turn in range(repeats):
        for index in range(len(builds)) if turn % 2 == 0 else reversed(range(len(builds))):
            turns[index].append(await once(builds[index], kind, tasks))
    return turns


def per_task(costs: list[Cost], count: int) -> Cost:
    """Return the best cost per task, in milliseconds."""
    return Cost(*(1000 * min(seconds) / count for seconds in zip(*costs, strict=True)))


def ratio(costs: list[Cost], others: list[Cost]) -> Cost:
    """Return the median of the turns' ratios: what disturbs the machine for longer than a turn falls out of it."""
    return Cost(
        median(one.wall / other.wall for one, other in zip(costs, others, strict=True)),
        median(one.cpu / other.cpu for one, other in zip(costs, others, strict=True)),
    )


async def parallel(sizes: dict[int, int]) -> None:
    """Measure tasks side by side: sizes with the turns of each."""
    rows, goals = [], []
    for kind, build in (("memory", fanwise), ("sqlite", fanwise), ("own sqlite", fanwise_own)):
        best: dict[int, Cost] = {}
        for size, repeats in sizes.items():
            mine, bare = await compare([build, bare_graph], kind.split()[-1], tasks_of(size), repeats)
            best[size], other, over = per_task(mine, size), per_task(bare, size), ratio(mine, bare)
            rows.append([f"{kind} {size}", best[size].wall, other.wall, over.wall, best[size].cpu, other.cpu, over.cpu])
            if size >= 1000:
                goals.append((f"{kind}, {size} tasks: fanwise / bare, wall", over.wall, 1.0))
                goals.append((f"{kind}, {size} tasks: fanwise / bare, CPU", over.cpu, 1.0))
        if 10_000 in best:
            goals.append((f"{kind}, a task of 10000 / one of 1000, wall", best[10_000].wall / best[1000].wall, 1.5))
            goals.append((f"{kind}, a task of 10000 / one of 1000, CPU", best[10_000].cpu / best[1000].cpu, 1.5))
    turns = ", ".join(f"{repeats} at {size}" for size, repeats in sizes.items())
    print(f"ms per no-op task, side by side: best of all turns, and the median of the turns' ratios ({turns})")
    table(["checkpointer, tasks", "fanwise wall", "bare wall", "ratio", "fanwise CPU", "bare CPU", "ratio"], rows)
    verdicts(goals)


async def chain(length: int, repeats: int) -> None:
    """Measure tasks one after another, with SQLite."""
    names = ("fanwise, own saver", "fanwise, LangGraph's saver", "bare, join after each", "bare, for chains only")
    builds: list[Build] = [fanwise_own, fanwise, bare_graph, bare_chain]
    turns = await compare(builds, "sqlite", tasks_of(length, chain=True), repeats)
    over = [ratio(turns[0], costs) for costs in turns]
    rows = [[name, *per_task(costs, length), *times] for name, costs, times in zip(names, turns, over, strict=True)]
    print(f"\nms per no-op task, a chain of {length}, sqlite: best, and the median of the ratios ({repeats} turns)")
    table(["graph", "wall", "CPU", "first row / it, wall", "first row / it, CPU"], rows)
    verdicts(
        (f"chain, fanwise / {name}, wall", times.wall, 1 / 3) for name, times in zip(names[2:], over[2:], strict=True)
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
    asyncio.run(measure({100: 5, 1000: 3} if given.quick else {100: 15, 1000: 11, 10_000: 3}, 2 if given.quick else 7))
    return 0


if __name__ == "__main__":
    sys.exit(main())
