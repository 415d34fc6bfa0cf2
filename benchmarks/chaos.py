"""Kill runs at random moments, go on with them, and look whether anything was done twice or came out wrong.

A child process runs a random plan on a SQLite file; its tasks log their start and end. The parent kills it (SIGKILL),
reads which tasks are saved as finished, and lets a new process go on, one to three times in a round. Checked:

- no task that was saved as finished before a kill starts again;
- every saved result is its own task's, and right (each output is derived from the task's id and its dependencies'
  outputs, so that a swapped result shows in all that follow);
- the final statuses, outputs and run status are those of an undisturbed run.

A task that had logged its end but was not saved when the process died runs again (at least once); these are counted.
Exit code 1 where a check fails; the seed and the folder of the round are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import options

from fanwise.graph import Specialist, arun, build_graph, explain
from fanwise.graph.checkpoints import open_checkpointer
from fanwise.graph.run import execute, report
from fanwise.state import Report, RunError, Task, TaskResult

THREAD = "chaos"
SPECIALIST = "chaos"


def random_round(seed: int, count: int) -> dict[str, Any]:
    """Return a round: its plan, its batch size and how often it is killed."""
    rng = random.Random(seed)
    tasks: list[dict[str, Any]] = []
    for index in range(count):
        needs = rng.sample(range(index), min(index, rng.randint(1, 3))) if rng.random() < 0.7 else []
        task: dict[str, Any] = {
            "id": f"t{index}",
            "specialist": SPECIALIST,
            "depends_on": [f"t{need}" for need in needs],
        }
        seconds = min(0.01 * rng.paretovariate(1.1), 0.3)
        task |= {"input": {"seconds": seconds}, "estimated_s": seconds, "run_if": _rule(rng)}
        chance = rng.random()
        if chance < 0.04:
            task["input"]["fails"] = True
        elif chance < 0.14:
            task |= {"retry": {"max_attempts": 2, "initial_s": 0.01}}
            task["input"]["flaky"] = True
        tasks.append(task)
    config = {"max_parallel": rng.choice([None, 4, 16]), "schedule": "phased" if rng.random() < 0.2 else "dataflow"}
    return {
        "plan": {"name": f"chaos-{seed}", "config": config, "tasks": tasks},
        "batch_size": rng.choice([250, 10]),
        "kills": rng.randint(1, 3),
    }


def _rule(rng: random.Random) -> str:
    """Return a rule whose outcome does not depend on the order in which tasks end."""
    return rng.choices(["all_success", "none_failed", "all_done"], [4, 1, 5])[0]


def value_of(task_id: str, inputs: list[Any]) -> str:
    """Return what a task has to return, given its dependencies' outputs in order."""
    return hashlib.sha256(json.dumps([task_id, inputs]).encode()).hexdigest()[:16]


def chaos_specialist(log: int | None) -> Specialist:
    """Return the specialist; it logs to an open file, or hurries where there is none."""

    def note(word: str, task: Task) -> None:
        if log is not None:
            os.write(log, f"{word} {task.id}\n".encode())

    async def work(task: Task, results: Mapping[str, TaskResult], attempt: int) -> str:
        given: Any = task.input
        note("start", task)
        await asyncio.sleep(given["seconds"] if log is not None else 0)
        if given.get("flaky") and attempt == 1:
            raise ConnectionError("the first attempt fails")
        if given.get("fails"):
            raise ValueError("it always fails")
        note("end", task)
        return value_of(task.id, [results[need].output for need in task.depends_on])

    return Specialist(SPECIALIST, work)


