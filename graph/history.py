"""What runs and their attempts took: kept beside the runs themselves, for statistics and estimates."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from statistics import quantiles
from typing import Any, NamedTuple

from ..schema.aggregate import AGGREGATE
from .estimates import task_key


class RunRow(NamedTuple):
    """One run. Keyed by thread and run: going on with a run writes its row anew."""

    thread_id: str
    run_id: str
    """Made anew for each run; a thread can hold one run after another."""
    name: str
    """The plan's name."""
    request: str = ""
    """The first words of what was asked."""
    status: str = "running"
    """`running` also where the process died."""
    schedule: str = "dataflow"
    strategy: str = "continue"
    """The plan's `on_failure`."""
    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    makespan_s: float = 0.0
    sequential_s: float = 0.0
    speedup: float | None = None
    parallel_share: float = 0.0
    """Share of the time at work in which two tasks or more worked."""
    started: str = ""
    """ISO 8601 in UTC."""
    finished: str | None = None
    details: Mapping[str, Any] = {}
    """JSON: `critical` (task id -> seconds, along the critical path), `specialists` (task id -> specialist, of these),
    `waits` (cause -> seconds that tasks queued for it), `usage` (`planner`, `synthesizer` -> what they used),
    `max_parallel`, `fanwise` (version)."""


class AttemptRow(NamedTuple):
    """One attempt. Keyed by thread, task, number and start, so that to write it twice is the same as once."""

    thread_id: str
    run_id: str
    plan: str
    """The plan's name."""
    task_id: str
    specialist: str
    """Who worked: the fallback's, where it took the task over."""
    attempt: int
    status: str
    """`succeeded`, `failed`, `timed_out`, `cancelled`, or `skipped` by the specialist's own choice."""
    error: str | None
    """The kind of error."""
    queued_s: float
    """Seconds that it waited for its slot."""
    duration_s: float
    usage: Mapping[str, Any] | None
    started: str
    """ISO 8601 in UTC."""


class EventRow(NamedTuple):
    """A moment of a run that attempts do not tell: what is at work or waits now, and when a process came and went.

    Keyed by thread, run, task, kind and moment.
    """

    thread_id: str
    run_id: str
    task_id: str
    """Empty for the run itself."""
    kind: str
    """Of a task: `added` (in a later round), `queued`, `started`, `failed` (an attempt did, and another one follows),
    `paused` (for a person). Of the run: `began` and `ended`, the moments at which a process took it up and left it."""
    at: str
    """ISO 8601 in UTC."""
    details: Mapping[str, Any] = {}
    """JSON: `attempt`, `error`, `retry_in_s`, `review`, `status`, where there is one."""


