"""`fanwise show` and `fanwise runs`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .options import db_option, json_option, thread_id

if TYPE_CHECKING:
    from ..schema.results import Report, TaskResult


@click.command("show")
@click.argument("thread", type=thread_id)
@click.option("--task", "task_id", metavar="ID", help="Show one task, with its whole output.")
@json_option
@db_option
def show_command(thread: str, task_id: str | None, as_json: bool, db: str) -> int:
    """Show the state and the results of a run. The exit code tells whether it could be shown, not how the run ended."""
    import asyncio

    from .output import print_json, put

    report = asyncio.run(_load(thread, db))
    if task_id is not None:
        result = _task(report, task_id)
        if as_json:
            print_json(result.model_dump(mode="json"))
        else:
            put(_task_text(result))
    elif as_json:
        print_json(report.model_dump(mode="json"))
    else:
        put(_text(report))
    return 0


async def _load(thread: str, db: str) -> Report:
    from ..graph.checkpoints import open_checkpointer
    from ..schema.errors import RunError
    from .stored import stored_plan, stored_report

    async with open_checkpointer(db, must_exist=True) as saver:
        plan = await stored_plan(saver, thread)
        if plan is None:
            raise RunError(
                f"the run {thread!r} was stopped before it had a plan: `fanwise resume {thread}` goes on with it"
            )
        return await stored_report(saver, thread, plan)


def _task(report: Report, task_id: str) -> TaskResult:
    from ..schema.errors import RunError
    from ..schema.words import Nearest, listed

    if task_id in report.results:
        return report.results[task_id]
    hint = Nearest(report.results).hint(task_id, f"; its tasks: {listed(list(report.results))}")
    raise RunError(f"the run {report.thread_id!r} has no task {task_id!r}{hint}")


def _text(report: Report) -> str:
    from .finish import counts
    from .output import Column, clean_lines, seconds, table, wrapped

    columns = [
        Column("task"),
        Column("specialist", optional=True),
        Column("status"),
        Column("attempts", right=True, optional=True),
        Column("queued", right=True, optional=True),
        Column("took", right=True),
        Column("error or output"),
    ]
    rows = [
        [
            result.task_id,
            result.specialist,
            result.status.replace("_", " "),
            str(result.attempts or "-"),
            seconds(result.queued_s) if result.attempts else "-",
            seconds(result.duration_s) if result.attempts else "-",
            result.error or _short(result.output),
        ]
        for result in report.results.values()
    ]
    notes = "\n".join([*(f"warning: {text}" for text in report.warnings), counts(report)])
    return "\n\n".join([table(columns, rows), *(wrapped(clean_lines(part)) for part in (notes, report.summary.text))])


def _task_text(result: TaskResult) -> str:
    from .output import clean_lines, seconds

    fields = [
        ("task", result.task_id),
        ("specialist", result.specialist),
        ("status", result.status + (" (fallback)" if result.fallback else "")),
        ("attempts", str(result.attempts)),
        ("queued", seconds(result.queued_s)),
        ("took", seconds(result.duration_s)),
        ("started", result.started_at or "-"),
        ("finished", result.finished_at or "-"),
        ("error", result.error or "-"),
    ]
    output = (
        result.output if isinstance(result.output, str) else json.dumps(result.output, ensure_ascii=False, indent=2)
    )
    return clean_lines("\n".join([*(f"{name:<11} {value}" for name, value in fields), "output", output]))


def _short(output: Any) -> str:
    if output is None:
        return ""
    return (output if isinstance(output, str) else json.dumps(output, ensure_ascii=False))[:400]


@click.command("runs")
@click.option("--limit", type=click.IntRange(min=1), default=20, metavar="N", help="At most so many [20].")
@json_option
@db_option
def runs_command(limit: int, as_json: bool, db: str) -> int:
    """List the runs in the database, newest first."""
    import asyncio

    from .output import Column, print_json, put, say, table

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
    put(table(columns, [[r["thread_id"], r["status"], _done(r), _when(r["started_at"]), _about(r)] for r in rows]))
    return 0


async def _list(db: str, limit: int) -> list[dict[str, Any]]:
    from ..graph.checkpoints import list_threads, open_checkpointer
    from ..graph.run import report
    from .stored import stored_plan, viewing_graph

    async with open_checkpointer(db, must_exist=True) as saver:
        found = [(thread, at, await stored_plan(saver, thread)) for thread, at in await list_threads(saver, limit)]
        graph = viewing_graph(saver, [plan for _, _, plan in found if plan is not None])
        rows = []
        for thread, started, plan in found:
            made = await report(graph, thread) if plan is not None else None
            rows.append(_row(thread, started, plan or {}, made))
        return rows


def _row(thread: str, started: str, plan: Any, report: Report | None) -> dict[str, Any]:
    results = report.results.values() if report else ()
    return {
        "thread_id": thread,
        "status": report.status if report else "interrupted",
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


def _when(moment: str) -> str:
    """Return a moment in UTC, to the second."""
    return moment[:19].replace("T", " ") + "Z"
