"""`fanwise show`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .kinds import thread_id
from .options import db_option, json_option

if TYPE_CHECKING:
    from ..graph.again import Moment
    from ..runs.setup import Setup
    from ..schema.results import Report, Review, TaskResult
    from .job import Job


Titles = Mapping[str, str]
"""What the plan's tasks are called, by id; empty where they have no title."""


@click.command("show")
@click.argument("thread", type=thread_id)
@click.option("--task", "task_id", metavar="ID", help="Show one task, with its whole output.")
@click.option("--question", metavar="ID", help="Show one open question, with the whole of what it is about.")
@click.option("--history", is_flag=True, help="List the checkpoints, at which the run can be forked.")
@json_option
@db_option
def show_command(thread: str, task_id: str | None, question: str | None, history: bool, as_json: bool, db: str) -> int:
    """Show the state and the results of a run. The exit code tells whether it could be shown, not how the run ended."""
    import asyncio

    from .job import Job
    from .output import print_json, put

    if (task_id is not None) + (question is not None) + history > 1:
        raise click.UsageError("give one of --task, --question and --history", click.get_current_context())
    job = Job(thread, db=db)
    if history:
        return _show_history(job, asyncio.run(_history(job)), as_json=as_json)
    report, titles, setup, is_known = asyncio.run(_load(job, whole=as_json or task_id is not None))
    job = replace(job, setup=setup)
    if task_id is not None:
        result = _task(report, task_id)
        shown, text = result.model_dump(mode="json"), _task_text(result, report, job, titles)
    elif question is not None:
        shown, text = _question(report, question)
    else:
        shown, text = report.model_dump(mode="json"), _text(report, job, titles, is_known=is_known)
    if as_json:
        print_json(shown)
    else:
        put(text)
    return 0


async def _load(job: Job, *, whole: bool) -> tuple[Report, Titles, Setup, bool]:
    """Return a run's report, its tasks' titles, what it was worked at with, and whether that is known or not needed."""
    from ..graph.checkpoints import open_database
    from ..graph.viewing import as_live, stored_report
    from ..nodes.specialists import PLAIN
    from ..runs.setup import Setup
    from ..runs.stored import noted_setup, stored_plan
    from ..schema.errors import RunError

    async with open_database(job.db, must_exist=True) as database:
        plan = await stored_plan(database.saver, job.thread_id)
        if plan is None:
            raise RunError(
                f"the run {job.thread_id!r} was stopped before it had a plan: `{job.command('resume')}` goes on with it"
            )
        report = await stored_report(database, job.thread_id, plan, whole=whole)
        titles = {task["id"]: task.get("title") or "" for task in plan["tasks"]}
        setup = await noted_setup(database.history, job.thread_id)
        is_known = setup is not None or {task["specialist"] for task in plan["tasks"]} <= set(PLAIN)
        return as_live(report, await database.leases.live()), titles, setup or Setup(), is_known


async def _history(job: Job) -> list[Moment]:
    from ..graph.again import history
    from ..graph.checkpoints import open_database
    from ..graph.viewing import viewing_graph
    from ..runs.stored import stored_plan

    async with open_database(job.db, must_exist=True) as database:
        plan = await stored_plan(database.saver, job.thread_id)
        return [] if plan is None else await history(viewing_graph(database, [plan]), job.thread_id)


def _show_history(job: Job, moments: list[Moment], *, as_json: bool) -> int:
    from .output import Column, print_json, put, say, table

    if as_json:
        print_json([moment._asdict() for moment in moments])
        return 0
    columns = [Column("checkpoint"), Column("done", right=True), Column("at", optional=True), Column("next")]
    rows = [
        [moment.checkpoint_id, f"{moment.done}/{moment.total}", when(moment.at), ", ".join(moment.next) or "-"]
        for moment in moments
    ]
    put(table(columns, rows))
    if moments:
        say(f"to try something else from one of them: {job.command('fork')} --at CHECKPOINT")
    return 0


def _question(report: Report, name: str) -> tuple[Any, str]:
    """Return one open question as JSON and as text."""
    from ..runs.question_text import about, body
    from ..runs.questions import all_asked
    from .answers import meant
    from .output import line_width

    asked = meant(name, all_asked(report.interrupts), "--question")
    lines = [f"question {asked.id}: {about(asked)}", *body(asked, line_width(), None)]
    return {"id": asked.id, "task_id": asked.task_id, "value": asked.value}, "\n".join(lines)


