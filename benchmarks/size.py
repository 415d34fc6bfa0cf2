"""How large does the database grow, beside LangGraph alone?

1,000 tasks with outputs of 2 KB side by side, and chains of 50 and 100 phases of 20 tasks whose outputs have 200 bytes;
each on Fanwise's graph (`dataflow` and `phased`) and on the bare one (`bare.py`: `Send`, and a reducer that merges
dicts), in a SQLite file and, where `--postgres` or `FANWISE_TEST_POSTGRES` names a server, in PostgreSQL. Outputs are
random letters, which hardly compress.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

from bare import bare_graph, output_of
from common import options, table, verdicts
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from fanwise.graph import build_graph, specialist
from fanwise.graph.checkpoints import open_checkpointer
from fanwise.state import Task

CONFIG: Any = {"configurable": {"thread_id": "bench"}, "recursion_limit": 100_000}

GRAPHS = ("dataflow", "phased", "bare")

WIDTH = 20
"""Tasks in a phase."""


class Size(NamedTuple):
    """What one run left in a database, in bytes."""

    total: int
    """File or tables with their indexes."""
    packed: int
    """The file after `VACUUM`; the tables as they are."""
    parts: dict[str, int]
    """Values alone, by table and channel."""


@specialist("noop")
async def noop(task: Task) -> str | None:
    """Return the output that the task's input asks for."""
    return output_of({"id": task.id, "input": task.input})


def wide(count: int, size: int) -> list[dict[str, Any]]:
    """Return tasks side by side whose outputs have a size."""
    return [{"id": f"t{index}", "specialist": "noop", "input": {"bytes": size}} for index in range(count)]


def phases(count: int, size: int, needs: int) -> list[dict[str, Any]]:
    """Return phases of tasks, each of which waits for some of the phase before."""
    tasks: list[dict[str, Any]] = []
    for phase in range(count):
        for index in range(WIDTH):
            before = [f"p{phase - 1}-{(index + step) % WIDTH}" for step in range(needs)] if phase else []
            task = {"id": f"p{phase}-{index}", "specialist": "noop", "input": {"bytes": size}}
            tasks.append({**task, "depends_on": before} if before else task)
    return tasks


async def run_on(saver: Any, graph: str, tasks: list[dict[str, Any]]) -> None:
    """Run tasks on one of the graphs."""
    if graph == "bare":
        output = await bare_graph(saver).ainvoke({"tasks": tasks}, CONFIG)
    else:
        plan = {"config": {"schedule": graph}, "tasks": tasks}
        output = await build_graph([noop], checkpointer=saver).ainvoke({"plan": plan}, CONFIG)
    ended = [result["status"] for result in output["results"].values()]
    assert ended == ["succeeded"] * len(tasks), f"{len(ended)} results of {len(tasks)} tasks"


async def in_sqlite(graph: str, tasks: list[dict[str, Any]]) -> Size:
    """Return what a run leaves in a SQLite file."""
    with TemporaryDirectory(prefix="fanwise-bench-") as folder:
        path = Path(folder) / "runs.db"
        async with open_checkpointer(str(path)) as saver:
            await run_on(saver, graph, tasks)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            total = path.stat().st_size
            parts = _sqlite_parts(connection)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Size(total, path.stat().st_size, parts)


def _sqlite_parts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return bytes by table and channel; SQLite keeps a checkpoint's channels in one value, which is taken apart."""
    serde, parts = JsonPlusSerializer(), Counter[str]()
    for kind, value, metadata in connection.execute("SELECT type, checkpoint, metadata FROM checkpoints"):
        inside = 0
        for channel, held in serde.loads_typed((kind, value))["channel_values"].items():
            length = len(serde.dumps_typed(held)[1])
            parts[f"checkpoints.{_named(channel)}"] += length
            inside += length
        parts["checkpoints: ids, versions"] += len(value) - inside + len(metadata)
    for channel, length in connection.execute("SELECT channel, sum(length(value)) FROM writes GROUP BY channel"):
        parts[f"writes.{_named(channel)}"] += length
    keys = "thread_id || checkpoint_ns || checkpoint_id || task_id || task_path || channel"
    (length,) = connection.execute(f"SELECT sum(length({keys})) FROM writes").fetchone()
    parts["writes: keys (without their index)"] += length
    return dict(parts)


async def in_postgres(server: str, graph: str, tasks: list[dict[str, Any]]) -> Size:
    """Return what a run leaves in a schema of its own on a PostgreSQL server."""
    import psycopg

    schema = f"bench_{uuid4().hex[:12]}"
    mark = "&" if "?" in server else "?"
    url = f"{server}{mark}options={quote(f'-csearch_path={schema}')}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")  # type: ignore[arg-type]  # a name that we made
        try:
            async with open_checkpointer(url) as saver:
                await run_on(saver, graph, tasks)
            connection.execute(f"SET search_path = {schema}")  # type: ignore[arg-type]  # as above
            total = _one(connection, f"SELECT sum(pg_total_relation_size(name::regclass)) FROM {TABLES}")
            return Size(total, total, _postgres_parts(connection))
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]  # as above


