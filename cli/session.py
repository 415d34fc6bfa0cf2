"""A run at work in this process: opened, held, started or gone on with, and its questions asked where a person is."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langgraph.errors import is_invalid_resume

from ..graph.checkpoints import Database, open_database
from ..graph.compiled import Graph
from ..graph.history import Estimates, estimates
from ..graph.lacking import check_equipped
from ..graph.run import keep_answers, report
from ..graph.viewing import UNFINISHED, stored_report
from ..nodes.specialists import known_names
from ..nodes.summary.text import clean_lines
from ..runs.questions import Asked, all_asked
from ..runs.setup import Setup
from ..runs.stored import Plan, missing, note_setup, noted_setup, stored_plan
from ..runs.user_code import OwnCode
from ..schema.errors import RunError
from ..schema.results import Report
from .drive import drive
from .expected import Ended
from .job import Job
from .output import say
from .person import Person
from .progress import Progress
from .setup import options_of
from .traces import Traces


@dataclass
class Session:
    """What it takes to run, or go on with, a run."""

    job: Job
    database: Database
    graph: Graph
    own: OwnCode
    traces: Traces | None = None
    plan: Plan | None = None
    """The plan, where it is known."""
    before: Report | None = None
    """How the run stood when it was opened; `None` if it had no plan yet."""
    progress: Progress = field(default_factory=Progress)
    person: Person | None = None
    """Who is asked at once; nobody where it is `None`."""
    before_setup: Setup | None = None
    """What the run was worked at with before, if that is known."""

    async def start(self, given: Mapping[str, Any]) -> Report:
        """Run what was given on the job's thread."""
        return await self._asked_on(await self._driven(given))

    async def go_on(self, answers: Mapping[str, Any] | None = None) -> Report:
        """Go on with the run; questions are answered with what is given, or asked where somebody is there."""
        return await self._asked_on(await self._driven(None, answers))

    async def converse(self) -> Report:
        """Ask what is open, and go on with the answers."""
        assert self.before is not None
        return await self._asked_on(self.before)

    async def over(self) -> Report | None:
        """Return the report of a run that is over; `None` if it can be gone on with."""
        if self.before is None or self.before.status in UNFINISHED:
            return None
        return await stored_report(self.database, self.job.thread_id, self.plan or {"tasks": ()})

    async def _driven(self, given: Mapping[str, Any] | None, answers: Mapping[str, Any] | None = None) -> Report:
        if self.person is not None:
            self.person.stay()
        if given is None:
            await self._note_setup()
        if given is None and self.person is None and self.before is not None:
            self.progress.asked = _unanswered(self.before, answers or {})
        made = await drive(
            self.graph,
            given,
            self.job,
            self.progress,
            self.traces,
            answers=answers,
            person=self.person,
            history=self.database.history,
            on_start=self._note_setup,
        )
        if self.traces is not None:
            self.traces.finish(made)
        self.before = made
        return made

    async def _asked_on(self, made: Report) -> Report:
        """Ask what is still open, and go on, until nothing is left to be asked."""
        while self.person is not None and made.status == "paused":
            questions = self.person.unasked(all_asked(made.interrupts))
            given = await self.person.answers(questions, self._keep) if questions else 0
            if not given and not made.answered:
                return made
            try:
                made = await self._driven(None)
            except RunError as error:
                if not _is_misfit(error):
                    raise
                say(f"error: {clean_lines(str(error))}")
                made = await report(self.graph, self.job.thread_id)
        return made

    async def _keep(self, asked: Asked, answer: Any) -> None:
        await keep_answers(self.graph, self.job.thread_id, {asked.id: answer})

    async def look_again(self) -> Report:
        """Return how the run stands, with what was changed in it since it was opened."""
        self.plan = await stored_plan(self.database.saver, self.job.thread_id)
        self.before = await stored_report(self.database, self.job.thread_id, self.plan or {"tasks": ()}, whole=False)
        self.progress = progress_of(self.before)
        if self.plan is not None:
            self.progress.take_plan(self.plan, await self._estimates(self.plan))
        return self.before

    async def _estimates(self, plan: Plan) -> Estimates | None:
        """Return what the history knows of the times of a plan's specialists."""
        names = {str(task["specialist"]) for task in plan["tasks"]}
        try:
            return await asyncio.to_thread(estimates, self.database.history, names, plan.get("name"))
        except Exception:  # what is expected is shown, no more
            return None

    def check_here(self, made: Report, tasks: Iterable[str] = ()) -> None:
        """Refuse to go on where specialists or reducers are missing.

        Args:
            made: how the run stands.
            tasks: tasks that are to run although they have a result.
        """
        lacking = missing(self.plan or {"tasks": ()}, made, self.own, tasks)
        if lacking:
            raise RunError(
                f"the run {self.job.thread_id!r} needs {lacking}; give the code that has them with "
                f"--specialists FILE.py{self._started_with()}"
            )
        plan = self.plan or {}
        left = {*tasks, *(r.task_id for r in made.results.values() if r.status in ("pending", "paused"))}
        try:
            check_equipped(self.graph, self.job.thread_id, plan, left)
            if (plan.get("config") or {}).get("max_cost") and self.job.setup.models and self.job.setup.prices is None:
                raise RunError(f"the run {self.job.thread_id!r} has a max_cost: give --prices FILE, to go on counting")
        except RunError as error:
            raise RunError(f"{error}{self._started_with()}") from None

    def _started_with(self) -> str:
        """Return, as the end of a message, the options that the run was last worked at with, if they are known."""
        known = [] if self.before_setup is None else options_of(self.before_setup, everything=True)
        return f"; it was started with {shlex.join(known)}" if known else ""

    async def _note_setup(self) -> None:
        await note_setup(self.database.history, self.job.thread_id, self.job.setup)


