"""`fanwise retry`, `fanwise edit` and `fanwise fork`: second thoughts about a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from .kinds import thread_id
from .options import db_option, going_on_options, json_option
from .resuming import going_on

if TYPE_CHECKING:
    from ..graph.compiled import Graph
    from ..runs.user_code import OwnCode
    from ..schema.results import Report
    from .job import Job
    from .session import Session


@click.command("retry")
@click.argument("thread", type=thread_id)
@click.option("--task", "tasks", multiple=True, metavar="ID", help="A task to run once more; may be given again.")
@click.option("--failed", is_flag=True, help="All tasks that failed; the default where no --task is given.")
@click.option("--with-dependents", is_flag=True, help="What depends on them too, where it succeeded all the same.")
@going_on_options
def retry_command(thread: str, tasks: tuple[str, ...], failed: bool, with_dependents: bool, **options: Any) -> int:
    """Run failed tasks, or the named ones, once more; results that still hold are kept."""

    async def prepare(session: Session, before: Report) -> list[str]:
        from ..graph import again

        ended_badly = [r.task_id for r in before.results.values() if r.status in again.FAILED]
        named = [*tasks, *(ended_badly if failed else ())]
        session.check_here(before, named or ended_badly)
        return await again.retry(session.graph, thread, tasks=named, with_dependents=with_dependents)

    return _changed(thread, options, prepare)


def _changed(thread: str, options: dict[str, Any], prepare: Callable[[Session, Report], Awaitable[list[str]]]) -> int:
    """Change a run, then go on with it, and print what came of it."""

    async def work(job: Job, own: OwnCode) -> Report:
        from ..nodes.summary.text import clean_lines
        from .output import say
        from .session import opened

        async with opened(job, own) as session:
            chosen = await prepare(session, _planned(session.before, job))
            if not job.quiet:
                say(clean_lines(f"again: {listed_ids(chosen)}"))
            session.check_here(await session.look_again())
            return await session.go_on()

    return going_on(thread, options, work)


def _planned(before: Report | None, job: Job) -> Report:
    from ..schema.errors import RunError

    if before is None:
        raise RunError(f"the run {job.thread_id!r} has no plan yet: `{job.command('resume')}` goes on with it")
    return before


@click.command("edit")
@click.argument("thread", type=thread_id)
@click.option("--task", "task_id", required=True, metavar="ID", help="The task.")
@click.option("--input", "new_input", metavar="JSON|@FILE", help="Its new input: it runs again.")
@click.option("--output", "new_output", metavar="JSON|@FILE", help="Its new output: it counts as succeeded.")
@click.option("--resume", "at_once", is_flag=True, help="Go on with the run at once; the options below are for that.")
@going_on_options
def edit_command(
    thread: str, task_id: str, new_input: str | None, new_output: str | None, at_once: bool, **options: Any
) -> int:
    """Change a task's input or output; what depends on it runs again when the run is gone on with."""
    from .values import json_or_file

    if (new_input is None) == (new_output is None):
        raise click.UsageError("give either --input or --output", click.get_current_context())
    name, text = ("input", new_input) if new_input is not None else ("output", new_output)
    value = json_or_file(text or "", f"--{name}")

    async def prepare(session: Session, before: Report) -> list[str]:
        from ..graph.again import edit

        session.check_here(before, [task_id] if name == "input" else ())
        return await edit(session.graph, thread, task_id, **{name: value})

    if at_once:
        return _changed(thread, options, prepare)
    return _just_edited(thread, task_id, name, value, options)


def _just_edited(thread: str, task_id: str, name: str, value: Any, options: dict[str, Any]) -> int:
    """Change a task, and tell what will run again and how."""
    import asyncio

    from ..nodes.summary.text import clean_lines
    from .job import Job
    from .output import print_json, put, say

    job = Job.of(thread, options)
    chosen = asyncio.run(_edit(job, task_id, {name: value}))
    if job.json:
        print_json({"thread_id": thread, "task_id": task_id, "again": chosen})
        return 0
    put(clean_lines(f"the {name} of {task_id} is changed; to run again: {listed_ids(chosen)}"))
    say(f"to go on: {job.command('resume')}")
    return 0


async def _edit(job: Job, task_id: str, change: dict[str, Any]) -> list[str]:
    from ..graph.again import edit

    async with _held(job.db, job.thread_id, job.thread_id) as graph:
        return await edit(graph, job.thread_id, task_id, **change)


@click.command("fork")
@click.argument("thread", type=thread_id)
@click.option("--at", metavar="CHECKPOINT", help="Where to: a checkpoint's id, or its start; by default, as it stands.")
@click.option("--thread", "target", type=thread_id, metavar="NEW", help="Name of the copy; a new one if not given.")
@json_option
@db_option
def fork_command(thread: str, at: str | None, target: str | None, as_json: bool, db: str) -> int:
    """Copy a run, as it stands or stood, to a new thread, where it can be changed and gone on with."""
    import asyncio

    from ..graph.going_on import new_thread_id
    from .job import Job
    from .output import print_json, put, say

    copy = Job(target or new_thread_id(), db=db)
    asks = asyncio.run(_fork(thread, copy, at))
    if as_json:
        print_json({"thread_id": copy.thread_id, "forked_from": thread, "at": at})
        return 0
    put(copy.thread_id)
    say(f"a copy of {thread}{f' at {at}' if at else ''}; to change it: {copy.command('edit')} --task ID --input JSON")
    if asks:
        say("what the run asks is asked anew in the copy, when that is first resumed; what is answered already, too")
    say(f"to go on: {copy.command('resume')}")
    return 0


async def _fork(thread: str, copy: Job, at: str | None) -> bool:
    """Copy a run; tell whether it has questions, open or answered."""
    from ..graph.again import fork
    from ..graph.run import report

    async with _held(copy.db, thread, copy.thread_id) as graph:
        found = None if at is None else await _checkpoint(graph, thread, at)
        await fork(graph, thread, copy.thread_id, at=found)
        stood = await report(graph, thread, whole=False)
        return bool(stood.interrupts or stood.answered)


async def _checkpoint(graph: Graph, thread: str, at: str) -> str:
    """Return the one checkpoint whose id begins so."""
    from ..graph.again import history
    from ..schema.errors import RunError

    found = [moment.checkpoint_id for moment in await history(graph, thread) if moment.checkpoint_id.startswith(at)]
    if len(found) == 1 or at in found:
        return at if at in found else found[0]
    what = f"{len(found)} checkpoints" if found else "no checkpoint"
    raise RunError(f"the run {thread!r} has {what} {at!r}; `fanwise show {thread} --history` lists them")


@asynccontextmanager
async def _held(db: str, thread: str, held: str) -> AsyncIterator[Graph]:
    """Open a database with a graph to look at a run, holding the lease of what is written to."""
    from ..graph.checkpoints import open_database
    from ..graph.viewing import viewing_graph
    from ..runs.stored import stored_plan
    from ..schema.errors import RunError

    async with open_database(db, must_exist=True) as database:
        await stored_plan(database.saver, thread)
        async with database.leases.hold(held):
            plan = await stored_plan(database.saver, thread)
            if plan is None:
                raise RunError(f"the run {thread!r} was stopped before it had a plan: there is nothing to change")
            yield viewing_graph(database, [plan])


def listed_ids(ids: Sequence[str], most: int = 12) -> str:
    """Return the names of tasks, the first dozen of them."""
    from ..schema.words import listed

    return listed(list(ids), most)
