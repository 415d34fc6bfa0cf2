"""Writing the history of a run while it goes on: in batches, beside the run, and never in its way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from ..schema.results import Report
from .fan_out import effective_config
from .history import AttemptRow, EventRow, History, RunRow
from .names import PLANNER, SYNTHESIZER
from .run_facts import critical_seconds, parallel_share, spans, waits
from .schedule import limits_of

FLUSH_S = 1.0
"""Seconds after which what happened is written; a crash loses no more."""

ALIVE_S, ALIVE_SHARE = 2.0, 0.05
"""Seconds between two signs of life of the process, and the share of the time it has been at work, if that is more:
a process that was killed is known to have been there until the last of them, and long runs do not have many."""

KEPT = 50_000
"""Attempts, and events, that wait to be written, at most, where the history can't be written to."""

KINDS = {"task_queued": "queued", "task_started": "started", "attempt_failed": "failed", "task_paused": "paused"}
"""Progress events that are kept, and what they are called there."""

PASSING = ("queued", "started")
"""Kinds that tell nothing more once the attempt is over, whose row says the same."""

KEPT_DETAILS = ("attempt", "error", "retry_in_s", "review")

ERROR = 400
"""Characters of an error that are kept."""

REQUEST = 200
"""Characters of a request that are kept."""


