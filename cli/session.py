"""A run at work in this process: opened, held, started or gone on with, and its questions asked where a person is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langgraph.errors import is_invalid_resume

from ..graph.builder import Graph, build_graph
from ..graph.checkpoints import Database, open_database
from ..graph.run import keep_answers, report
from ..nodes.outputs import LARGE
from ..nodes.specialist import Specialist
from ..nodes.specialists import known_names
from ..schema.errors import RunError
from ..schema.results import Report
from .asked import Asked, all_asked
from .drive import drive
from .job import Job
from .output import clean_lines, say
from .person import Person
from .progress import Progress
from .stored import UNFINISHED, Plan, missing_specialists, stored_plan, stored_report
from .traces import Traces


@dataclass
class Session:
    """What it takes to run, or go on with, a run."""

    job: Job
    database: Database
    graph: Graph
    specialists: Sequence[Specialist]
    traces: Traces | None = None
    plan: Plan | None = None
    """The plan, where it is known."""
    before: Report | None = None
    """How the run stood when it was opened; `None` if it had no plan yet."""
    progress: Progress = field(default_factory=Progress)
    person: Person | None = None
    """Who is asked at once; nobody where it is `None`."""

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
        made = await drive(
            self.graph,
            given,
            self.job,
            self.progress,
            self.traces,
            answers=answers,
            person=self.person,
            history=self.database.history,
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
        return self.before

    def check_here(self, made: Report, tasks: Iterable[str] = ()) -> None:
        """Refuse to go on where specialists are missing.

        Args:
            made: how the run stands.
            tasks: tasks that are to run although they have a result.
        """
        missing = missing_specialists(self.plan or {"tasks": ()}, made, self.specialists, tasks)
        if missing:
            raise RunError(
                f"the run {self.job.thread_id!r} needs specialists that are not here: {', '.join(missing)}; "
                "give the code that has them with --specialists FILE.py"
            )


def _is_misfit(error: RunError) -> bool:
    """Tell whether an answer did not fit its question, which can be asked again."""
    return error.__cause__ is not None and is_invalid_resume(error.__cause__)


@asynccontextmanager
async def opened(job: Job, specialists: Sequence[Specialist]) -> AsyncIterator[Session]:
    """Open a run that is there, and hold it: nobody else works on it meanwhile.

    Raises:
        RunError: there is no such run, or somebody else works on it.
    """
    async with open_database(job.db, must_exist=True) as database:
        await stored_plan(database.saver, job.thread_id)  # one that does not exist is not held
        async with database.leases.hold(job.thread_id):
            yield await _session(job, specialists, database)


async def _session(job: Job, specialists: Sequence[Specialist], database: Database) -> Session:
    plan = await stored_plan(database.saver, job.thread_id)
    graph = build_graph(specialists, checkpointer=database.saver, store=database.store, keep_apart=LARGE)
    traces = Traces(job.thread_id, job.trace_dir, plan)
    person = Person(known_names(specialists), job.command("resume")) if job.interactive else None
    session = Session(job, database, graph, specialists, traces, plan, person=person)
    if plan is not None:
        await session.look_again()
    return session


def progress_of(before: Report) -> Progress:
    """Return where a stopped run stands."""
    from collections import Counter

    ended = {r.task_id: r.status for r in before.results.values() if r.status not in ("pending", "paused")}
    return Progress(total=len(before.results), done=len(ended), finished=set(ended), counts=Counter(ended.values()))
