"""A run belongs to one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import warm

from fanwise.graph.checkpoints import open_database
from fanwise.graph.leases import HeldError, Holder
from fanwise.graph.processes import Process, is_dead, this_process
from fanwise.state import RunError

OTHER = """
import asyncio, sys
from fanwise.graph.checkpoints import open_database
from fanwise.graph.leases import HeldError

async def main(db):
    async with open_database(db) as database:
        print("ready", flush=True)
        while thread := (await asyncio.to_thread(sys.stdin.readline)).strip():
            try:
                async with database.leases.hold(thread):
                    print("held", flush=True)
                    await asyncio.to_thread(sys.stdin.readline)
            except HeldError:
                print("refused", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
            print("free", flush=True)

asyncio.run(main(sys.argv[1]))
"""


class Other:
    """Another process that takes the lease it is told to take."""

    def __init__(self, db: str) -> None:
        self.process = warm.Popen(
            [sys.executable, "-c", OTHER, db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, line: str) -> None:
        """Send it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def says(self) -> str:
        """Return its next answer."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def start_other() -> Iterator[Callable[[str], Other]]:
    """How to start another process; all are ended with the test."""
    started: list[Other] = []

    def start(db: str) -> Other:
        started.append(Other(db))
        return started[-1]

    yield start
    for other in started:
        other.process.kill()
        other.process.communicate()


def test_a_held_run_is_refused_to_others_and_free_afterwards(db: str, go: Any) -> None:
    """The refusal names who holds it; `live` lists it; after the block it can be taken anew."""

    async def scenario() -> None:
        async with open_database(db) as database:
            async with database.leases.hold("run"), database.leases.hold("another"):
                live = await database.leases.live()
                assert set(live) == {"run", "another"} and live["run"].process == this_process()
                with pytest.raises(HeldError, match=rf"'run' is being worked on already, by process {os.getpid()} on"):
                    async with database.leases.hold("run"):
                        raise AssertionError("it was given twice")
            assert await database.leases.live() == {}
            async with database.leases.hold("run") as holder:
                assert holder.thread_id == "run"

    go(scenario())


def test_an_error_in_the_block_comes_through_and_frees_the_run(db: str, go: Any) -> None:
    """Whatever ends the block, a cancellation from outside too, the lease is given back."""

    async def scenario() -> None:
        async with open_database(db) as database:
            with pytest.raises(ValueError, match="mine"):
                async with database.leases.hold("run"):
                    raise ValueError("mine")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), database.leases.hold("run"):
                    await asyncio.sleep(30)
            assert await database.leases.live() == {}

    go(scenario())


@pytest.mark.slow
def test_of_two_processes_at_once_one_gets_it(shared_db: str, start_other: Callable[[str], Other]) -> None:
    """Fifty times, two processes ask at the same moment: one holds it, one is refused."""
    others = [start_other(shared_db), start_other(shared_db)]
    assert [other.says() for other in others] == ["ready", "ready"]
    for number in range(50):
        for other in others:
            other.tell(f"run-{number}")
        assert sorted(other.says() for other in others) == ["held", "refused"]
        for other in others:
            other.tell("")
        assert [other.says() for other in others] == ["free", "free"]


@pytest.mark.slow
def test_what_a_killed_process_held_is_free_at_once(
    shared_db: str, start_other: Callable[[str], Other], go: Any
) -> None:
    """Its signs of life are fresh, yet the process is known to be dead."""
    other = start_other(shared_db)
    assert other.says() == "ready"
    other.tell("run")
    assert other.says() == "held"

    async def take() -> None:
        async with open_database(shared_db) as database:
            if other.process.returncode is None:
                assert set(await database.leases.live()) == {"run"}
                os.kill(other.process.pid, signal.SIGKILL)
            deadline = time.monotonic() + 5
            while await database.leases.live():  # the kernel takes a moment
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            async with database.leases.hold("run"):
                pass

    go(take())


def test_who_is_dead() -> None:
    """A number that is gone, or that another process has by now; nothing is known of other machines."""
    me = this_process()
    assert not is_dead(me)
    assert is_dead(Process(me.host, me.boot, me.pid, "another start"))
    assert not is_dead(Process("elsewhere", me.boot, me.pid, "another start"))
    assert not is_dead(Process(me.host, "another boot", 2**22 + 1, "1"))
    assert is_dead(Process(me.host, me.boot, 2**22 + 1, "1"))
    assert not is_dead(Process(me.host, me.boot, me.pid, ""))


def test_a_process_that_nobody_waited_for_is_dead() -> None:
    """A killed child stays in the table of processes until its parent asks; it holds nothing any more."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = this_process()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # until it has ended, without asking how
    assert is_dead(Process(me.host, me.boot, child.pid, "1"))
    child.communicate()


def _of_another_machine(leases: Any) -> Holder:
    """Take the lease `run` as a process of another machine would."""
    there = Holder("run", Process("elsewhere", "its boot", 7, "1"), "its token", time.time(), 0)
    assert leases.take(there, "")
    return there


def test_another_machines_lease_is_free_when_it_is_stale(shared_db: str, go: Any) -> None:
    """Only time tells there; the refusal says how long it takes."""

    async def scenario() -> None:
        async with open_database(shared_db) as database:
            leases = database.leases
            there = _of_another_machine(leases)
            with pytest.raises(HeldError, match=r"process 7 on elsewhere.*if it is dead, the run is free in \d+ s"):
                async with leases.hold("run"):
                    pass
            leases.stale_s = 0.2
            await asyncio.sleep(0.3)
            assert await leases.live() == {}
            async with leases.hold("run"):
                assert not leases.renew(there)
                leases.release(there)
                assert set(await leases.live()) == {"run"}

    go(scenario())


def test_a_lost_lease_ends_the_block(shared_db: str, go: Any) -> None:
    """When another process has taken over, the work here is cancelled, and the error says who has it."""

    async def scenario() -> bool:
        cancelled = False
        async with open_database(shared_db) as database:
            leases: Any = database.leases
            leases.beat_s = 0.05
            with pytest.raises(RunError, match="'run' was stopped here: it was taken over by process 7 on elsewhere"):
                async with leases.hold("run") as mine:
                    leases.release(mine)
                    _of_another_machine(leases)
                    try:
                        await asyncio.sleep(30)
                    except asyncio.CancelledError:
                        cancelled = True
                        raise
            task = asyncio.current_task()
            assert task is not None and task.cancelling() == 0
            assert set(await leases.live()) == {"run"}, "what the other one holds is left alone"
        return cancelled

    assert go(scenario())


def test_a_cancellation_from_outside_is_not_swallowed(tmp_path: Path, go: Any) -> None:
    """Where the lease is lost and the task is cancelled as well, the task ends as cancelled."""

    async def work() -> None:
        async with open_database(str(tmp_path / "runs.db")) as database:
            leases: Any = database.leases
            leases.beat_s = 0.05
            task = asyncio.current_task()
            async with leases.hold("run") as mine:
                leases.release(mine)
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    assert task is not None
                    task.cancel()
                    raise

    async def scenario() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(work())

    go(scenario())


def test_an_error_while_the_block_ends_for_a_lost_lease_comes_through(tmp_path: Path, go: Any) -> None:
    """What goes wrong in cleaning up is not hidden, and the task can be used on."""

    async def scenario() -> None:
        async with open_database(str(tmp_path / "runs.db")) as database:
            leases: Any = database.leases
            leases.beat_s = 0.05
            with pytest.raises(ValueError, match="in cleaning up"):
                async with leases.hold("run") as mine:
                    leases.release(mine)
                    try:
                        await asyncio.sleep(30)
                    finally:
                        raise ValueError("in cleaning up")
            task = asyncio.current_task()
            assert task is not None and task.cancelling() == 0

    go(scenario())


def test_a_lease_that_can_not_be_renewed_is_lost(tmp_path: Path, go: Any) -> None:
    """When the file can't be written for as long as a lease lives, another process may have taken it."""
    path = tmp_path / "runs.db"

    async def scenario() -> None:
        async with open_database(str(path)) as database:
            leases: Any = database.leases
            leases.beat_s, leases.stale_s = 0.05, 0.4
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                with pytest.raises(RunError, match=r"took no sign of life for 0.4 s \(database is locked\)"):
                    async with leases.hold("run"):
                        other.execute("BEGIN IMMEDIATE")
                        asyncio.get_running_loop().call_later(1.5, other.execute, "ROLLBACK")
                        await asyncio.sleep(30)

    go(scenario())


def test_a_database_that_hangs_loses_the_lease(tmp_path: Path, go: Any) -> None:
    """Where a sign of life is neither taken nor refused, the work ends all the same, and so does the block."""

    async def scenario() -> None:
        async with open_database(str(tmp_path / "runs.db")) as database:
            leases: Any = database.leases
            leases.beat_s, leases.stale_s = 0.05, 0.3
            leases.renew = lambda mine: time.sleep(2) or True
            with pytest.raises(RunError, match=r"took no sign of life for 0.3 s \(it does not answer\)"):
                async with leases.hold("run"):
                    await asyncio.sleep(30)

    began = time.monotonic()
    go(scenario())
    assert time.monotonic() - began < 1.5


def test_a_blocked_event_loop_loses_no_lease(shared_db: str, go: Any) -> None:
    """The signs of life come from a thread: a specialist that blocks the loop keeps its run."""

    async def scenario() -> None:
        async with open_database(shared_db) as database:
            leases: Any = database.leases
            leases.beat_s, leases.stale_s = 0.05, 0.3
            async with leases.hold("run"):
                time.sleep(0.6)  # noqa: ASYNC251  # what a careless specialist does
                assert set(await leases.live()) == {"run"}

    go(scenario())
