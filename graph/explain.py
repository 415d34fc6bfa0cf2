"""What would run when: phases, critical path and expected times, by the scheduler itself on a virtual clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..nodes.fitting import as_run
from ..schema.aggregate import AGGREGATE
from ..schema.dag import critical_path, phases, releasable
from ..schema.plan import Plan
from ..schema.words import listed
from .estimates import estimated_seconds
from .resources import SLOTS, demand_of
from .schedule import Limits, limits_of
from .simulation import Drawn, Played, Simulation, critical_chain
from .stand_ins import is_early

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
    """Ids on the longest chain that the end waits for, first to last; a race waits for its winner only."""
    critical_path_s: float
    total_s: float
    """All tasks that are expected to run, one after another."""
    lower_bound_s: float
    """No schedule can be faster: the critical path, or the work that nobody cancels divided by the slots, or what it
    takes of a pool divided by its units, or the starts divided by their rate."""
    expected_makespan_s: float
    phased_makespan_s: float
    """The same with a barrier after each phase."""
    speedup: float
    """What is worked, up to where it is cancelled by choice, against `expected_makespan_s`; 1 without any."""
    deadline_s: float | None = None
    """The plan's own."""
    notes: tuple[str, ...] = ()
    """What is left out of the numbers."""


def explain(
    plan: Plan | Mapping[str, Any] | str | PathLike[str],
    slots: int | None = None,
    known: Mapping[str, float] | None = None,
    *,
    specialists: Mapping[str, Any] | Sequence[Any] = (),
) -> Explanation:
    """Tell what a plan would take, without running it.

    Args:
        plan: the plan, its dict, the path of a plan file, or its text.
        slots: tasks that work at the same time; the plan's own `max_parallel` if not given or `None`.
        known: seconds by specialist, for tasks that do not say what they take; from history, where there is one.
        specialists: as for `build_graph`: which of them are exclusive, or keep a core busy. None need be given.

    Raises:
        PlanError: the plan is wrong.
    """
    plan = as_run(as_plan(plan), specialists)
    available = plan.config.max_parallel if slots is None else slots
    graph = {task.id: task.depends_on for task in plan.tasks}
    seconds = expected_seconds(plan, known)
    levels = phases(graph)
    limits = limits_of({**plan.config.model_dump(mode="json"), "max_parallel": available})
    tasks = plan.to_state()["tasks"]
    idle = _only_after_failures(tasks, seconds)
    left = [task for task in tasks if task["id"] not in idle]
    path = _critical(tasks, seconds, idle)
    path_s, total = sum(seconds[task] for task in path), sum(seconds[task["id"]] for task in left)
    let_go = _let_go(tasks, graph)
    certain = [task for task in left if task["id"] not in let_go]
    played = _played(tasks, seconds, limits)
    phased = _phased(left, levels, seconds, limits)
    in_phases = plan.config.schedule == "phased"
    expected = phased if in_phases else played.makespan_s
    work = total if in_phases else sum(attempt.drawn.seconds for attempt in played.attempts)
    return Explanation(
        tasks=len(plan.tasks),
        slots=available,
        phases=tuple(tuple(level) for level in levels),
        critical_path=tuple(path),
        critical_path_s=_rounded(path_s),
        total_s=_rounded(total),
        lower_bound_s=_rounded(min(max(path_s, _least(certain, seconds, limits)), expected)),
        expected_makespan_s=_rounded(expected),
        phased_makespan_s=_rounded(phased),
        speedup=round(work / expected, 3) if expected else 1.0,
        deadline_s=plan.config.deadline_s,
        notes=(*_told_idle(idle), *left_out(plan)),
    )


def certain_seconds(plan: Plan) -> float:
    """Return what a plan's critical path takes by what it says itself; what it says nothing of takes no time here."""
    default = plan.config.timeout_s
    seconds = {}
    for task in plan.to_state()["tasks"]:
        least = estimated_seconds({**task, "estimated_s": task.get("estimated_s", 0.0)})
        limit = task.get("timeout_s", default)
        seconds[task["id"]] = least if limit is None else min(least, limit)
    tasks = plan.to_state()["tasks"]
    return sum(seconds[task] for task in _critical(tasks, seconds, _only_after_failures(tasks, seconds)))


def _critical(tasks: Tasks, seconds: Mapping[str, float], idle: Collection[str]) -> list[str]:
    """Return the tasks that the end waits for where nothing has to queue."""
    if any(_goes_on_early(task) for task in tasks):
        return critical_chain(tasks, _played(tasks, seconds, Limits()))
    return critical_path({task["id"]: task.get("depends_on", ()) for task in tasks if task["id"] not in idle}, seconds)


