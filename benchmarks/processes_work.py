"""The work of `processes.py`: plans, a specialist that notes outside what it does, and what must come of them.

The servers load this file as a file of specialists (`FANWISE_SPECIALISTS`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Mapping
from typing import Any

from fanwise.graph import specialist
from fanwise.state import Task, TaskResult


@specialist("noting", description="Notes in a file when it starts, ends and is cancelled")
async def noting(task: Task, results: Mapping[str, TaskResult]) -> dict[str, str]:
    """Work for a while; the output is derived from the task and from what it depends on, so that a mix-up shows."""
    run = task.input["run"]
    note("start", run, task.id)
    try:
        await asyncio.sleep(task.input["seconds"])
    except asyncio.CancelledError:
        note("cancelled", run, task.id)
        raise
    value = derived(run, task.id, {key: result.output["value"] for key, result in results.items()})
    note("end", run, task.id)
    return {"value": value}


def note(word: str, run: str, task_id: str) -> None:
    """Append a line with one write: a process that is killed afterwards takes nothing of it away."""
    line = f"{word} {run} {task_id} {os.getpid()} {time.time():.4f}\n"
    file = os.open(os.environ["PROCESSES_NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def derived(run: str, task_id: str, values: Mapping[str, str]) -> str:
    """Return what a task's output must be, given those of its dependencies."""
    text = "|".join([run, task_id, *(f"{key}={values[key]}" for key in sorted(values))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def random_plan(run: str, count: int, seconds: tuple[float, float]) -> dict[str, Any]:
    """Return a plan of tasks that depend on some of the few before them."""
    rng = random.Random(run)
    tasks = []
    for index in range(count):
        near = range(max(0, index - 12), index)
        needs = rng.sample(near, min(len(near), rng.choice([0, 1, 1, 2, 3])))
        given = {"run": run, "seconds": round(rng.uniform(*seconds), 3)}
        tasks.append(_task(f"t{index}", given, [f"t{need}" for need in needs]))
    return {"name": run, "config": {"max_parallel": 4}, "tasks": tasks}


def reviewed_plan(run: str) -> dict[str, Any]:
    """Return a plan with a task that a person has to let through, some before and some after it."""
    before = [_task(f"b{index}", {"run": run, "seconds": 0.2}, []) for index in range(4)]
    asked = _task("asked", {"run": run, "seconds": 0.3}, [task["id"] for task in before])
    after = [_task("a0", {"run": run, "seconds": 1.5}, ["asked"]), _task("a1", {"run": run, "seconds": 0.2}, ["a0"])]
    return {"name": run, "tasks": [*before, {**asked, "review": "before"}, *after]}


def long_plan(run: str) -> dict[str, Any]:
    """Return a plan with two tasks that take long, some that do not, and one after all."""
    short = [_task(f"s{index}", {"run": run, "seconds": 0.2}, []) for index in range(4)]
    long = [_task(f"long{index}", {"run": run, "seconds": 3.0}, [f"s{index}"]) for index in range(2)]
    last = _task("last", {"run": run, "seconds": 0.1}, [task["id"] for task in [*short, *long]])
    return {"name": run, "tasks": [*short, *long, last]}


def _task(task_id: str, given: Mapping[str, Any], needs: list[str]) -> dict[str, Any]:
    return {"id": task_id, "specialist": "noting", "input": given, "depends_on": needs}


def right_values(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return what every task of a plan must put out; its tasks stand behind those that they need."""
    values: dict[str, str] = {}
    for task in plan["tasks"]:
        needs = {key: values[key] for key in task["depends_on"]}
        values[task["id"]] = derived(task["input"]["run"], task["id"], needs)
    return values