def _is_misfit(error: RunError) -> bool:
    """Tell whether an answer did not fit its question, which can be asked again."""
    return error.__cause__ is not None and is_invalid_resume(error.__cause__)


@asynccontextmanager
async def opened(job: Job, own: OwnCode) -> AsyncIterator[Session]:
    """Open a run that is there, and hold it: nobody else works on it meanwhile.

    Raises:
        RunError: there is no such run, or somebody else works on it.
    """
    async with open_database(job.db, must_exist=True) as database:
        await stored_plan(database.saver, job.thread_id)  # one that does not exist is not held
        async with database.leases.hold(job.thread_id):
            yield await _session(job, own, database)


async def _session(job: Job, own: OwnCode, database: Database) -> Session:
    plan = await stored_plan(database.saver, job.thread_id)
    graph = job.setup.build(own, database)
    traces = Traces(job.thread_id, job.trace_dir, plan)
    person = Person(known_names(own.specialists), job.command("resume")) if job.interactive else None
    noted = await noted_setup(database.history, job.thread_id)
    session = Session(job, database, graph, own, traces, plan, person=person, before_setup=noted)
    if plan is not None:
        await session.look_again()
    return session


def _unanswered(before: Report, answers: Mapping[str, Any]) -> dict[str, str]:
    """Return the tasks whose questions stay open where a run goes on with these answers, with what is reviewed."""
    left = [asked for asked in all_asked(before.interrupts) if asked.id not in answers]
    return {asked.task_id: "own" if asked.remote else asked.kind for asked in left if asked.task_id is not None}


def progress_of(before: Report) -> Progress:
    """Return where a stopped run stands."""
    from collections import Counter

    ended = {
        result.task_id: Ended(result.status, result.duration_s, result.error or "")
        for result in before.results.values()
        if result.status not in ("pending", "paused")
    }
    counts = Counter(one.status for one in ended.values())
    progress = Progress(total=len(before.results), done=len(ended), finished=set(ended), ended=ended, counts=counts)
    progress.spend(before.metrics.usage)
    progress.currency = before.metrics.currency
    return progress