TABLES = "(VALUES ('checkpoints'), ('checkpoint_blobs'), ('checkpoint_writes')) AS tables (name)"


def _one(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _postgres_parts(connection: Any) -> dict[str, int]:
    parts = Counter[str]()
    parts["checkpoints: ids, versions, small values"] = _one(
        connection, "SELECT sum(pg_column_size(checkpoint) + pg_column_size(metadata)) FROM checkpoints"
    )
    for name in ("blobs", "writes"):
        query = f"SELECT channel, coalesce(sum(pg_column_size(blob)), 0) FROM checkpoint_{name} GROUP BY channel"
        for channel, length in connection.execute(query):
            parts[f"{name}.{_named(channel)}"] += int(length)
    return dict(parts)


def _named(channel: str) -> str:
    """Return a channel's name, those of edges as one."""
    return "(edges)" if channel.startswith(("branch:", "join:")) else channel


async def sizes_of(place: str, tasks: list[dict[str, Any]]) -> dict[str, Size]:
    """Return what each graph leaves for the same tasks in `sqlite`, or on the server that is named."""
    if place == "sqlite":
        return {graph: await in_sqlite(graph, tasks) for graph in GRAPHS}
    return {graph: await in_postgres(place, graph, tasks) for graph in GRAPHS}


def show_parts(sizes: dict[str, Size], least: int = 2000) -> None:
    """Print what takes how much, the largest first."""
    names = sorted({name for size in sizes.values() for name in size.parts}, key=lambda name: -_most(sizes, name))
    rows = [[name, *(_kb(size.parts.get(name, 0)) for size in sizes.values())] for name in names]
    table(["part, KB", *sizes], [row for row, name in zip(rows, names, strict=True) if _most(sizes, name) >= least])


def _most(sizes: dict[str, Size], name: str) -> int:
    return max(size.parts.get(name, 0) for size in sizes.values())


def _kb(count: float) -> str:
    return f"{count / 1000:,.1f}"


async def compare(place: str, name: str, tasks: list[dict[str, Any]]) -> dict[str, Size]:
    """Run the same tasks on all graphs, and print the table and the parts."""
    sizes = await sizes_of(place, tasks)
    payload = sum(task["input"]["bytes"] for task in tasks)
    kind = place.partition(":")[0]
    print(f"\n{kind}, {name}: {len(tasks)} tasks, outputs {_kb(payload)} KB")
    rows: list[list[Any]] = []
    for graph, size in sizes.items():
        over = size.packed / payload, size.packed / sizes["bare"].packed
        rows.append([graph, _kb(size.total), _kb(size.packed), size.packed / len(tasks) / 1000, *over])
    table(["graph", "KB", "after VACUUM", "KB per task", "over outputs", "over bare"], rows)
    show_parts(sizes)
    return sizes


async def growth(counts: Iterable[int], needs: int) -> None:
    """Print what a task takes in ever longer phased runs: the part that is quadratic shows there."""
    rows: list[list[Any]] = []
    for count in counts:
        size = await in_sqlite("phased", phases(count, 200, needs))
        held = size.parts.get("checkpoints.results", 0)
        rows.append([count, _kb(size.packed), size.packed / count / WIDTH / 1000, _kb(held), held / size.packed])
    print("\nsqlite, phased, ever more phases")
    table(["phases", "KB", "KB per task", "KB of results in checkpoints", "their part"], rows)


async def measure(places: Iterable[str], needs: int, scale: int) -> None:
    """Measure everything, in each place."""
    goals: list[tuple[str, float, float]] = []
    for place in places:
        kind = place.partition(":")[0]
        await compare(place, "side by side, 2 KB", wide(1000 // scale, 2000))
        short = await compare(place, f"{50 // scale} phases", phases(50 // scale, 200, needs))
        long = await compare(place, f"{100 // scale} phases", phases(100 // scale, 200, needs))
        times = {graph: long[graph].packed / short[graph].packed for graph in GRAPHS}
        print(f"twice the phases take, bare: {times['bare']:.3f} as much")
        goals += [(f"{kind}, {graph}: twice the phases take", times[graph], 2.2) for graph in GRAPHS if graph != "bare"]
    await growth([count // scale for count in (50, 100, 200, 400)], needs)
    print()
    verdicts(goals)


def main() -> int:
    """Return the exit code."""
    parser = options(__doc__)
    parser.add_argument("--postgres", default=os.environ.get("FANWISE_TEST_POSTGRES"), help="URL of a server")
    parser.add_argument("--needs", type=int, default=2, help="tasks of the phase before that each waits for (2)")
    given = parser.parse_args()
    places = ["sqlite", *([given.postgres] if given.postgres else [])]
    asyncio.run(measure(places, given.needs, 5 if given.quick else 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
