"""`fanwise runs`: the runs in a database, and the end of old ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from .kinds import Age, age
from .options import db_option, json_option
from .showing import when

if TYPE_CHECKING:
    from ..schema.results import Report


@click.command("runs")
@click.option("--limit", type=click.IntRange(min=1), default=20, metavar="N", help="At most so many [20].")
@click.option("--prune", is_flag=True, help="Delete old runs, with all that belongs to them; needs --older-than.")
@click.option("--older-than", type=age, metavar="AGE", help="How long a run has lain still: 30d, 12h, 90m.")
@click.option("--yes", is_flag=True, help="Delete without asking; a script is not asked.")
@json_option
@db_option
def runs_command(limit: int, prune: bool, older_than: Age | None, yes: bool, as_json: bool, db: str) -> int:
    """List the runs in the database, newest first, or delete old ones."""
    import asyncio

    from .output import Column, print_json, put, say, table

    if prune != (older_than is not None):
        raise click.UsageError("--prune and --older-than go together", click.get_current_context())
    if older_than is not None:
        return _prune(db, older_than, ask=not yes, as_json=as_json)
    rows = asyncio.run(_list(db, limit))
    if as_json:
        print_json(rows)
        return 0
    columns = [
        Column("thread"),
        Column("status"),
        Column("done", right=True),
        Column("started", optional=True),
        Column("request or plan", optional=True),
    ]
    if not rows:
        say("no runs yet")
        return 0
    put(table(columns, [[r["thread_id"], r["status"], _done(r), when(r["started_at"]), _about(r)] for r in rows]))
    return 0


async def _list(db: str, limit: int) -> list[dict[str, Any]]:
    from ..graph.checkpoints import list_threads, open_database
    from ..graph.run import report
    from ..graph.viewing import as_live, viewing_graph
    from ..runs.stored import stored_plan

    async with open_database(db, must_exist=True) as database:
        saver, live = database.saver, await database.leases.live()
        found = [(thread, at, await stored_plan(saver, thread)) for thread, at in await list_threads(saver, limit)]
        graph = viewing_graph(database, [plan for _, _, plan in found if plan is not None])
        rows = []
        for thread, started, plan in found:
            made = as_live(await report(graph, thread, whole=False), live) if plan is not None else None
            rows.append(_row(thread, started, plan or {}, made, "running" if thread in live else "interrupted"))
        return rows


def _row(thread: str, started: str, plan: Any, report: Report | None, unplanned: str) -> dict[str, Any]:
    results = report.results.values() if report else ()
    return {
        "thread_id": thread,
        "status": report.status if report else unplanned,
        "name": plan.get("name"),
        "request": plan.get("request") or None,
        "tasks": len(results),
        "done": sum(result.status not in ("pending", "running", "paused") for result in results),
        "started_at": started,
    }


def _done(row: dict[str, Any]) -> str:
    return f"{row['done']}/{row['tasks']}" if row["tasks"] else "-"


def _about(row: dict[str, Any]) -> str:
    return row["request"] or row["name"] or ("a plan without a name" if row["tasks"] else "not planned yet")


def _prune(db: str, older_than: Age, *, ask: bool, as_json: bool) -> int:
    """Delete the runs that have lain still for so long, and say how many and how much space that gave back."""
    import asyncio
    import sys

    from ..graph.checkpoints import open_database, prune, without_password
    from .output import print_json, put

    async def pruned() -> list[str]:
        async with open_database(db, must_exist=True) as database:
            return await prune(database, older_than.duration)

    if ask and sys.stdin.isatty():
        question = f"delete all runs in {without_password(db)} that have lain still for {older_than.text}?"
        click.confirm(question, abort=True, err=True)
    before = _size(db)
    deleted = asyncio.run(pruned())
    after = _size(db)
    freed = None if before is None or after is None else max(0, before - after)
    if as_json:
        print_json({"deleted": deleted, "freed_bytes": freed})
    else:
        space = "" if freed is None else f", {_bytes(freed)} given back"
        put(f"{len(deleted)} run{'s' * (len(deleted) != 1)} deleted{space}")
    return 0


def _size(db: str) -> int | None:
    """Return the bytes of a SQLite database and of what stands beside it; `None` for any other."""
    path = db.removeprefix("sqlite:///")
    if "://" in path:
        return None
    folder, name = os.path.split(os.path.expanduser(path))
    stem, suffix = os.path.splitext(name)
    files = [file + end for file in (name, f"{stem}.outputs{suffix}") for end in ("", "-wal", "-shm")]
    places = [os.path.join(folder, file) for file in files]
    return sum(os.path.getsize(place) for place in places if os.path.exists(place))


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
