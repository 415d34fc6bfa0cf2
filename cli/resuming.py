"""`fanwise resume` and `fanwise review`: going on with a run, with answers to what it asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from .kinds import thread_id
from .options import going_on_options

if TYPE_CHECKING:
    from ..runs.user_code import OwnCode
    from ..schema.results import Report
    from .answers import Given
    from .job import Job
    from .session import Session


def _given_answer(text: str) -> Given:
    from .answers import given_answer

    return given_answer(text)


@click.command("resume")
@click.argument("thread", type=thread_id)
@click.option(
    "--answer",
    "given",
    type=_given_answer,
    multiple=True,
    metavar="ID=JSON|@FILE",
    help="An answer to a question, by the start of its id, its task, or `plan`: JSON, or approve, reject, skip; "
    "@FILE reads it from a file, @- from standard input. May be given again.",
)
@click.option("--approve-all", is_flag=True, help="Approve what is open and can be approved; see it first.")
@going_on_options
def resume_command(thread: str, given: tuple[Given, ...], approve_all: bool, **options: Any) -> int:
    """Go on with a run after a stop, a crash or an answer.

    Finished tasks are not run again, and questions that were answered are not asked again. A run that is over is just
    shown.
    """

    async def resume(job: Job, own: OwnCode) -> Report:
        from .session import opened

        async with opened(job, own) as session:
            if (over := await _over(session)) is not None:
                if given:
                    raise click.UsageError(f"the run {job.thread_id} is over: there is nothing to answer")
                return over
            if session.before is not None:
                session.check_here(session.before)
            return await session.go_on(_answers(session, given, approve_all))

    return going_on(thread, options, resume)


@click.command("review")
@click.argument("thread", type=thread_id)
@going_on_options
def review_command(thread: str, **options: Any) -> int:
    """Decide in this terminal what a run asks, one question after another, and go on with it.

    Without a terminal, `fanwise resume THREAD --answer ID=JSON` does the same.
    """

    async def review(job: Job, own: OwnCode) -> Report:
        from .session import opened

        async with opened(job, own) as session:
            if (over := await _over(session)) is not None:
                return over
            if session.before is None or not (session.before.interrupts or session.before.answered):
                return _nothing_to_review(session)
            session.check_here(session.before)
            return await (session.converse() if session.before.interrupts else session.go_on())

    return going_on(thread, {**options, "interactive": True}, review)


def going_on(thread: str, options: dict[str, Any], work: Callable[[Job, OwnCode], Coroutine[Any, Any, Report]]) -> int:
    """Do something with a run that is there, and print what came of it."""
    import asyncio

    from .finish import finish
    from .job import Job
    from .output import results_only

    job = Job.of(thread, options)
    _check_terminal(job)
    with results_only():
        own = job.setup.load_code()
        report = asyncio.run(work(job, own))
    return finish(report, job)


NO_TERMINAL = "there is no terminal to ask in (standard input and standard error)"


def _check_terminal(job: Job) -> None:
    """Refuse to ask where no person can be asked.

    Raises:
        UsageError: there is no terminal.
        RunError: there is no such run either.
    """
    import asyncio

    from .terminal import is_there

    if job.interactive and not is_there():
        asyncio.run(_check_exists(job))
        how = f"answer with `{job.command('resume')} --answer ID=JSON`, or --approve-all"
        raise click.UsageError(f"{NO_TERMINAL}: {how}", click.get_current_context())


async def _check_exists(job: Job) -> None:
    from ..graph.checkpoints import open_database
    from ..runs.stored import stored_plan

    async with open_database(job.db, must_exist=True) as database:
        await stored_plan(database.saver, job.thread_id)


async def _over(session: Session) -> Report | None:
    """Return the report of a run that is over, having said so."""
    from .output import say

    over = await session.over()
    if over is not None and not session.job.quiet:
        say(f"the run {session.job.thread_id} is over: there is nothing to resume")
    return over


def _nothing_to_review(session: Session) -> Report:
    from ..schema.errors import RunError

    if session.before is None:
        raise RunError(
            f"the run {session.job.thread_id!r} asks nothing: `{session.job.command('resume')}` goes on with it"
        )
    if not session.job.quiet:
        from .output import say

        say("the run asks nothing: it was stopped")
    return session.before


def _answers(session: Session, given: tuple[Given, ...], approve_all: bool) -> dict[str, Any]:
    """Return the answers by question id."""
    from ..nodes.specialists import known_names
    from ..runs.question_text import late
    from ..runs.questions import all_asked
    from .answers import matched
    from .output import say

    before = session.before
    questions = all_asked(before.interrupts) if before is not None else []
    answers = matched(
        given,
        questions,
        known_names(session.own.specialists),
        answered=all_asked(before.answered) if before is not None else (),
        resume=session.job.command("resume"),
    )
    if approve_all:
        approvals = {asked.id: asked.approval() for asked in questions if asked.id not in answers}
        answers.update({key: answer for key, answer in approvals.items() if answer is not None})
    for asked in questions:
        if asked.id in answers and not session.job.quiet and (told := late(asked)):
            say(told)
    return answers