def right_answers(plan: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return each task's right status and output, found without the engine."""
    found: dict[str, tuple[str, Any]] = {}
    for task in plan["tasks"]:
        needs = [found[need] for need in task["depends_on"]]
        accepted = {"all_success": {"succeeded"}, "none_failed": {"succeeded", "skipped"}}.get(task["run_if"])
        if accepted is not None and any(status not in accepted for status, _ in needs):
            found[task["id"]] = ("skipped", None)
        elif task["input"].get("fails"):
            found[task["id"]] = ("failed", None)
        else:
            found[task["id"]] = ("succeeded", value_of(task["id"], [output for _, output in needs]))
    return found


def outcome(told: Report) -> dict[str, tuple[str, Any]]:
    """Return the status and output of each task that has ended."""
    return {r.task_id: (r.status, r.output) for r in told.results.values() if r.status != "pending"}


async def child(folder: Path) -> None:
    """Run or go on with the round in a folder."""
    spec = json.loads((folder / "round.json").read_text("utf-8"))
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with open_checkpointer(str(folder / "runs.db")) as saver:
        graph = build_graph([chaos_specialist(log)], checkpointer=saver, batch_size=spec["batch_size"])
        held = await saver.aget_tuple({"configurable": {"thread_id": THREAD}})
        await execute(graph, {"plan": spec["plan"]} if held is None else None, THREAD)


async def saved(folder: Path) -> Report | None:
    """Return what the database holds; nothing where the run was not planned yet."""
    async with open_checkpointer(str(folder / "runs.db")) as saver:
        try:
            return await report(build_graph([chaos_specialist(None)], checkpointer=saver), THREAD)
        except RunError:
            return None


def log_lines(folder: Path) -> list[tuple[str, str]]:
    """Return the log so far: (start or end, task id)."""
    path = folder / "log"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [(word, task_id) for word, _, task_id in (line.partition(" ") for line in lines)]


def run_child(folder: Path, rng: random.Random | None, span: float) -> bool:
    """Run a child process, kill it if there are random numbers to tell when; return whether it was killed."""
    before = len(log_lines(folder))
    process = subprocess.Popen([sys.executable, __file__, "--child", str(folder)])
    try:
        if rng is None:
            if code := process.wait(timeout=120):
                raise RuntimeError(f"the child ended with code {code}")
            return False
        if rng.random() < 0.9:  # else it may die while it starts
            while process.poll() is None and len(log_lines(folder)) == before:
                time.sleep(0.002)
            moment = rng.uniform(0, span)
        else:
            moment = rng.uniform(0, 2.0)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


class Round:
    """One round: what happened, and what was wrong with it."""

    def __init__(self, seed: int, count: int, folder: Path) -> None:
        self.spec = random_round(seed, count)
        self.rng = random.Random(f"moments {seed}")
        self.folder = folder
        self.right = right_answers(self.spec["plan"])
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []

    def play(self) -> None:
        """Run the plan undisturbed, then with kills, and check."""
        plan = self.spec["plan"]
        undisturbed = asyncio.run(arun(plan, specialists=[chaos_specialist(None)]))
        self._compare("undisturbed", outcome(undisturbed), self.right)
        (self.folder / "round.json").write_text(json.dumps(self.spec), "utf-8")
        span = 1.1 * explain(plan).expected_makespan_s
        finished: set[str] = set()
        for _ in range(self.spec["kills"]):
            if not self._kill(span * (1 - len(finished) / len(self.right)), finished):
                break
        begin = len(log_lines(self.folder))
        run_child(self.folder, None, span)
        self._no_repeat(begin, finished)
        told = asyncio.run(saved(self.folder))
        if told is None or told.status != undisturbed.status:
            self.wrong.append(f"run status {told and told.status!r}, undisturbed {undisturbed.status!r}")
        else:
            self._compare("final", outcome(told), outcome(undisturbed))

    def _kill(self, span: float, finished: set[str]) -> bool:
        """Run until a kill; tell whether it came in time, and add what is saved to what is finished."""
        begin = len(log_lines(self.folder))
        killed = run_child(self.folder, self.rng, span)
        self._no_repeat(begin, finished)
        told = asyncio.run(saved(self.folder))
        now = outcome(told) if told else {}
        self._compare("saved", now, {task_id: self.right[task_id] for task_id in now})
        if lost := finished - now.keys():
            self.wrong.append(f"saved before, and gone after another kill: {sorted(lost)}")
        finished.update(now)
        ended = {task_id for word, task_id in log_lines(self.folder) if word == "end"}
        self.seen["kills"] += killed
        self.seen["kills in mid-run"] += killed and 0 < len(now) < len(self.right)
        self.seen["saved at a kill"] += len(now) if killed else 0
        self.seen["ended, not saved"] += len(ended - now.keys())
        return killed

    def _no_repeat(self, begin: int, finished: set[str]) -> None:
        again = {task_id for word, task_id in log_lines(self.folder)[begin:] if word == "start"} & finished
        if again:
            self.wrong.append(f"saved as finished, and started again: {sorted(again)}")

    def _compare(self, when: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        for task_id in expected.keys() | found.keys():
            if found.get(task_id) != expected.get(task_id):
                self.wrong.append(f"{when}: {task_id} is {found.get(task_id)}, should be {expected.get(task_id)}")


def play_rounds(seed: int, rounds: int, count: int) -> int:
    """Play rounds, print what was seen, and return the exit code."""
    seen: Counter[str] = Counter()
    for number in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="fanwise-chaos-"))
        played = Round(seed + number, count, folder)
        try:
            played.play()
        except Exception as error:
            played.wrong.append(f"{type(error).__name__}: {error}")
        seen += played.seen
        if played.wrong:
            print(*played.wrong, sep="\n")
            print(f"violated with --seed {seed + number} --rounds 1 --tasks {count}; what it left is in {folder}")
            return 1
        shutil.rmtree(folder)
        if (number + 1) % 10 == 0:
            print(f"{number + 1} of {rounds} rounds", flush=True)
    print(f"{rounds} rounds of {count} tasks (seeds {seed} to {seed + rounds - 1}): no violation")
    print(", ".join(f"{name}: {seen[name]}" for name in ("kills", "kills in mid-run", "saved at a kill")))
    print(f"ended but not saved when the process died, so run again: {seen['ended, not saved']}")
    return 0


def main() -> int:
    """Return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, help="how many (50; with --quick 3)")
    parser.add_argument("--tasks", type=int, default=60, help="in a plan (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (0)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        asyncio.run(child(given.child))
        return 0
    return play_rounds(given.seed, given.rounds or (3 if given.quick else 50), given.tasks)


if __name__ == "__main__":
    sys.exit(main())
