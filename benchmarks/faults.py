"""Many branches, and faults in a third of them: does every task end right, is no limit exceeded, does nothing leak?

Branches raise, hang until their time-out, are slow, or are refused by a server (429 with Retry-After); some retry, some
fall back. Before and after each run the asyncio tasks, threads, open files and the gates' limits are counted.
Exit code 1 where something is wrong.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
from collections import Counter
from typing import Any

import psutil
from common import options, table

from fanwise.graph import Specialist, build_graph
from fanwise.graph.gates import SHARED
from fanwise.state import Task

POOL = {"api": 24.0}
SLOTS = 64


class Refused(Exception):
    """A server's "too many requests"."""

    status_code = 429

    def __init__(self) -> None:
        super().__init__("too many requests")
        self.headers = {"Retry-After": "0.02"}


class Service:
    """The specialist: does what each task is told, and notes how many work at the same time."""

    def __init__(self) -> None:
        self.at_work = Counter[str]()
        self.most = Counter[str]()
        self.refused: set[str] = set()

    async def __call__(self, task: Task) -> str:
        """Work, or fail in the way that the task asks for."""
        given: Any = task.input
        held = Counter({"slots": 1, "api": given["api"]})
        self.at_work += held
        self.most |= self.at_work
        try:
            return await self._answer(task, given["fault"])
        finally:
            self.at_work -= held

    async def _answer(self, task: Task, fault: str | None) -> str:
        await asyncio.sleep(0.005)
        if fault == "raise":
            raise ConnectionError("broken")
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "slow":
            await asyncio.sleep(0.15)
        if fault == "throttle" and task.id not in self.refused:
            self.refused.add(task.id)
            raise Refused
        return task.id


def plan_of(rng: random.Random, count: int, share: float) -> dict[str, Any]:
    """Return a plan of branches and one task that needs them all."""
    tasks: list[dict[str, Any]] = []
    for index in range(count):
        fault = rng.choice(["raise", "hang", "slow", "throttle"]) if rng.random() < share else None
        api = rng.choice([0, 0, 1, 3])
        task: dict[str, Any] = {
            "id": f"b{index}",
            "specialist": "service",
            "input": {"fault": fault, "api": api},
            "timeout_s": 0.3,
            "retry": {"max_attempts": 6 if fault == "throttle" else rng.choice([1, 2]), "initial_s": 0.01},
        }
        if api:
            task["needs"] = {"api": api}
        if fault in ("raise", "hang") and rng.random() < 0.3:
            task["fallback"] = {"output": "instead"}
        tasks.append(task)
    ids = [task["id"] for task in tasks]
    end = {
        "id": "end",
        "specialist": "service",
        "input": {"fault": None, "api": 0},
        "depends_on": ids,
        "run_if": "all_done",
    }
    return {"config": {"max_parallel": SLOTS, "pools": POOL}, "tasks": [*tasks, end]}


def expected(task: dict[str, Any]) -> str:
    """Return the status that a task has to end with."""
    fault = task["input"]["fault"]
    if fault not in ("raise", "hang") or "fallback" in task:
        return "succeeded"
    return "failed" if fault == "raise" else "timed_out"


def counts() -> dict[str, int]:
    """Return what must be the same before and after; the event loop's own pool of threads may grow."""
    gc.collect()
    process = psutil.Process()
    return {
        "asyncio tasks": len(asyncio.all_tasks()),
        "threads": sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate()),
        "open files": process.num_fds(),
    }


async def play(seed: int, count: int, share: float) -> list[str]:
    """Run one plan; return what was wrong."""
    service, plan = Service(), plan_of(random.Random(seed), count, share)
    graph = build_graph([Specialist("service", service)])
    await graph.ainvoke({"plan": {"tasks": [plan["tasks"][-1] | {"depends_on": []}]}})  # warm: threads, imports
    before = counts()
    out = await graph.ainvoke({"plan": plan})
    await asyncio.sleep(0.05)
    wrong = [
        f"{task['id']} ({task['input']['fault']}): {out['results'][task['id']]['status']}, should be {expected(task)}"
        for task in plan["tasks"]
        if out["results"][task["id"]]["status"] != expected(task)
    ]
    wrong += [f"{name}: {now} after, {before[name]} before" for name, now in counts().items() if now > before[name]]
    wrong += [
        f"{name}: {service.most[name]:g} at the same time, at most {limit:g} allowed"
        for name, limit in {"slots": SLOTS, **POOL}.items()
        if service.most[name] > limit
    ]
    statuses = Counter(result["status"] for result in out["results"].values())
    print(f"seed {seed}: {dict(statuses)}, at most {dict(service.most)} at work, {out['metrics']['makespan_s']:.2f} s")
    SHARED._gates.clear()
    return wrong


def main() -> int:
    """Play all seeds; return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--branches", type=int, help="in a run (1000; with --quick 200)")
    parser.add_argument("--seeds", type=int, help="how many runs (5; with --quick 2)")
    parser.add_argument("--share", type=float, default=0.3, help="of branches with a fault (0.3)")
    given = parser.parse_args()
    branches, seeds = given.branches or (200 if given.quick else 1000), given.seeds or (2 if given.quick else 5)
    wrong = [text for seed in range(seeds) for text in asyncio.run(play(seed, branches, given.share))]
    print(*wrong, sep="\n")
    table(["runs", "branches", "wrong"], [[seeds, branches, len(wrong)]])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
