"""What would shorten runs, by their history: critical tasks, what is queued for, work that comes to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..schema.results import Record
from ..schema.words import counted
from .history import AttemptRow, RunRow
from .resources import SLOTS
from .run_facts import EXCLUSIVE, OTHER, RATE

SHOWN = 10
"""Tasks on critical paths that are told."""

WORTH_TELLING = 0.05
"""Share of the runs' time that something has to take to be called a bottleneck."""


class CriticalTask(Record):
    """A task on the critical path of runs of its plan."""

    plan: str
    task_id: str
    specialist: str | None
    runs: int
    """Runs of the plan in which it was on the critical path."""
    of_runs: int
    """Runs of the plan."""
    seconds: float
    """What it took in those, together."""
    share: float
    """The same as a share of the makespan of all runs of the plan."""


class Wait(Record):
    """Something that tasks queued for."""

    cause: str
    """A pool's name, `slots`, or what else it was."""
    seconds: float
    """All tasks together."""
    share: float
    """Of all queueing."""
    runs: int
    """Runs in which it happened."""


def critical_tasks(runs: Sequence[RunRow]) -> list[CriticalTask]:
    """Return the tasks that take most of their plan's makespan along the critical path, those first."""
    plans: dict[str, list[RunRow]] = {}
    for run in runs:
        plans.setdefault(run.name, []).append(run)
    found = [task for plan, own in plans.items() for task in _critical_of(plan, own)]
    return sorted(found, key=lambda task: -task.seconds)[:SHOWN]


def _critical_of(plan: str, runs: Sequence[RunRow]) -> Iterator[CriticalTask]:
    makespan = sum(run.makespan_s for run in runs)
    taken: dict[str, list[float]] = {}
    specialists: dict[str, str] = {}
    for run in runs:
        specialists.update(run.details.get("specialists") or {})
        for task_id, seconds in (run.details.get("critical") or {}).items():
            taken.setdefault(task_id, []).append(seconds)
    for task_id, seconds in taken.items():
        yield CriticalTask(
            plan=plan,
            task_id=task_id,
            specialist=specialists.get(task_id),
            runs=len(seconds),
            of_runs=len(runs),
            seconds=round(sum(seconds), 6),
            share=round(min(1.0, sum(seconds) / makespan), 4),
        )


def waited_for(runs: Sequence[RunRow]) -> list[Wait]:
    """Return what tasks queued for, the longest first."""
    causes: dict[str, list[float]] = {}
    for run in runs:
        for cause, seconds in (run.details.get("waits") or {}).items():
            causes.setdefault(cause, []).append(seconds)
    total = sum(sum(seconds) for seconds in causes.values())
    waits = [
        Wait(cause=cause, seconds=round(sum(taken), 6), share=round(sum(taken) / total, 4), runs=len(taken))
        for cause, taken in causes.items()
    ]
    return sorted(waits, key=lambda wait: -wait.seconds)


def told(
    runs: Sequence[RunRow],
    critical: Sequence[CriticalTask],
    waits: Sequence[Wait],
    attempts: Sequence[AttemptRow],
) -> list[str]:
    """Return what would shorten the runs, in words, the most rewarding first."""
    makespan = sum(run.makespan_s for run in runs)
    if makespan <= 0:
        return []
    found = [(task.seconds / 2, _told_critical(task)) for task in critical[:3]]
    found += [(wait.seconds, _told_wait(wait)) for wait in waits if wait.cause != OTHER]
    found += list(_told_wasted(attempts))
    return [words for gain, words in sorted(found, reverse=True) if gain >= WORTH_TELLING * makespan]


def _told_critical(task: CriticalTask) -> str:
    by = f" (specialist {task.specialist!r})" if task.specialist else ""
    return (
        f"task {task.task_id!r}{by} is on the critical path in {task.runs} of {task.of_runs} runs of {task.plan!r} and "
        f"takes {task.share:.0%} of their time: twice as fast, it would shorten them by up to {task.share / 2:.0%}"
    )


def _told_wait(wait: Wait) -> str:
    advice = {
        SLOTS: "slots: raise max_parallel",
        EXCLUSIVE: "exclusive tasks to end: let fewer tasks be exclusive",
        RATE: "the start rate: raise starts_per_s",
    }
    what = advice.get(wait.cause, f"{_pool(wait.cause)}: raise its capacity, or let tasks need less of it")
    return f"tasks queued {wait.seconds:.1f} s ({wait.share:.0%} of all queueing) for {what}"


def _pool(cause: str) -> str:
    return f"the slots of {cause}" if cause.startswith("specialist ") else f"the pool {cause!r}"


def _told_wasted(attempts: Sequence[AttemptRow]) -> Iterator[tuple[float, str]]:
    """Yield the work of attempts that came to nothing, by specialist."""
    wasted: dict[tuple[str, str], list[float]] = {}
    for row in attempts:
        if row.status in ("failed", "timed_out"):
            wasted.setdefault((row.specialist, row.status), []).append(row.duration_s)
    for (specialist, status), seconds in wasted.items():
        what, advice = ("time-out", "a shorter timeout_s") if status == "timed_out" else ("failure", "mending it")
        taken = f"{counted(len(seconds), what)} of specialist {specialist!r} took {sum(seconds):.1f} s"
        yield sum(seconds), f"{taken}: {advice} would save some of it"
