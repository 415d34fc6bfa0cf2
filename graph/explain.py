"""What would run when: phases, critical path and expected times, by the scheduler itself on a virtual clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..schema.dag import critical_path, phases
from ..schema.plan import Plan
from .estimates import estimated_seconds
from .schedule import Limits, limits_of
from .simulation import Drawn, Simulation

Tasks = Sequence[Mapping[str, Any]]
"""Tasks as dicts, as the state holds them."""


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


def explain(
    plan: Plan | Mapping[str, Any] | str | PathLike[str],
    slots: int | None = None,
    known: Mapping[str, float] | None = None,
) -> Explanation:
    """Tell what a plan would take, without running it.

    Args:
        plan: the plan, its dict, the path of a plan file, or its text.
        slots: tasks that work at the same time; the plan's own `max_parallel` if not given or `None`.
        known: seconds by specialist, for tasks that do not say what they take; from history, where there is one.

    Raises:
        PlanError: the plan is wrong.
    """
    if not isinstance(plan, Plan):
        plan = Plan.model_validate(plan) if isinstance(plan, Mapping) else Plan.load(plan)
    available = plan.config.max_parallel if slots is None else slots
    graph = {task.id: task.depends_on for task in plan.tasks}
    seconds = expected_seconds(plan, known)
    levels = phases(graph)
    path = critical_path(graph, seconds)
    limits = limits_of({**plan.config.model_dump(mode="json"), "max_parallel": available})
    tasks = plan.to_state()["tasks"]
    path_s, total = sum(seconds[task] for task in path), sum(seconds.values())
    makespan = simulate(tasks, seconds, limits)
    phased = _phased(tasks, levels, seconds, limits)
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


def expected_seconds(plan: Plan, known: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return what each task is expected to take."""
    wanted = {"id", "estimated_s", "specialist", "input"}
    return {task.id: estimated_seconds(task.model_dump(include=wanted), known or {}) for task in plan.tasks}


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


def simulate(tasks: Tasks, seconds: Mapping[str, float], limits: Limits) -> float:
    """Return when the last task ends if every one takes its expected seconds and succeeds."""

    def as_expected(task: Mapping[str, Any], attempt: int, specialist: str) -> Drawn:
        return Drawn(seconds[task["id"]])

    return Simulation(tasks, seconds, limits, as_expected, hopeful=True).run().makespan_s


def _phased(tasks: Tasks, levels: Sequence[Sequence[str]], seconds: Mapping[str, float], limits: Limits) -> float:
    by_id = {task["id"]: {**task, "depends_on": []} for task in tasks}
    return sum(simulate([by_id[task_id] for task_id in level], seconds, limits) for level in levels)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
