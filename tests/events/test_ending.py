"""Reading a log ends where nobody waits for it any more, and before the process does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fanwise.events import open as opening
from fanwise.events.ending import STOP, Stop, Stopped
from fanwise.events.open import open_events
from fanwise.nodes.call import in_thread

SLOW = "SELECT count(*) FROM range(100000) a, range(10000000) b"


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A log that takes a while to read."""
    line = '{{"ts": "2025-03-04T10:{:02d}:00Z", "host": "web-{}", "level": "info", "message": "request {}"}}'
    path = tmp_path / "app.jsonl"
    path.write_text("\n".join(line.format(n % 60, n % 3, n) for n in range(120_000)) + "\n")
    return str(path)


ENDS = """
import asyncio, sys
from fanwise.graph import build_graph
from fanwise.nodes.specialists.equipment import Equipment

async def main(log, specialist, seconds):
    graph = build_graph(equipment=Equipment(events=log))
    given = {"sql": "SELECT count(*) FROM events a, events b"} if specialist == "analyst" else {"events": log}
    task = {"id": "t", "specialist": specialist, "input": given}
    await graph.ainvoke({"plan": {"tasks": [task], "config": {"deadline_s": float(seconds)}}})

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("specialist", ["analyst", "volume"])
@pytest.mark.parametrize("seconds", ["0.05", "0.6"])
def test_a_process_ends_in_the_midst_of_a_log(log: str, specialist: str, seconds: str) -> None:
    """A task that is cut while it opens or asks its log leaves nothing in DuckDB that the process's end breaks on."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS, log, specialist, seconds], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cancelled_caller_ends_the_query(log: str) -> None:
    """What the thread of a cancelled caller does in DuckDB is interrupted at once."""
    store, ended = open_events(log), threading.Event()

    def work() -> None:
        try:
            store.messages(limit=1)
            list(store._execute(SLOW, {}).fetchall())  # type: ignore[attr-defined]
        finally:
            ended.set()

    async def cancelled() -> None:
        waiting = asyncio.ensure_future(in_thread(work, name="slow"))
        await asyncio.sleep(0.3)
        waiting.cancel()
        await asyncio.wait([waiting])

    asyncio.run(cancelled())
    assert ended.wait(5)


def test_who_waits_for_a_log_gets_it_though_its_reader_is_stopped(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that others wait for is not interrupted; where it was stopped all the same, they read it themselves."""
    reading, real = threading.Event(), opening._prepare_all

    def prepared(*given: object) -> object:
        reading.set()
        time.sleep(0.2)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(opening, "_prepare_all", prepared)
    stop, said = Stop(), list[str]()

    def first() -> None:
        STOP.set(stop)
        try:
            open_events(log)
            said.append("opened")
        except Stopped:
            said.append("stopped")

    one = threading.Thread(target=first)
    one.start()
    assert reading.wait(5)
    events: list[int] = []
    other = threading.Thread(target=lambda: events.append(open_events(log).info().events))
    other.start()
    time.sleep(0.05)
    stop.set()
    one.join()
    other.join()
    assert said == ["stopped"] and events == [120_000]
