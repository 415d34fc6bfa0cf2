"""Kill runs at random moments, go on with them, and look whether anything was done twice or came out wrong.

Child processes (`chaos_child.py`) run a random plan with reviews, questions, failures and backoffs
(`chaos_round.py`), answer what is asked in random order and batches, and retry what failed. The parent kills them
(SIGKILL) in mid-run, in a backoff, while questions wait, just when answers are given, in a resume and in a retry; it
reads what is saved, and lets a new process go on. With `--restart-postgres` it is the database server that is
restarted. Checked:

- no task whose result was saved starts again, nor an attempt whose output was saved since its review was asked;
- a question whose answer was saved, or with which the run went on, is not open again;
- a task whose question is left open does not start;
- every saved result is its own task's, and right: its output is derived from the task's id, its dependencies' outputs
  and the answers, so that a swapped result or answer shows in all that follow; so are its reviews;
- the final results and the run's status are those of an undisturbed run.

An attempt that had logged its end but was not saved when the process died runs again (at least once); an upper bound of
these is counted.
Exit code 1 where a check fails; the seed and the folder of the round are printed.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from chaos_child import THREAD, run_child
from chaos_places import Places
from chaos_round import FAILED, Outcome, People, chaos_specialist, outcome_of, random_round, right_outcomes
from common import options
from langgraph.checkpoint.memory import InMemorySaver

from fanwise.graph import build_graph
from fanwise.graph.again import retry
from fanwise.graph.checkpoints import open_database
from fanwise.graph.going_on import config_of
from fanwise.graph.questions import questions_of
from fanwise.graph.report import report_of
from fanwise.graph.run import execute
from fanwise.state import Report

TRIGGERS = {"time": 3, "backoff": 2, "paused": 2, "answer": 2, "given": 2, "waits": 1, "retry": 2, "retried": 1}
"""After which line of the log a disturbance comes, with its weight; `time`: at any moment."""

PATIENCE_S = 90.0
"""Seconds that a process may take: a run that hangs is a violation too."""


class Saved(NamedTuple):
    """What the database holds at a moment."""

    outcomes: dict[str, Outcome]
    open: set[str]
    """Questions that wait, by id."""
    answered: set[str]
    """Questions whose answers are saved and did not come to use yet."""
    reviewed: set[tuple[str, int]]
    """Tasks and attempt groups whose output waits for a review, and so is saved."""
    is_retried: bool
    status: str


async def saved(spec: Mapping[str, Any]) -> Saved | None:
    """Return what the database holds; nothing where the run was not planned yet."""
    async with open_database(spec["db"]) as database:
        specialist = chaos_specialist(None, is_mended=lambda: True)
        graph = build_graph([specialist], checkpointer=database.saver, batch_size=spec["batch_size"])
        snapshot = await graph.aget_state(config_of(THREAD), subgraphs=True)
        if not snapshot.values.get("run_id"):
            return None
        asked = await questions_of(database.saver, snapshot)
        told = report_of(snapshot, THREAD, asked)
    values = [question.value for question in asked.open if question.value.get("review") == "after"]
    return Saved(
        outcomes=outcomes(told),
        open={question.id for question in asked.open},
        answered={question.id for question in asked.answered},
        reviewed={(value["task_id"], value["action_requests"][0]["args"]["group"]) for value in values},
        is_retried=bool(snapshot.values.get("groups")),
        status=told.status,
    )


def outcomes(told: Report) -> dict[str, Outcome]:
    """Return what became of each task that has ended."""
    return {r.task_id: outcome_of(r) for r in told.results.values() if r.status not in ("pending", "paused")}


async def undisturbed(spec: Mapping[str, Any]) -> Report:
    """Run a round in memory, all questions answered as they come, and retry what failed."""
    people, mended = People(spec), [False]
    specialist = chaos_specialist(None, is_mended=lambda: mended[0])
    graph = build_graph([specialist], checkpointer=InMemorySaver(), batch_size=spec["batch_size"])

    async def answered(told: Report) -> Report:
        while told.interrupts:
            answers = {question.id: people.right_answer(question.value) for question in told.interrupts}
            told = await execute(graph, None, THREAD, answers=answers)
        return told

    told = await answered(await execute(graph, {"plan": _hurried(spec["plan"])}, THREAD))
    if any(result.status in FAILED for result in told.results.values()):
        mended[0] = True
        await retry(graph, THREAD)
        told = await answered(await execute(graph, None, THREAD))
    return told


def _hurried(plan: Mapping[str, Any]) -> dict[str, Any]:
    tasks = [{**t, "retry": {**t["retry"], "initial_s": 0.0}} if "retry" in t else t for t in plan["tasks"]]
    return {**plan, "tasks": tasks}


class Log:
    """The lines that the children write, read as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._at = 0
        self.lines: list[tuple[str, str]] = []
        """Word and the rest of each line."""

    def read(self) -> int:
        """Read what is new; return how many lines there are."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                found = file.read()
            self._at += len(found)
            *whole, self._rest = (self._rest + found).split(b"\n")
            self.lines += [(word, rest) for word, _, rest in (line.decode().partition(" ") for line in whole)]
        return len(self.lines)


class Round:
    """One round: what happened, and what was wrong with it."""

    def __init__(self, seed: int, count: int, folder: Path, places: Places, restarts: bool) -> None:
        self.spec = {**random_round(seed, count), "db": places.make(folder)}
        self.rng = random.Random(f"moments {seed}")
        self.folder = folder
        self.restarted = places.server if restarts else None
        self.right = right_outcomes(self.spec)
        self.log = Log(folder / "log")
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._checked = 0
        self._finished: set[str] = set()
        self._reviewed: set[tuple[str, int]] = set()
        self._answered: set[str] = set()
        self._waits: set[str] = set()
        self._is_retried = False
        self._processes = 0

    def play(self) -> None:
        """Run the plan undisturbed, then with disturbances, and check."""
        told = asyncio.run(undisturbed(self.spec))
        self._compare("undisturbed", outcomes(told), self.right.second)
        (self.folder / "round.json").write_text(json.dumps(self.spec), "utf-8")
        for _ in range(self.spec["disturbances"]):
            if self._run(disturbed=True):
                break
        else:
            for _ in range(1 if self.restarted is None else 5):
                if self._run(disturbed=False):
                    break
        last = self._look()
        if last is None or last.status != told.status:
            self.wrong.append(f"run status {last and last.status!r}, undisturbed {told.status!r}")
        else:
            self._compare("final", last.outcomes, outcomes(told))
            self.wrong += [f"still open at the end: {key}" for key in last.open]
        self.seen["questions answered"] += len({rest for word, rest in self.log.lines if word == "given"})

    def _run(self, *, disturbed: bool) -> bool:
        """Let a process work, disturbed or not, and check what it did; tell whether it was the last one needed."""
        self._processes += 1
        begin = self.log.read()
        process = CONTEXT.Process(target=run_child, args=(str(self.folder), self._processes))
        process.start()
        try:
            trigger = self._disturb(process, begin) if disturbed else ""
            while disturbed and self.restarted is not None and process.is_alive() and self.rng.random() < 0.6:
                trigger = self._disturb(process, self.log.read())
            process.join(PATIENCE_S)
            if process.exitcode is None:
                raise RuntimeError(f"the process did not end in {PATIENCE_S} s after {trigger or 'nothing'}")
        finally:
            process.kill()
            process.join()
        self.log.read()
        words = {word for word, _ in self.log.lines[begin:]}
        if process.exitcode == 1 and "stopped" in words and self.restarted is not None:
            self.seen["stopped with a RunError"] += 1
        elif process.exitcode not in (0, -9):
            raise RuntimeError(f"the child ended with code {process.exitcode} (after {trigger or 'no disturbance'})")
        if process.exitcode == -9:
            self.seen["kills"] += 1
            self.seen[f"kills: {trigger}"] += 1
            self.seen["kills in a resume"] += self._processes > 1
        self._check()
        return "over" in words

    def _disturb(self, process: BaseProcess, begin: int) -> str:
        """Wait for a moment and disturb the process; return which moment it was."""
        words, weights = zip(*TRIGGERS.items(), strict=True)
        wanted = self.rng.choices(words, weights)[0]
        moment, nth = self.rng.uniform(0, 1.2), self.rng.randint(1, 4) if wanted not in ("retry", "retried") else 1
        delay = self.rng.choice([0.0, self.rng.uniform(0, 0.01), self.rng.uniform(0, 0.05)])
        since, end = time.monotonic(), time.monotonic() + PATIENCE_S
        while process.is_alive() and time.monotonic() < end:
            self.log.read()
            lines = [word for word, _ in self.log.lines[begin:]]
            if not lines:
                since = time.monotonic()
            if (wanted == "time" and time.monotonic() - since > moment) or lines.count(wanted) >= nth:
                break
            if "retried" in lines and wanted not in ("time", "retry"):
                wanted, delay = "retried", self.rng.uniform(0, 0.1)  # else a round would end with too little disturbed
                break
            time.sleep(0.002)
        time.sleep(delay)
        self._disturb_now(process)
        return wanted

    def _disturb_now(self, process: BaseProcess) -> None:
        if self.restarted is None:
            process.kill()
            return
        if not process.is_alive():
            return
        mode = self.rng.choice(["immediate", "fast"])
        self.restarted.restart(mode, self.rng.choice([0.0, self.rng.uniform(0, 3)]))
        self.seen[f"restarts: {mode}"] += 1
        self._look()  # what is saved now must not start from now on, in the same process either

    def _look(self) -> Saved | None:
        """Check the log, then what is saved, and remember that it is; a process may be at work meanwhile."""
        self._check_lines()
        now = asyncio.run(saved(self.spec))
        if now is None:
            return None
        if now.is_retried:
            self._note_retried()
        self._compare("saved", now.outcomes, {key: self._expected().get(key) for key in now.outcomes})
        if lost := self._finished - now.outcomes.keys():
            self.wrong.append(f"saved before, and gone after another disturbance: {sorted(lost)}")
        if again := now.open & self._answered:
            self.wrong.append(f"answered, and open again: {sorted(again)}")
        self._check_lines()  # those that were written while we looked
        is_older = self._is_retried and not now.is_retried
        gone = self.right.again if is_older else frozenset[str]()
        self._finished |= now.outcomes.keys() - gone
        self._reviewed |= {(task_id, group) for task_id, group in now.reviewed if task_id not in gone}
        self._answered |= now.answered
        return now

    def _expected(self) -> dict[str, Outcome]:
        return self.right.second if self._is_retried else self.right.first

    def _check(self) -> None:
        """Check what a process did, now that it is gone, and what it has left."""
        self._check_lines()
        self._waits.clear()  # whoever comes next says anew what it leaves open
        if (now := self._look()) is None:
            return
        ended = {rest.split()[0] for word, rest in self.log.lines if word == "end"}
        self.seen["results saved when a process ended"] += len(now.outcomes)
        self.seen["questions open when a process ended"] += len(now.open)
        self.seen["answers saved but not used when a process ended"] += len(now.answered)
        waiting = {task_id for task_id, _ in now.reviewed}
        self.seen["ended, and neither a result nor open for review"] += len(ended - now.outcomes.keys() - waiting)

    def _check_lines(self) -> None:
        """Check the lines that are new."""
        self.log.read()
        for word, rest in self.log.lines[self._checked :]:
            if word == "start":
                self._check_start(*rest.split())
            elif word == "given":
                self._answered.add(rest)
            elif word == "waits":
                self._waits.add(rest)
            elif word == "stands":
                self._waits.clear()
            elif word == "retried":
                self._note_retried()
        self._checked = len(self.log.lines)

    def _check_start(self, task_id: str, group: str) -> None:
        if task_id in self._finished:
            self.wrong.append(f"saved as finished, and started again: {task_id}")
        if any(key == task_id and int(group) <= asked for key, asked in self._reviewed):
            self.wrong.append(f"its output was saved to be reviewed, and it started again: {task_id}, group {group}")
        if task_id in self._waits:
            self.wrong.append(f"its question was left open, and it started: {task_id}")

    def _note_retried(self) -> None:
        if not self._is_retried:
            self._is_retried = True
            self._finished -= self.right.again
            self._reviewed = {(task_id, group) for task_id, group in self._reviewed if task_id not in self.right.again}

    def _compare(self, when: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        for task_id in expected.keys() | found.keys():
            if found.get(task_id) != expected.get(task_id):
                self.wrong.append(f"{when}: {task_id} is {found.get(task_id)}, should be {expected.get(task_id)}")


CONTEXT = multiprocessing.get_context("forkserver")
"""Children are forked from a process that has imported everything and never ran anything."""


def play_rounds(seeds: range, count: int, db: str, restarts: bool) -> int:
    """Play rounds, print what was seen, and return the exit code."""
    CONTEXT.set_forkserver_preload(["chaos_child", "fanwise.graph.postgres_server"])
    seen: Counter[str] = Counter()
    places = Places(db, restarts=restarts)
    begun = time.monotonic()
    try:
        for number, seed in enumerate(seeds, 1):
            folder = Path(tempfile.mkdtemp(prefix="fanwise-chaos-", suffix=uuid4().hex[:6]))
            played = Round(seed, count, folder, places, restarts)
            try:
                played.play()
            except Exception as error:
                played.wrong.append(f"{type(error).__name__}: {error}")
            seen += played.seen
            if played.wrong:
                print(*played.wrong, sep="\n")
                more = " --restart-postgres" if restarts else f" --db {db}"
                print(f"violated with --seed {seed} --rounds 1 --tasks {count}{more}; what it left is in {folder}")
                return 1
            places.drop(folder)
            if number % 10 == 0:
                print(f"{number} of {len(seeds)} rounds, {time.monotonic() - begun:.0f} s", flush=True)
    finally:
        places.close()
    print(f"{len(seeds)} rounds of {count} tasks on {db} (seeds {seeds[0]} to {seeds[-1]}): no violation")
    print(*(f"  {name}: {seen[name]}" for name in sorted(seen)), sep="\n")
    return 0


def main() -> int:
    """Return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, help="how many (50; with --quick 3)")
    parser.add_argument("--tasks", type=int, default=40, help="in a plan (40)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (0)")
    parser.add_argument("--db", default="sqlite", help="`sqlite`, `postgres` (a server of our own), or a server's URL")
    parser.add_argument("--restart-postgres", action="store_true", help="restart the server instead of killing")
    given = parser.parse_args()
    rounds = given.rounds or (3 if given.quick else 50)
    db = "postgres" if given.restart_postgres else given.db
    return play_rounds(range(given.seed, given.seed + rounds), given.tasks, db, given.restart_postgres)


if __name__ == "__main__":
    sys.exit(main())