def _only_after_failures(tasks: Tasks, seconds: Mapping[str, float]) -> list[str]:
    """Return the tasks that do not run where all goes well."""
    if not any(task.get("run_if") == "one_failed" for task in tasks):
        return []
    statuses = _played(tasks, seconds, Limits()).statuses
    return [task["id"] for task in tasks if statuses[task["id"]] == "skipped"]


def _told_idle(idle: Sequence[str]) -> list[str]:
    return [f"left out, since they only run where others fail: {listed(idle)}"] if idle else []


def _least(tasks: Tasks, seconds: Mapping[str, float], limits: Limits) -> float:
    """Return the time below which tasks can't be done with the slots, pools and rates that there are."""
    capacities = limits.capacities()
    taken, starts, alone = dict[str, float](), dict[str, int](), 0.0
    for task in tasks:
        if task["specialist"] == AGGREGATE:
            continue
        demand = demand_of(task, limits.pools)
        if demand.exclusive:
            alone += seconds[task["id"]]
        for pool, units in demand.units:
            starts[pool] = starts.get(pool, 0) + 1
            if not demand.exclusive and pool in capacities:
                taken[pool] = taken.get(pool, 0.0) + min(units, capacities[pool]) * seconds[task["id"]]
    by_pool = [alone + work / capacities[pool] for pool, work in taken.items() if work]
    rates = {pool: rate.get("starts_per_s") for pool, rate in limits.rates.items()} | {SLOTS: limits.starts_per_s}
    by_rate = [(starts.get(pool, 1) - 1) / rate for pool, rate in rates.items() if rate]
    return max([alone, *by_pool, *by_rate])


def as_plan(given: Plan | Mapping[str, Any] | str | PathLike[str]) -> Plan:
    """Return a plan, whatever it is given as.

    Raises:
        PlanError: it is wrong.
    """
    if isinstance(given, Plan):
        return given
    return Plan.model_validate(given) if isinstance(given, Mapping) else Plan.load(given)


def left_out(plan: Plan) -> list[str]:
    """Return what nobody can know of a plan before it runs, as far as the plan has it."""
    found = []
    if any(task.when for task in plan.tasks):
        found.append("every `when` is taken to be true")
    if any(rate.tokens_per_min is not None for rate in plan.config.rates.values()):
        found.append("what spends tokens is not known: `tokens_per_min` is left out")
    return found


def expected_seconds(plan: Plan, known: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return what each task is expected to take."""
    wanted = {"id", "estimated_s", "specialist", "input", "complexity"}
    return {task.id: estimated_seconds(task.model_dump(include=wanted), known or {}) for task in plan.tasks}


DESCRIBED = 12
"""Tasks of a phase, and phases, that a description names."""


def describe(plan: Plan) -> str:
    """Return what a plan would do and take, as text: how many tasks, how long, the critical path, the phases."""
    found = explain(plan)
    slots = "" if found.slots is None else f", at most {found.slots} at the same time"
    named = {task.id: f"{task.id} ({', '.join(filter(None, (task.title, task.specialist)))})" for task in plan.tasks}
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


def _goes_on_early(task: Mapping[str, Any]) -> bool:
    """Tell whether a task need not wait for all that it depends on."""
    combining = task.get("aggregate")
    return is_early(combining) if combining else task.get("run_if") in ("always", "one_success")


def _let_go(tasks: Tasks, graph: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the tasks that may be cancelled because others are enough."""
    early = [t for t in tasks if t.get("aggregate") and is_early(t["aggregate"])]
    each = [releasable(graph, t["id"]) for t in early if t["aggregate"].get("cancel_rest", True)]
    return {task_id for found in each for task_id in found}


def simulate(tasks: Tasks, seconds: Mapping[str, float], limits: Limits) -> float:
    """Return when the last task ends if every one takes its expected seconds and succeeds."""
    return _played(tasks, seconds, limits).makespan_s


def _played(tasks: Tasks, seconds: Mapping[str, float], limits: Limits) -> Played:
    def as_expected(task: Mapping[str, Any], attempt: int, specialist: str) -> Drawn:
        return Drawn(seconds[task["id"]])

    return Simulation(tasks, seconds, limits, as_expected, hopeful=True).run()


def _phased(tasks: Tasks, levels: Sequence[Sequence[str]], seconds: Mapping[str, float], limits: Limits) -> float:
    by_id = {task["id"]: {**task, "depends_on": []} for task in tasks}
    return sum(simulate([by_id[task_id] for task_id in level if task_id in by_id], seconds, limits) for level in levels)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
