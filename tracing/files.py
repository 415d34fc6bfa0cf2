"""A folder of traces: a JSON file for each task, written as it ends, and an index of the run.

What they look like is told by `docs/schemas/task-trace.json` and `docs/schemas/dispatch-index.json`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..schema.errors import FanwiseError
from ..schema.results import Report
from .calls import CALLS, CallLog
from .payloads import Payloads
from .settings import Tracing
from .writing import prepare, safe_names, write_json

VERSION = 1
"""Of the files' form."""

RESULT = ("status", "output", "error", "attempts", "fallback")
TIMING = ("queued_s", "duration_s", "started_at", "finished_at")
KEPT = ("attempt", "specialist", "status", "error", "started_at", "queued_s", "duration_s")

logger = logging.getLogger("fanwise.tracing")

Warn = Callable[[str], None]


class Traces:
    """Writes each task's trace as it ends, and the index at the run's end.

    A trace that can't be written harms nothing: the first such error is told, and the run goes on.
    """

    def __init__(
        self,
        thread_id: str,
        folder: str | None = None,
        plan: Mapping[str, Any] | None = None,
        *,
        warn: Warn = logger.warning,
        tracing: Tracing | None = None,
    ) -> None:
        """Prepare to write.

        Args:
            thread_id: the run; the index's correlation id.
            folder: where to; the plan's `trace_dir` if not given.
            plan: the plan, if it is known yet; else it is taken from the planner's update.
            warn: is told, once, what can't be written.
            tracing: what is masked and cut.

        Raises:
            FanwiseError: the folder can't be made or written to.
        """
        self.thread_id = thread_id
        self.calls = CallLog()
        self._folder = folder
        self._warn = warn
        self._payloads = Payloads(tracing or Tracing())
        self._tasks: dict[str, Mapping[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._written: dict[str, Mapping[str, Any]] = {}
        self._attempts: dict[str, list[dict[str, Any]]] = {}
        self._late: set[str] = set()
        self._told = False
        self._begun = datetime.now(UTC)
        if plan is not None:
            self._take_plan(plan)
        if self._folder is not None:
            prepare(Path(self._folder))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let the attempts of runs that begin inside note what they call."""
        token = CALLS.set(self.calls)
        try:
            yield
        finally:
            CALLS.reset(token)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a progress event: attempts tell of themselves."""
        if event.get("type") == "attempt_ended":
            self._attempts.setdefault(str(event["task_id"]), []).append(
                {**{name: event.get(name) for name in KEPT}, "usage": event.get("usage")}
            )
            if event["task_id"] in self._written:
                self._late.add(str(event["task_id"]))

    def on_update(self, update: Mapping[str, Any]) -> None:
        """Take what a node wrote to the state; write the traces of the tasks in it."""
        for written in update.values():
            for part in written if isinstance(written, list) else [written]:
                if isinstance(part, Mapping):
                    self._take(part)

    def _take(self, written: Mapping[str, Any]) -> None:
        if isinstance(plan := written.get("plan"), Mapping):
            self._take_plan(plan)
            if self._folder is not None:
                self._guarded(prepare, Path(self._folder))
        results = written.get("results")
        for task_id, result in results.items() if isinstance(results, Mapping) else ():
            if isinstance(result, Mapping) and task_id in self._names and not result.get("output_ref"):
                self._guarded(self._write_task, task_id, result)

    def finish(self, report: Report) -> Path | None:
        """Write the traces that are not there yet, and the index; return the index's path."""
        if self._folder is None:
            return None
        for task_id, result in report.results.items():
            if task_id not in self._written or task_id in self._late:
                self._guarded(self._write_task, task_id, result.model_dump(mode="json"))
        path = Path(self._folder) / f"dispatch-{self._begun:%Y%m%dT%H%M%S.%fZ}.json"
        return path if self._guarded(write_json, path, self._index(report)) else None

    def _take_plan(self, plan: Mapping[str, Any]) -> None:
        self._tasks = {task["id"]: task for task in plan["tasks"]}
        self._names = safe_names(self._tasks, self._payloads.text)
        if self._folder is None:
            self._folder = (plan.get("config") or {}).get("trace_dir")

    def _write_task(self, task_id: str, result: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        task = self._tasks[task_id]
        trace = {
            "version": VERSION,
            "correlation_id": self.thread_id,
            "task": task,
            "input": task.get("input", {}),
            **{name: result.get(name) for name in RESULT},
            "timing": {name: result.get(name) for name in TIMING},
            "usage": result.get("usage"),
            "attempt_log": self._attempt_log(task_id),
            "reviews": result.get("reviews") or [],
        }
        write_json(Path(self._folder) / self._names[task_id], self._payloads.value(trace))
        self._written[task_id] = result

    def _attempt_log(self, task_id: str) -> list[dict[str, Any]]:
        """Return a task's attempts, each with what it called."""
        return [
            {
                **attempt,
                "model_calls": self.calls.models.get((task_id, attempt["attempt"]), []),
                "tool_calls": self.calls.tools.get((task_id, attempt["attempt"]), []),
            }
            for attempt in self._attempts.get(task_id, ())
        ]

    def _index(self, report: Report) -> dict[str, Any]:
        listed = [task_id for task_id in self._tasks if task_id in report.results]
        told = {
            "version": VERSION,
            "correlation_id": self.thread_id,
            "started_at": self._begun.isoformat(),
            "finished_at": datetime.now(UTC).isoformat(),
            "status": report.status,
            "summary": report.summary.text,
            "metrics": report.metrics.model_dump(mode="json"),
            "warnings": list(report.warnings),
            "tasks": [{**self._tasks[task_id], "status": report.results[task_id].status} for task_id in listed],
        }
        masked: dict[str, Any] = self._payloads.value(told)
        for task_id, task in zip(listed, masked["tasks"], strict=False):
            if isinstance(task, dict):
                task["trace"] = self._names[task_id]  # as the file is called, whatever masking makes of it
        return masked

    def _guarded(self, action: Any, *args: Any) -> bool:
        try:
            action(*args)
        except (OSError, ValueError, FanwiseError) as error:
            if not self._told:
                self._warn(f"traces can't be written: {error}")
            self._told = True
            return False
        return True