class Recorder:
    """Takes a run's progress events and writes its history."""

    def __init__(self, history: History, thread_id: str) -> None:
        self._history = history
        self._run = RunRow(thread_id, "", "plan", started=_now())
        self._runs: list[RunRow] = []
        self._attempts: list[AttemptRow] = []
        self._events: dict[tuple[str, str], EventRow] = {}
        """What is not written yet, by task and kind."""
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._since = 0.0
        """When the run was taken up."""
        self._error: Exception | None = None

    def going_on(self, values: Mapping[str, Any]) -> None:
        """Take over a run that is there already, by its state."""
        if values.get("run_id"):
            self._begin(values["run_id"], (values.get("plan") or {}).get("name") or "plan")
            self._note("", "began")

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event."""
        kind = event.get("type")
        if kind == "attempt_ended":
            self._take(event)
        elif kind == "run_started":
            self._begin(str(event["run_id"]), str(event["plan"]))
            self._note("", "began")
        elif kind == "round_started":
            for task_id in event["tasks"]:
                self._note(task_id, "added")
        elif kind in KINDS:
            details = {name: event[name] for name in KEPT_DETAILS if event.get(name) is not None}
            self._note(event["task_id"], KINDS[kind], event.get("ahead_s", 0.0), **details)

    async def finish(self, plan: Mapping[str, Any], report: Report) -> str | None:
        """Write what the run came to; return a warning where its history could not be written."""
        if not self._run.run_id:
            return None
        await self._settled()
        await asyncio.to_thread(self._conclude, plan, report)
        await self.close()
        if self._error is None:
            return None
        return f"the history of this run could not be written, so that `fanwise stats` lacks it: {self._error}"

    async def close(self) -> None:
        """Write what is there."""
        if self._run.run_id:
            self._note("", "ended", status=self._run.status)
        await self._settled()
        await self._write()

    def _begin(self, run_id: str, name: str) -> None:
        self._run = self._run._replace(run_id=run_id, name=name)
        self._runs = [self._run]
        self._schedule()
        if self._beat is None:
            self._since = time.monotonic()
            self._live_on()

    def _live_on(self) -> None:
        wait_s = max(ALIVE_S, ALIVE_SHARE * (time.monotonic() - self._since))
        self._beat = asyncio.get_running_loop().call_later(wait_s, self._alive)

    def _alive(self) -> None:
        self._note("", "alive")
        self._live_on()

    def _note(self, task_id: str, kind: str, ago_s: float = 0.0, **details: Any) -> None:
        if len(self._events) >= KEPT:
            return
        if "error" in details:
            details["error"] = str(details["error"])[:ERROR]
        run, at = self._run, _now(ago_s)
        self._events[task_id, kind] = EventRow(run.thread_id, run.run_id, task_id, kind, at, details)
        self._schedule()

    def _take(self, event: Mapping[str, Any]) -> None:
        for kind in PASSING:
            self._events.pop((event["task_id"], kind), None)
        if len(self._attempts) >= KEPT:
            return
        self._attempts.append(
            AttemptRow(
                thread_id=self._run.thread_id,
                run_id=self._run.run_id,
                plan=self._run.name,
                task_id=event["task_id"],
                specialist=event["specialist"],
                attempt=event["attempt"],
                status=event["status"],
                error=event["error"],
                queued_s=event["queued_s"],
                duration_s=event["duration_s"],
                usage=event.get("usage"),
                started=event["started_at"],
            )
        )
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._writing = asyncio.create_task(self._write())
        self._writing.add_done_callback(self._flushed)

    def _flushed(self, _: asyncio.Task[None]) -> None:
        self._writing = None
        if self._runs or self._attempts or self._events:
            self._schedule()

    async def _settled(self) -> None:
        """Wait for a batch that is being written, and begin no other."""
        if self._beat is not None:
            self._beat.cancel()
        if (writing := self._writing) is not None:
            await asyncio.wait([writing])
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _write(self) -> None:
        runs, attempts, events = self._runs, self._attempts, self._events
        self._runs, self._attempts, self._events = [], [], {}
        if not runs and not attempts and not events:
            return
        try:
            await asyncio.to_thread(self._put, runs, attempts, list(events.values()))
            self._error = None
        except Exception as error:  # whatever it is, the run is worth more than its history
            self._error = error
            self._runs, self._attempts = self._runs or runs, [*attempts, *self._attempts]
            self._events = {**events, **self._events}

    def _put(self, runs: list[RunRow], attempts: list[AttemptRow], events: list[EventRow]) -> None:
        if runs or attempts:
            self._history.write(runs, attempts)
        self._history.note(events)

    def _conclude(self, plan: Mapping[str, Any], report: Report) -> None:
        self._run = run_row(self._run, plan, report)
        self._runs = [self._run]


def run_row(run: RunRow, plan: Mapping[str, Any], report: Report) -> RunRow:
    """Return a run's row with what its report tells."""
    results = {task_id: result.model_dump(exclude={"output"}) for task_id, result in report.results.items()}
    config, metrics, tasks = effective_config(plan), report.metrics, plan["tasks"]
    critical = critical_seconds(tasks, results)
    queued = waits(tasks, results, limits_of(config))
    starts = [result["started_at"] for result in results.values() if result["started_at"]]
    return run._replace(
        name=plan.get("name") or "plan",
        request=(plan.get("request") or "")[:REQUEST],
        status=report.status,
        schedule=config["schedule"],
        strategy=config["on_failure"],
        tasks=metrics.tasks,
        succeeded=metrics.succeeded,
        failed=metrics.failed,
        timed_out=metrics.timed_out,
        makespan_s=metrics.makespan_s,
        sequential_s=metrics.sequential_s,
        speedup=metrics.speedup,
        parallel_share=round(parallel_share(spans(results)), 4),
        started=min([run.started, *starts]),
        finished=_now(),
        details={
            "critical": {task_id: round(seconds, 6) for task_id, seconds in critical.items()},
            "specialists": {task["id"]: task.get("specialist") for task in tasks if task["id"] in critical},
            "waits": {cause: round(seconds, 6) for cause, seconds in queued.items()},
            "max_parallel": config["max_parallel"],
            "usage": {name: metrics.usage_by[name] for name in (PLANNER, SYNTHESIZER) if name in metrics.usage_by},
            "fanwise": _version(),
        },
    )


@cache
def _version() -> str:
    return version("fanwise")


def _now(ago_s: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() - ago_s, UTC).isoformat(timespec="microseconds")
