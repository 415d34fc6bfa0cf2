"""What the measurements share: options, where the data is, timing, tables."""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fanwise.graph.checkpoints import open_checkpointer

ROOT = Path(__file__).resolve().parent.parent


class Cost(NamedTuple):
    """What one run took, in seconds."""

    wall: float
    cpu: float
    """Of the whole process, its threads included."""


def options(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all scripts have."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a short version, for a first look")
    return parser


def shared_data(name: str) -> Path:
    """Return where a data set is; without it, say so and end the script as done."""
    folder = Path(os.environ.get("FANWISE_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / name).exists():
        print(f"skipped: there is no {name} in ../shared/data; set FANWISE_SHARED_DATA to the folder that has it")
        raise SystemExit(0)
    return folder / name


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a table; numbers to the right."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(head), *cells]) for column in range(len(head))]
    for line in [list(head), *cells]:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]), flush=True)


def verdicts(goals: Iterable[tuple[str, float, float]]) -> None:
    """Print each goal: its name, the figure measured, and the largest that meets it."""
    for name, measured, limit in goals:
        print(f"{'met   ' if measured <= limit else 'MISSED'}  {name}: {measured:.3f} (goal: at most {limit:.3g})")


async def timed(work: Callable[[], Awaitable[Any]]) -> tuple[Any, Cost]:
    """Return what some work returns, and what it cost.

    Garbage of earlier runs is gone before it begins, and what is left (all imported modules, mostly) is kept out of
    the collector's sight: a full collection costs as much as hundreds of tasks, and falls into one run or the other
    by chance. What the run itself makes is collected, and counts.
    """
    gc.collect()
    gc.freeze()
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        value = await work()
        return value, Cost(time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        gc.unfreeze()


def saver(kind: str) -> AbstractAsyncContextManager[Any]:
    """Open a new, empty checkpointer: `memory`, or in a file of its own `sqlite` (LangGraph's), `own` (Fanwise's)."""
    return {"sqlite": _sqlite, "own": _own, "memory": _memory}[kind]()


@asynccontextmanager
async def _memory() -> Any:
    yield InMemorySaver()


@asynccontextmanager
async def _own() -> Any:
    with TemporaryDirectory(prefix="fanwise-bench-") as folder:
        async with open_checkpointer(str(Path(folder) / "runs.db")) as opened:
            yield opened


@asynccontextmanager
async def _sqlite() -> Any:
    with TemporaryDirectory(prefix="fanwise-bench-") as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "runs.db")) as opened:
            await opened.setup()
            yield opened