class History(ABC):
    """Keeps runs and attempts. All methods block, and may be called from any thread."""

    @abstractmethod
    def write(self, runs: Sequence[RunRow], attempts: Sequence[AttemptRow]) -> None:
        """Add rows; a run that is known is written anew, an attempt that is known is left as it is."""

    def note(self, events: Sequence[EventRow]) -> None:  # noqa: B027  # a history may do without
        """Add events; one that is known is left as it is."""

    def events(self, thread_id: str, run_id: str) -> list[EventRow]:
        """Return the events of a run, oldest first."""
        return []

    def attempts_of(self, thread_id: str, run_id: str) -> list[AttemptRow]:
        """Return the attempts of a run, oldest first."""
        return [row for row in self.attempts() if (row.thread_id, row.run_id) == (thread_id, run_id)]

    @abstractmethod
    def runs(self, since: str = "") -> list[RunRow]:
        """Return the runs that started at a moment (ISO 8601 in UTC) or later, oldest first."""

    @abstractmethod
    def attempts(self, since: str = "", specialist: str | None = None) -> list[AttemptRow]:
        """Return the attempts that started at a moment or later, oldest first."""

    @abstractmethod
    def latest(self, specialists: Collection[str], most: int) -> list[AttemptRow]:
        """Return the latest attempts that came to an end of their own, at most so many of each specialist."""

    @abstractmethod
    def latest_of_plan(self, plan: str, most: int) -> list[AttemptRow]:
        """Return the latest attempts of a plan's tasks that came to an end of their own."""

    @abstractmethod
    def prune(self, before: str) -> tuple[int, int]:
        """Delete what started before a moment; return how many runs and attempts."""

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of what is held open."""


OWN_END = ("succeeded", "failed", "timed_out", "skipped")
"""How attempts end that were not cancelled: those that tell what to expect of the next one."""


def name_of(plan: Mapping[str, Any]) -> str:
    """Return the name by which the history knows a plan: its own, else one that tells its tasks from others'.

    Args:
        plan: as the graph's input or its state has it; one that is no plan is called `plan`.
    """
    if isinstance(plan.get("name"), str) and plan["name"]:
        return str(plan["name"])
    tasks = plan.get("tasks")
    if not isinstance(tasks, list | tuple) or not all(isinstance(task, Mapping) for task in tasks):
        return "plan"
    pairs = [[_first(task, _IDS), AGGREGATE if "aggregate" in task else _first(task, _SPECIALISTS)] for task in tasks]
    return f"plan-{sha256(json.dumps(pairs).encode()).hexdigest()[:8]}"


_IDS, _SPECIALISTS = ("id", "task_id", "subtask_id"), ("specialist", "agent")


def _first(task: Mapping[str, Any], names: Sequence[str]) -> str:
    return str(next((task[name] for name in names if name in task), ""))


class MemoryHistory(History):
    """History that lasts as long as the process."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], RunRow] = {}
        self._attempts: dict[tuple[str, str, int, str], AttemptRow] = {}
        self._events: dict[tuple[str, ...], EventRow] = {}
        self._lock = threading.Lock()

    def write(self, runs: Sequence[RunRow], attempts: Sequence[AttemptRow]) -> None:
        """Add rows."""
        with self._lock:
            for run in runs:
                known = self._runs.get((run.thread_id, run.run_id))
                self._runs[run.thread_id, run.run_id] = run._replace(started=known.started) if known else run
            for row in attempts:
                self._attempts.setdefault((row.thread_id, row.task_id, row.attempt, row.started), row)

    def note(self, events: Sequence[EventRow]) -> None:
        """Add events."""
        with self._lock:
            for row in events:
                self._events.setdefault(row[:5], row)

    def events(self, thread_id: str, run_id: str) -> list[EventRow]:
        """Return the events of a run, oldest first."""
        with self._lock:
            found = [row for row in self._events.values() if row[:2] == (thread_id, run_id)]
        return sorted(found, key=lambda row: row.at)

    def runs(self, since: str = "") -> list[RunRow]:
        """Return runs, oldest first."""
        with self._lock:
            return sorted((run for run in self._runs.values() if run.started >= since), key=lambda run: run.started)

    def attempts(self, since: str = "", specialist: str | None = None) -> list[AttemptRow]:
        """Return attempts, oldest first."""
        with self._lock:
            found = [row for row in self._attempts.values() if row.started >= since]
        return sorted((row for row in found if specialist in (None, row.specialist)), key=lambda row: row.started)

    def latest(self, specialists: Collection[str], most: int) -> list[AttemptRow]:
        """Return the latest attempts of each specialist."""
        ended = [row for row in self.attempts() if row.status in OWN_END]
        return [row for name in specialists for row in [row for row in ended if row.specialist == name][-most:]]

    def latest_of_plan(self, plan: str, most: int) -> list[AttemptRow]:
        """Return the latest attempts of a plan's tasks."""
        return [row for row in self.attempts() if row.plan == plan and row.status in OWN_END][-most:]

    def prune(self, before: str) -> tuple[int, int]:
        """Delete old rows."""
        with self._lock:
            runs, attempts = len(self._runs), len(self._attempts)
            self._runs = {key: run for key, run in self._runs.items() if run.started >= before}
            self._attempts = {key: row for key, row in self._attempts.items() if row.started >= before}
            self._events = {key: row for key, row in self._events.items() if row.at >= before}
            return runs - len(self._runs), attempts - len(self._attempts)


ENOUGH = 3
"""Successful attempts without which nothing is estimated."""

LATEST = 200
"""Attempts of a specialist that count, the latest ones."""

OF_PLAN = 2000
"""The same of one plan."""

UNLIKE = 1.2
"""A task has an estimate of its own where its median is so many times its specialist's, or the other way round."""

OWN_ESTIMATES = 200
"""Tasks with an estimate of their own, at most: those that are unlike their specialist's others the most."""

Estimates = dict[str, dict[str, float]]
"""Specialist, or `task_key`, -> `{"p50", "p95", "n"}`: seconds, and how many attempts they come from."""


def estimates(history: History, specialists: Iterable[str], plan: str | None = None) -> Estimates:
    """Return what specialists' successful attempts took, where there are enough of them.

    Args:
        history: where to look.
        specialists: whose attempts.
        plan: a plan's name, whose tasks get estimates of their own where they are unlike the rest.
    """
    found = _grouped((row.specialist, row) for row in history.latest(list(specialists), LATEST))
    if plan is None:
        return found
    rows = history.latest_of_plan(plan, OF_PLAN)
    own = _grouped((task_key(row.specialist, row.task_id), row) for row in rows)
    unlike = {key: _unlike(estimate, found.get(key.partition(":")[0])) for key, estimate in own.items()}
    kept = sorted((key for key, factor in unlike.items() if factor >= UNLIKE), key=unlike.__getitem__, reverse=True)
    return {**found, **{key: own[key] for key in kept[:OWN_ESTIMATES]}}


def _grouped(keyed: Iterable[tuple[str, AttemptRow]]) -> Estimates:
    seconds: dict[str, list[float]] = {}
    for key, row in keyed:
        if row.status == "succeeded":
            seconds.setdefault(key, []).append(row.duration_s)
    return {key: _estimate(taken) for key, taken in seconds.items() if len(taken) >= ENOUGH}


def _estimate(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "p50": round(percentile(seconds, 50), 6),
        "p95": round(percentile(seconds, 95), 6),
        "n": len(seconds),
    }


def _unlike(own: Mapping[str, float], others: Mapping[str, float] | None) -> float:
    """Return how many times longer, or shorter, a task takes than its specialist's others."""
    if others is None:
        return UNLIKE
    one, other = own["p50"], others["p50"]
    return max(one, other) / max(min(one, other), 1e-6) if max(one, other) > 0.001 else 1.0


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile, between two values where it falls between them; 0 of none."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[percent - 1]
