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
from ..graph.run import execute, report
from ..schema.results import Report
from .display import watch
from .exits import INTERRUPTED
from .job import Job
from .output import say
from .progress import Progress
from .traces import Traces

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def drive(
    graph: Graph, given: Mapping[str, Any] | None, job: Job, progress: Progress, traces: Traces | None = None
) -> Report:
    """Run, or go on with, a run; show its progress; stop it when asked to.

    Args:
        graph: the compiled graph.
        given: the graph's input; `None` to go on.
        job: this invocation.
        progress: what is known of the run so far.
        traces: writes a trace of each task.

    Raises:
        FanwiseError: what was given was refused, or there is nothing to report.
    """
    control = RunControl()
    with ExitStack() as stack:
        display = stack.enter_context(watch(progress, job))
        running = asyncio.create_task(
            execute(
                graph,
                given,
                job.thread_id,
                context=job.context,
                on_event=display.on_event,
                on_update=None if traces is None else traces.on_update,
                control=control,
            )
        )
        stop = stack.enter_context(Stop(control, running, job))
        ticking = asyncio.create_task(display.tick())
        try:
            return await running
        except asyncio.CancelledError:
            if not stop.at_once:
                running.cancel()
                raise
        finally:
            ticking.cancel()
    return await report(graph, job.thread_id)


class Stop:
    """Takes the signals: the first drains the run, the second stops it at once, the third ends the process."""

    def __init__(self, control: RunControl, running: asyncio.Task[Report], job: Job) -> None:
        self.at_once = False
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
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            try:
                loop.remove_signal_handler(number)
            except NotImplementedError:
                return

    def _on_signal(self) -> None:
        if self.at_once:
            os._exit(INTERRUPTED)
        if self._control.drain_requested:
            self.at_once = True
            say("stopping at once")
            self._running.cancel()
            return
        self._control.request_drain()
        say(
            f"stopping: what runs comes to its end, the rest stays for `{self._job.command('resume')}`; "
            "once more stops at once"
        )
