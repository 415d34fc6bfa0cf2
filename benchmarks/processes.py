"""Runs on several server processes over one PostgreSQL and one Redis, of which one is killed again and again.

The servers are `aegra-api`, an open-source server of LangGraph's protocol, in an environment of their own (Python
3.12; made once, in `.fanwise/`). Clients give plans to any of them and listen to their streams through another one; the
process that executes a run is killed (SIGKILL) at random moments, and started anew. Each execution of a task is noted
outside, in a file. Checked:

- every run succeeds, and every task's output is right: it is derived from the task and its dependencies' outputs;
- no task whose result was saved when its process was dead, as the database showed it then, begins again;
- a task begins again only where the process that had it was killed since: at most once more for each kill, never while
  another process has it;
- a stream that was open on a process that lives goes on;
- a cancel through another process reaches the tasks, and the run goes on from what is saved;
- a question asked in one process is answered through another one, the first being dead, and outlives another kill.

Exit code 1 where a check fails. Needs the programs of PostgreSQL and Redis, and Python 3.12; says so where they lack.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from common import ROOT, options, table
from processes_notes import violations
from processes_servers import MissingError, Servers, needed
from processes_steps import answered_elsewhere, cancelled_elsewhere
from processes_trial import Trial


async def play(trial: Trial, kills: int, at_once: int, tasks: int) -> None:
    """Keep some runs going, and kill and restart the process that executes one, until it was done often enough."""
    done = asyncio.Event()

    async def keep_going() -> None:
        while not done.is_set():
            for _ in range(at_once - len(trial.going)):
                await trial.give(tasks)
            await asyncio.sleep(0.1)

    async def disturb() -> None:
        for _ in range(kills):
            await asyncio.sleep(trial.rng.uniform(0, 1.5))
            await trial.kill_executing()
        done.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(keep_going())
        group.create_task(disturb())
    await trial.ended()


async def measure(trial: Trial, kills: int, at_once: int, tasks: int) -> int:
    """Play it, print what was seen, and return the exit code."""
    await trial.servers.start()
    began = time.monotonic()
    async with trial:
        await play(trial, kills, at_once, tasks)
        trial.told.append(
            f"{len(trial.kills)} kills in {time.monotonic() - began:.0f} s, the others in the steps below"
        )
        trial.told.append(pauses_told(trial.pauses))
        trial.told.append(await cancelled_elsewhere(trial))
        trial.told.append(await answered_elsewhere(trial))
        for run in trial.runs:
            await trial.check(run)
    trial.wrong += violations(trial.notes.read(), trial.kills)
    print_seen(trial)
    return 1 if trial.wrong else 0


def pauses_told(pauses: Sequence[float]) -> str:
    """Return in words how long runs stood still."""
    seconds = f"median {statistics.median(pauses):.1f}, most {max(pauses):.1f}" if pauses else "none"
    return f"runs that these hit: {len(pauses)}; seconds until another process went on: {seconds}"


def print_seen(trial: Trial) -> None:
    """Print the table, and what there is to be said of it."""
    begun = sum(len(known) for known in trial.notes.executions.values())
    twice = sum("was saved" in line for line in trial.wrong)
    head = ["processes", "kills", "runs", "tasks", "executions", "done again", "saved and done again", "lost"]
    counts = len(trial.servers.all), len(trial.kills), len(trial.runs), trial.count
    table(head, [(*counts, begun, trial.notes.again, twice, trial.lost)])
    lags, streams = trial.unsaved, trial.streams
    print(f"ended and not saved when the process died: {len(lags)} tasks", end="")
    print(f", which had ended at most {max(lags) * 1000:.0f} ms before" if lags else "")
    print(f"streams over a process that lived: {streams.lived}, of these went on: {streams.went_on}; ", end="")
    print(f"over the one that was killed, and joined again: {streams.rejoined}")
    print(f"not told by a stream: {streams.missed} of {trial.streamed} results one by one, ", end="")
    print(f"{streams.untold} of {len(trial.runs)} ends, which the run's status told")
    print(*trial.told, sep="\n")
    print(*(f"WRONG  {line}\n" for line in trial.wrong), sep="", end="")
    print("violated" if trial.wrong else "no violation")


def main() -> int:
    """Return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--processes", type=int, default=2, choices=(2, 3), help="how many servers (2)")
    parser.add_argument("--kills", type=int, help="how many (20; with --quick 3)")
    parser.add_argument("--tasks", type=int, help="in a plan (40; with --quick 20)")
    parser.add_argument("--at-once", type=int, default=4, help="runs that are under way (4)")
    parser.add_argument("--lease", type=int, default=6, help="seconds after which a run of a dead process is free (6)")
    parser.add_argument("--durability", choices=("sync", "async"), help="of the runs (the server's default: async)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--cache", type=Path, default=ROOT / ".fanwise" / "benchmarks", help="where environments are")
    parser.add_argument("--keep", action="store_true", help="keep the folder with notes and logs")
    given = parser.parse_args()
    try:
        needed()
    except MissingError as error:
        print(f"skipped: {error}")
        return 0
    warnings.filterwarnings("ignore", "Reconnecting without a Last-Event-ID")  # nothing had come before the kill
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped then too
    folder = Path(tempfile.mkdtemp(prefix="fanwise-processes-"))
    servers = Servers(folder, given.cache, given.processes, given.lease)
    kills = given.kills if given.kills is not None else (3 if given.quick else 20)
    code = 1
    try:
        trial = Trial(servers, random.Random(given.seed), given.durability)
        code = asyncio.run(measure(trial, kills, given.at_once, given.tasks or (20 if given.quick else 40)))
    finally:
        servers.remove()
        if given.keep or code:
            print(f"notes and logs: {folder}")
        else:
            shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
