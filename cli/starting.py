"""Starting a run on a new thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..graph.checkpoints import open_database
from ..nodes.specialists import known_names
from ..runs.stored import exists
from ..runs.user_code import OwnCode
from ..schema.checks import MAX_TASKS
from ..schema.errors import RunError
from ..schema.plan import Plan
from ..schema.results import Report
from .job import Job
from .person import Person
from .session import Session
from .traces import Traces


async def start(
    job: Job,
    own: OwnCode,
    given: Mapping[str, Any],
    *,
    plan: Plan | None = None,
    folders: Sequence[str] = (),
    max_tasks: int | None = None,
) -> Report:
    """Run what was given on a new thread.

    Args:
        job: this invocation.
        own: the user's own code.
        given: the graph's input.
        plan: the plan, where it is known beforehand.
        folders: folders of the user's workflows.
        max_tasks: the largest number of tasks; the usual limit if not given.

    Raises:
        FanwiseError: it was refused; nothing ran, and nothing is left in the database.
    """
    traces = _traces(job, plan)
    async with open_database(job.db) as database, database.leases.hold(job.thread_id):
        if await exists(database.saver, job.thread_id):
            raise RunError(
                f"there is a run {job.thread_id!r} already: `{job.command('resume')}` goes on with it, "
                f"`{job.command('show')}` shows it; or give another --thread"
            )
        graph = job.setup.build(own, database, workflows=tuple(folders), max_tasks=max_tasks or MAX_TASKS)
        person = Person(known_names(own.specialists), job.command("resume")) if job.interactive else None
        return await Session(job, database, graph, own, traces, person=person).start(given)


def _traces(job: Job, plan: Plan | None) -> Traces | None:
    """Return what writes the traces; `None` where none are wanted."""
    if plan is None:
        return Traces(job.thread_id, job.trace_dir)
    if job.trace_dir is None and plan.config.trace_dir is None:
        return None
    return Traces(job.thread_id, job.trace_dir, plan.to_state())
