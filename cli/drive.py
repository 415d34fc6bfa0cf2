"""Running the graph from a terminal: progress while it runs, and a stop that can be resumed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from langgraph.runtime import RunControl

from ..graph.builder import Graph
from ..graph.history import History
from ..graph.run import execute, report
from ..schema.results import Report
from .display import watch
from .exits import INTERRUPTED
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

    Raises:
        FanwiseError: what was given was refused, or there is nothing to report.
    """
    control = RunControl()
    with ExitStack() as stack:
        metrics = stack.enter_context(exported(job.metrics_port, job.metrics_file))
        display = stack.enter_context(watch(progress, job))

        def told(event: Mapping[str, Any]) -> None:
            metrics.on_event(event)
            display.on_event(event)

        running = asyncio.create_task(
            execute(
                graph,
                given,
                job.thread_id,
                context=job.context,
                on_event=told,
                on_update=None if traces is None else traces.on_update,
                control=control,
                answers=answers,
                asker=person,
                history=history,
            )
        )
        stop = stack.enter_context(Stop(control, running, job, person))
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
            made = await report(graph, job.thread_id)
        finally:
            ticking.cancel()
        metrics.ended(made.status)
    if stop.is_asked and made.status == "paused":  # it would have gone on without its questions
        return made.model_copy(update={"status": "interrupted"})
    return made


class Stop:
    """Takes the signals: the first drains the run, the second stops it at once, the third ends the process.

    A run that drains for longer than its grace period is stopped at once too.
    """

    def __init__(
        self, control: RunControl, running: asyncio.Task[Report], job: Job, person: Person | None = None
    ) -> None:
        self.is_asked = False
        """Whether a signal came."""
        self.at_once = False
        self._person = person
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
