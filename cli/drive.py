"""Running the graph from a terminal: progress while it runs, and a stop that can be resumed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from langgraph.runtime import RunControl

from ..graph.compiled import Graph
from ..graph.history import History
from ..graph.run import execute, report
from ..schema.errors import RunError
from ..schema.results import Report
from ..tracing.streaming import streaming
from .display import watch
from .exits import INTERRUPTED, begin
from .failures import StoppedError
from .job import Job
from .metrics import exported
from .output import say
from .person import Person
from .progress import Progress
from .traces import Traces

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def drive(
    graph: Graph,
    given: Mapping[str, Any] | None,
    job: Job,
    progress: Progress,
    traces: Traces | None = None,
    *,
    answers: Mapping[str, Any] | None = None,
    person: Person | None = None,
    history: History | None = None,
    on_start: Callable[[], Awaitable[None]] | None = None,
) -> Report:
    """Run, or go on with, a run; show its progress; stop it when asked to.

    Args:
        graph: the compiled graph.
        given: the graph's input; `None` to go on.
        job: this invocation.
        progress: what is known of the run so far.
        traces: writes a trace of each task.
        answers: answers to open questions, by id.
        person: who is asked at once.
        history: where to note what the run takes.
        on_start: awaited once a new run has its plan.

    Raises:
        FanwiseError: what was given was refused, or there is nothing to report.
    """
    begin()
    control = RunControl()
    with ExitStack() as stack:
        metrics = stack.enter_context(exported(job.metrics_port, job.metrics_file))
        display = stack.enter_context(watch(progress, job))

        begun: list[asyncio.Future[None]] = []

        def updated(update: Mapping[str, Any]) -> None:
            display.on_update(update)
            if traces is not None:
                traces.on_update(update)

        def told(event: Mapping[str, Any]) -> None:
            if on_start is not None and event.get("type") == "run_started":
                begun.append(asyncio.ensure_future(on_start()))
            metrics.on_event(event)
            if traces is not None:
                traces.on_event(event)
            display.on_event(event)
            if job.events is not None:
                job.events.on_event(event)

        if traces is not None:
            stack.enter_context(traces.listening())
        if job.events is not None:
            stack.enter_context(streaming("text", "results"))
        running = asyncio.create_task(
            execute(
                graph,
                given,
                job.thread_id,
                context=job.context,
                on_event=told,
                on_update=None if traces is None and job.quiet else updated,
                control=control,
                answers=answers,
                asker=person,
                history=history,
            )
        )
        stop = stack.enter_context(Stop(control, running, job, person, progress))
        if person is not None:
            person.display = display
        ticking = asyncio.create_task(display.tick())
        try:
            made = await running
        except asyncio.CancelledError:
            if not stop.at_once:
                running.cancel()
                await asyncio.wait([running])
                raise
            made = await _stopped(graph, job)
        finally:
            ticking.cancel()
            if begun:
                await asyncio.wait(begun)
        metrics.ended(made.status)
    if stop.is_asked and made.status == "paused":  # it would have gone on without its questions
        return made.model_copy(update={"status": "interrupted"})
    return made


async def _stopped(graph: Graph, job: Job) -> Report:
    """Return the report of a run that was stopped at once.

    Raises:
        StoppedError: it had no plan yet.
    """
    try:
        return await report(graph, job.thread_id)
    except RunError:
        how = "it was kept in memory only: start it again"
        how = how if job.is_forgotten else f"to go on: {job.command('resume')}"
        raise StoppedError(f"the run {job.thread_id!r} was stopped before it had a plan; {how}") from None


class Stop:
    """Takes the signals: the first drains the run, the second stops it at once, the third ends the process.

    A run that drains for longer than its grace period is stopped at once too.
    """

    def __init__(
        self,
        control: RunControl,
        running: asyncio.Task[Report],
        job: Job,
        person: Person | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.is_asked = False
        """Whether a signal came."""
        self.at_once = False
        self._person = person
        self._progress = progress
        self._timer: asyncio.TimerHandle | None = None
        self._control = control
        self._running = running
        self._job = job

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            try:
                loop.add_signal_handler(number, self._on_signal)
            except NotImplementedError:  # no such handlers on Windows: Ctrl-C stops at once there
                return self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            try:
                loop.remove_signal_handler(number)
            except NotImplementedError:
                return

    def _on_signal(self) -> None:
        if self.at_once:
            os._exit(INTERRUPTED)
        if self.is_asked:
            self._cancel("stopping at once")
            return
        self.is_asked = True
        self._control.request_drain()
        if self._person is not None:
            self._person.leave()
        grace = self._job.grace
        if self._progress is not None:
            self._progress.stops_at = time.monotonic() + grace
        self._timer = asyncio.get_running_loop().call_later(
            grace, self._cancel, f"the {grace:g} s are over: what still runs is stopped, and runs again on resume"
        )
        say(
            f"stopping: what runs has {grace:g} s to come to its end, the rest stays for "
            f"`{self._job.command('resume')}`; once more stops at once"
        )

    def _cancel(self, why: str) -> None:
        self.at_once = True
        say(why)
        self._running.cancel()