def _task(report: Report, task_id: str) -> TaskResult:
    from ..schema.errors import RunError
    from ..schema.words import Nearest, listed

    if task_id in report.results:
        return report.results[task_id]
    hint = Nearest(report.results).hint(task_id, f"; its tasks: {listed(list(report.results))}")
    raise RunError(f"the run {report.thread_id!r} has no task {task_id!r}{hint}")


def _text(report: Report, job: Job, titles: Titles, *, is_known: bool = True) -> str:
    from ..nodes.summary.text import clean_lines, seconds
    from .finish import counts, open_questions, used, what_next
    from .output import Column, table, wrapped

    columns = [
        Column("task"),
        Column("title", optional=True, sparse=True),
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
            titles[result.task_id],
            result.specialist,
            result.status.replace("_", " "),
            str(result.attempts or "-"),
            seconds(result.queued_s) if result.attempts else "-",
            seconds(result.duration_s) if result.attempts else "-",
            result.error or _short(result),
        ]
        for result in report.results.values()
    ]
    notes = "\n".join([*(f"warning: {text}" for text in report.warnings), counts(report), *used(report)])
    parts = [table(columns, rows), *(wrapped(clean_lines(part)) for part in (notes, report.summary.text))]
    if report.interrupts:
        parts.append(open_questions(report, job))
    if next_steps := what_next(report, job):
        asked = [] if is_known else ["with the options that the run was started with: --model, --specialists, ..."]
        parts.append("\n".join([*next_steps, *asked]))
    return "\n\n".join(parts)


def _task_text(result: TaskResult, report: Report, job: Job, titles: Titles) -> str:
    from ..nodes.summary.text import clean_lines, seconds

    fields = [
        ("task", result.task_id),
        *((("title", title),) if (title := titles[result.task_id]) else ()),
        ("specialist", result.specialist),
        ("status", result.status + (" (fallback)" if result.fallback else "")),
        ("attempts", str(result.attempts)),
        ("queued", seconds(result.queued_s)),
        ("took", seconds(result.duration_s)),
        ("started", result.started_at or "-"),
        ("finished", result.finished_at or "-"),
        ("error", result.error or "-"),
        *((("worked at", str(result.remote)),) if result.remote else ()),
        *(("reviewed", line) for review in result.reviews for line in _review_lines(review)),
        *(("waits", line) for line in _waits(result, report, job)),
    ]
    if result.output_ref is None:
        output = result.output if isinstance(result.output, str) else _json(result.output, indent=2)
    else:
        lost = f"the output of task {result.task_id!r} "
        output = "\n".join(text for text in report.warnings if text.startswith(lost)) or _short(result)
    return clean_lines("\n".join([*(f"{name:<11} {value}" for name, value in fields), "output", output]))


def _review_lines(review: Review) -> list[str]:
    """Return what a person decided, when, and what that changed."""
    at = f"{when(review.at)} " if review.at else ""
    how = " by default" if review.by_default else ""
    lines = [f"{at}{review.when}: {review.decision}{how}{f', {review.message}' if review.message else ''}"]
    if review.input is not None:
        lines.append(f"  with the input {_cut(_json(review.input))}")
    if review.replaced is not None:
        lines.append(f"  the output was {_cut(_json(review.replaced))}")
    return lines


def _waits(result: TaskResult, report: Report, job: Job) -> list[str]:
    """Return what a task waits for, where that is a person, and how to see its questions."""
    from ..runs.questions import all_asked

    show = f"{job.command('show')} --question"
    lines = [
        f"for a person: `{show} {asked.short}` shows the question"
        for asked in all_asked(report.interrupts)
        if asked.task_id == result.task_id
    ]
    if any(question.task_id == result.task_id for question in report.answered):
        lines.append("for the run to go on: its question is answered, the answer is kept")
    return lines


def _cut(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _short(result: TaskResult) -> str:
    output = result.output
    if result.output_ref is not None:
        return f"{result.output_ref.bytes:,} bytes, kept apart; --task shows them"
    if output is None:
        return ""
    return (output if isinstance(output, str) else _json(output))[:400]


def when(moment: str) -> str:
    """Return a moment in UTC, to the second."""
    return moment[:19].replace("T", " ") + "Z"
