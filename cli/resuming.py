"""`fanwise resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import (
    db_option,
    deadline_option,
    max_parallel_option,
    output_options,
    specialists_option,
    thread_id,
    trace_option,
)

if TYPE_CHECKING:
    from ..nodes.specialist import Specialist
    from ..schema.results import Report
    from .job import Job
    from .progress import Progress


@click.command("resume")
@click.argument("thread", type=thread_id)
@output_options
@db_option
@max_parallel_option
@deadline_option
@trace_option
@specialists_option
def resume_command(thread: str, **options: Any) -> int:
    """Go on with a run after a stop or a crash.

    Finished tasks are not run again. A run that is over is just shown.
    """
    import asyncio

    from .finish import finish
    from .job import Job
    from .output import results_only
    from .user_code import load_specialists

    job = Job.of(thread, options)
    with results_only():
        specialists = load_specialists(job.specialist_sources)
        report = asyncio.run(_resume(job, specialists))
    return finish(report, job)


async def _resume(job: Job, specialists: list[Specialist]) -> Report:
    from ..graph.builder import build_graph
    from ..graph.checkpoints import open_checkpointer
    from ..schema.errors import RunError
    from .drive import drive
    from .output import say
    from .progress import Progress
    from .stored import missing_specialists, stored_plan, stored_report
    from .traces import Traces

    async with open_checkpointer(job.db, must_exist=True) as saver:
        plan = await stored_plan(saver, job.thread_id)
        progress = Progress()
        if plan is not None:
            before = await stored_report(saver, job.thread_id, plan)
            if before.status not in ("interrupted", "paused"):
                if not job.quiet:
                    say(f"the run {job.thread_id} is over: there is nothing to resume")
                return before
            if missing := missing_specialists(plan, before, specialists):
                raise RunError(
                    f"the run {job.thread_id!r} needs specialists that are not here: {', '.join(missing)}; "
                    "give the code that has them with --specialists FILE.py"
                )
            progress = _progress(before)
        traces = Traces(job.thread_id, job.trace_dir, plan)
        graph = build_graph(specialists, checkpointer=saver)
        report = await drive(graph, None, job, progress, traces)
    traces.finish(report)
    return report


def _progress(before: Report) -> Progress:
    """Return where a stopped run stands."""
    from collections import Counter

    from .progress import Progress

    ended = {r.task_id: r.status for r in before.results.values() if r.status not in ("pending", "paused")}
    return Progress(total=len(before.results), done=len(ended), finished=set(ended), counts=Counter(ended.values()))
