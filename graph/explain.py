"""What would run when: phases, critical path and expected times, by the scheduler itself on a virtual clock."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..schema.dag import critical_path, phases, upward_ranks
from ..schema.plan import Plan, Task
from .estimates import estimated_seconds
from .schedule import Limits, Schedule


class Explanation(BaseModel):
    """What is to be expected of a plan; times are seconds."""

    model_config = ConfigDict(frozen=True)

    tasks: int
    """How many there are."""
    slots: int | None
    """Tasks that work at the same time; `null` for no limit."""
    phases: tuple[tuple[str, ...], ...]
    """Ids by level: each task stands in the first one in which its dependencies are done."""
    critical_path: tuple[str, ...]
    """Ids on the longest chain, first to last."""
    critical_path_s: float
    total_s: float
    """All tasks one after another."""
    lower_bound_s: float
    """No schedule can be faster: the critical path, or the work divided by the slots."""
    expected_makespan_s: float
    phased_makespan_s: float
    """The same with a barrier after each phase."""
    speedup: float
    """`total_s / expected_makespan_s`; 1 where there is nothing to do."""


def explain(plan: Plan | Mapping[str, Any] | str | PathLike[str], slots: int | None = None) -> Explanation:
    """Tell what a plan would take, without running it.

    Args:
        plan: the plan, its dict, the path of a plan file, or its text.
        slots: tasks that work at the same time; the plan's own `max_parallel` if not given or `None`.

    Raises:
        PlanError: the plan is wrong.
    """
    if not isinstance(plan, Plan):
        plan = Plan.model_validate(plan) if isinstance(plan, Mapping) else Plan.load(plan)
    available = plan.config.max_parallel if slots is None else slots
    graph = {task.id: task.depends_on for task in plan.tasks}
    seconds = {
        task.id: estimated_seconds(task.model_dump(include={"estimated_s", "specialist", "input"}))
        for task in plan.tasks
    }
    levels = phases(graph)
    path = critical_path(graph, seconds)
    limits = Limits(available, plan.config.starts_per_s)
    path_s, total = sum(seconds[task] for task in path), sum(seconds.values())
    makespan = simulate(plan.tasks, seconds, limits)
    phased = _phased(plan.tasks, levels, seconds, limits)
    return Explanation(
        tasks=len(plan.tasks),
        slots=available,
        phases=tuple(tuple(level) for level in levels),
        critical_path=tuple(path),
        critical_path_s=_rounded(path_s),
        total_s=_rounded(total),
        lower_bound_s=_rounded(max(path_s, total / available if available else 0.0)),
        expected_makespan_s=_rounded(phased if plan.config.schedule == "phased" else makespan),
        phased_makespan_s=_rounded(phased),
        speedup=round(total / makespan, 3) if makespan else 1.0,
    )


DESCRIBED = 12
"""Tasks of a phase, and phases, that a description names."""


def describe(plan: Plan) -> str:
    """Return what a plan would do and take, as text: how many tasks, how long, the critical path, the phases."""
    found = explain(plan)
    slots = "" if found.slots is None else f", at most {found.slots} at the same time"
    named = {task.id: f"{task.id} ({task.specialist})" for task in plan.tasks}
    lines = [
        f"{plan.name}: {_counted(found.tasks, 'task')} in {_counted(len(found.phases), 'phase')}{slots}",
        f"expected: {found.expected_makespan_s:.1f} s, for {found.total_s:.1f} s of work",
        f"critical path ({found.critical_path_s:.1f} s): {_named(found.critical_path, ' > ')}",
        *(
            f"phase {number}: {_named([named[task_id] for task_id in phase], ', ')}"
            for number, phase in enumerate(found.phases[:DESCRIBED], 1)
        ),
    ]
    if len(found.phases) > DESCRIBED:
        lines.append(f"and {len(found.phases) - DESCRIBED} more phases")
    return "\n".join(lines)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _named(names: Sequence[str], between: str) -> str:
    more = f"{between}... {len(names) - DESCRIBED} more" if len(names) > DESCRIBED else ""
    return between.join(names[:DESCRIBED]) + more


def simulate(tasks: Sequence[Task], seconds: Mapping[str, float], limits: Limits) -> float:
    """Return when the last task ends if every one takes its expected seconds and succeeds."""
    ranks = upward_ranks({task.id: task.depends_on for task in tasks}, seconds)
    schedule, now, ending = Schedule(limits), 0.0, list[tuple[float, int, str]]()
    for order, task in enumerate(tasks):
        schedule.add(task.id, task.depends_on, run_if=_hopeful(task.run_if), rank=ranks[task.id], order=order)
    while True:
        decision = schedule.decide(now)
        for task_id in decision.start:
            heapq.heappush(ending, (now + seconds[task_id], len(ending), task_id))
        if not ending and decision.wake_at is None:
            return now
        following = [moment for moment in (decision.wake_at, ending[0][0] if ending else None) if moment is not None]
        now = min(following)
        while ending and ending[0][0] <= now:
            schedule.settle(heapq.heappop(ending)[2], "succeeded")


def _hopeful(run_if: str) -> str:
    """Return the rule as it works where everything succeeds: a task for failures is counted as if it ran."""
    return "all_done" if run_if == "one_failed" else run_if


def _phased(
    tasks: Sequence[Task], levels: Sequence[Sequence[str]], seconds: Mapping[str, float], limits: Limits
) -> float:
    by_id = {task.id: task.model_copy(update={"depends_on": ()}) for task in tasks}
    return sum(simulate([by_id[task_id] for task_id in level], seconds, limits) for level in levels)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
