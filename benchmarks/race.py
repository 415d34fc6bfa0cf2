"""How soon are the losers of a race cancelled, and does a quorum wait for the slow ones?

Races of one branch that wins after 50 ms and others that hang for ever. The figures are milliseconds from the winner's
end: until the last loser got its `CancelledError`, and until the run was over. Then votes of five, of which three agree
after 50 ms and two hang; as ratio to the same vote without the two.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import Any

from common import options, saver, table, verdicts

from fanwise.graph import build_graph, specialist

LOSERS, WIN_S, GOAL_MS = (2, 10, 50, 200), 0.05, 50.0


async def race(losers: int, kind: str) -> tuple[float, float]:
    """Return the milliseconds until the last loser was cancelled, and until the run was over."""
    ended: dict[str, float] = {}

    @specialist("runner")
    async def runner(task: Any) -> str:
        try:
            await asyncio.sleep(WIN_S if task.id == "winner" else 3600)
        finally:
            ended[task.id] = time.perf_counter()
        return str(task.id)

    names = ["winner", *(f"loser {i}" for i in range(losers))]
    tasks = [{"id": name, "specialist": "runner"} for name in names]
    plan = {
        "config": {"max_parallel": None},
        "tasks": [*tasks, {"id": "race", "depends_on": names, "aggregate": {"strategy": "race"}}],
    }
    async with saver(kind) as checkpointer:
        graph = build_graph([runner], checkpointer=checkpointer)
        output = await graph.ainvoke({"plan": plan}, {"configurable": {"thread_id": "bench"}})
        over = time.perf_counter()
    assert output["status"] == "succeeded" and output["results"]["race"]["output"]["winner"] == "winner"
    won = ended.pop("winner")
    return (max(ended.values()) - won) * 1000, (over - won) * 1000


async def vote(hanging: int, kind: str) -> float:
    """Return the wall time of a vote of three that agree, and others that hang."""
    waits = [{"seconds": WIN_S, "output": "yes"}] * 3 + [{"hang": True}] * hanging
    names = [f"v{i}" for i in range(len(waits))]
    tasks = [{"id": name, "specialist": "wait", "input": given} for name, given in zip(names, waits, strict=True)]
    plan = {"tasks": [*tasks, {"id": "vote", "depends_on": names, "aggregate": {"strategy": "vote"}}]}
    begun = time.perf_counter()
    async with saver(kind) as checkpointer:
        output = await build_graph(checkpointer=checkpointer).ainvoke(
            {"plan": plan}, {"configurable": {"thread_id": "bench"}}
        )
    assert output["status"] == "succeeded" and output["results"]["vote"]["output"]["winner"] == "yes"
    return time.perf_counter() - begun


async def measure(rounds: int) -> list[tuple[str, float, float]]:
    """Print the tables; return the goals."""
    rows: list[list[Any]] = []
    slowest = 0.0
    for kind in ("memory", "sqlite"):
        for losers in LOSERS:
            figures = [await race(losers, kind) for _ in range(rounds)]
            cancelled, over = zip(*figures, strict=True)
            slowest = max(slowest, statistics.median(cancelled)) if losers <= 50 else slowest
            rows.append(
                [f"{kind}, {losers} losers", statistics.median(cancelled), max(cancelled), statistics.median(over)]
            )
    table(["race", "cancelled after ms", "at most ms", "run over after ms"], rows)
    goals = [(f"losers cancelled, median ms, up to 50 ({rounds} rounds)", slowest, GOAL_MS)]
    print()
    for kind in ("memory", "sqlite"):
        alone = statistics.median([await vote(0, kind) for _ in range(rounds)])
        with_slow = statistics.median([await vote(2, kind) for _ in range(rounds)])
        goals.append(
            (f"3 of 5 agree, {kind}: {with_slow * 1000:.0f} ms / {alone * 1000:.0f} ms", with_slow / alone, 1.5)
        )
    return goals


def main() -> int:
    """Return the exit code."""
    quick: bool = options(__doc__).parse_args().quick
    verdicts(asyncio.run(measure(3 if quick else 15)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
