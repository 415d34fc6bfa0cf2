"""A folder of traces: a JSON file for each task, and an index of the run."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..schema.errors import FanwiseError
from ..schema.results import Report
from .output import clean_lines, say

_RESERVED = re.compile(r"(?i)dispatch-|task-|(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


class Traces:
    """Writes each task's trace as it ends, and the index at the run's end.

    A trace that can't be written harms nothing: the first such error is told, and the run goes on.
    """

    def __init__(self, thread_id: str, folder: str | None = None, plan: Mapping[str, Any] | None = None) -> None:
        """Prepare to write.

        Args:
            thread_id: the run; the index's correlation id.
            folder: where to; the plan's `trace_dir` if not given.
            plan: the plan, if it is known yet; else it is taken from the planner's update.

        Raises:
            FanwiseError: the folder can't be made or written to.
        """
        self.thread_id = thread_id
        self._folder = folder
        self._tasks: dict[str, Mapping[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._written: set[str] = set()
        self._told = False
        self._begun = datetime.now(UTC)
        if plan is not None:
            self._take_plan(plan)
        if self._folder is not None:
            _prepare(Path(self._folder))

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
                self._guarded(_prepare, Path(self._folder))
        results = written.get("results")
        for task_id, result in results.items() if isinstance(results, Mapping) else ():
            if isinstance(result, Mapping) and task_id in self._names and not result.get("output_ref"):
                self._guarded(self._write_task, task_id, result)

    def finish(self, report: Report) -> Path | None:
        """Write the traces that are not there yet, and the index; return the index's path."""
        if self._folder is None:
            return None
        for task_id, result in report.results.items():
            if task_id not in self._written:
                self._guarded(self._write_task, task_id, result.model_dump(mode="json"))
        path = Path(self._folder) / f"dispatch-{self._begun:%Y%m%dT%H%M%S.%fZ}.json"
        return path if self._guarded(write_json, path, self._index(report)) else None

    def _take_plan(self, plan: Mapping[str, Any]) -> None:
        self._tasks = {task["id"]: task for task in plan["tasks"]}
        self._names = safe_names(self._tasks)
        if self._folder is None:
            self._folder = (plan.get("config") or {}).get("trace_dir")

    def _write_task(self, task_id: str, result: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        task = self._tasks[task_id]
        trace = {
            "correlation_id": self.thread_id,
            "task": task,
            "input": task.get("input", {}),
            **{name: result.get(name) for name in ("status", "output", "error", "attempts", "fallback")},
            "timing": {name: result.get(name) for name in ("queued_s", "duration_s", "started_at", "finished_at")},
            "usage": result.get("usage"),
        }
        write_json(Path(self._folder) / self._names[task_id], trace)
        self._written.add(task_id)

    def _index(self, report: Report) -> dict[str, Any]:
        return {
            "correlation_id": self.thread_id,
            "started_at": self._begun.isoformat(),
            "finished_at": datetime.now(UTC).isoformat(),
            "status": report.status,
            "metrics": report.metrics.model_dump(mode="json"),
            "tasks": [
                {**task, "status": report.results[task_id].status, "trace": self._names[task_id]}
                for task_id, task in self._tasks.items()
            ],
        }

    def _guarded(self, action: Any, *args: Any) -> bool:
        try:
            action(*args)
        except (OSError, ValueError, FanwiseError) as error:
            if not self._told:
                say(clean_lines(f"warning: traces can't be written: {error}"))
            self._told = True
            return False
        return True


def safe_names(task_ids: Iterable[str]) -> dict[str, str]:
    """Return a file's name for each task: plain characters, no path, no two alike even where case does not count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for task_id in task_ids:
        name = _safe(task_id)
        number = 2
        while f"{name}.json".casefold() in taken:
            name, number = f"{_safe(task_id)}-{number}", number + 1
        taken.add(f"{name}.json".casefold())
        names[task_id] = f"{name}.json"
    return names


def _safe(task_id: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", task_id).lstrip(".")
    if plain == task_id and len(plain) <= 100 and not _RESERVED.match(plain):
        return plain
    return f"task-{plain[:80]}-{sha256(task_id.encode(errors='surrogatepass')).hexdigest()[:10]}"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".trace-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FanwiseError(f"no folder for traces at {folder}: {error.strerror}; give another --trace-dir") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FanwiseError(f"no traces can be written to {folder}: permission denied; give another --trace-dir")
