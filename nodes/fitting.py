"""A plan fitted to the graph's specialists: what must hold of its tasks because of them, and what they bring along."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ..schema.checks import check_exclusives, check_specialists
from ..schema.errors import PlanError, Problem
from ..schema.inputs import check_inputs, input_schemas
from ..schema.plan import Plan, Task
from ..schema.policy import Retry
from ..schema.results import TaskResult
from ..schema.task_checks import check_functions
from ..schema.words import shown
from .specialist import Specialist, as_specialists

CPU = "cpu"
"""The pool that CPU-bound tasks take one unit of: cores."""


def fitted(plan: Plan, specialists: Mapping[str, Specialist], functions: Collection[str] = ()) -> Plan:
    """Return a plan with what its specialists take and bring: exclusive ones all, CPU-bound ones a core, those
    that work with a model a unit of the pool of its name, retries.

    Args:
        plan: the plan, its configuration filled in.
        specialists: the graph's specialists, by name.
        functions: names of the caller's functions that combine results.

    Raises:
        PlanError: a task can't be done here, or its input is not what its specialist takes; lists every problem.
    """
    problems = [
        *_unknown(plan, specialists),
        *_lacking(plan, specialists),
        *check_functions(plan.tasks, functions),
        *_misfits(plan, specialists),
        *check_exclusives(plan, {name for name, item in specialists.items() if item.exclusive}),
    ]
    if problems:
        raise PlanError(problems)
    return _with_terms(plan, specialists)


def as_run(plan: Plan, own: Mapping[str, Any] | Sequence[Any] = ()) -> Plan:
    """Return a plan that is to be looked at, not run, with what its specialists take and bring; none is refused.

    Args:
        plan: the plan.
        own: specialists as for `build_graph`, beside the built-in ones; what others take is not known.
    """
    from .specialists import built_in

    return _with_terms(plan, {**built_in(names={task.specialist for task in plan.tasks}), **as_specialists(own)})


def used_names(plan: Plan) -> set[str]:
    """Return the names of the specialists that a plan asks for, as fallbacks too."""
    instead = (task.fallback.specialist for task in plan.tasks if task.fallback is not None)
    return {*(task.specialist for task in plan.tasks), *(name for name in instead if name is not None)}


def _with_terms(plan: Plan, specialists: Mapping[str, Specialist]) -> Plan:
    is_said = "retry" in plan.config.model_fields_set
    pools = plan.config.pools
    changed = tuple(_fitted_task(task, specialists.get(task.specialist), is_said, pools) for task in plan.tasks)
    if any(new is not old for new, old in zip(changed, plan.tasks, strict=True)):
        plan = plan.model_copy(update={"tasks": changed})
    if CPU in plan.config.pools or not any(_is_busy(specialists.get(task.specialist)) for task in plan.tasks):
        return plan
    return plan.with_config({"pools": {**plan.config.pools, CPU: float(os.cpu_count() or 1)}})


def unknown_tasks(plan: Plan, specialists: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the results of tasks that are skipped because their specialists do not exist, and warnings.

    Raises:
        PlanError: there are such tasks, and the plan does not say that they are to be skipped.
    """
    if problems := _unknown(plan, specialists):
        raise PlanError(problems)
    unknown = [task for task in plan.tasks if task.specialist not in specialists]
    skipped = {t.id: skipped_result(t.id, t.specialist, f"unknown specialist {t.specialist!r}") for t in unknown}
    return skipped, [f"task {t.id!r} is skipped: there is no specialist {t.specialist!r}" for t in unknown]


def skipped_result(task_id: str, specialist: str, reason: str) -> dict[str, Any]:
    """Return the result of a task that is not run."""
    return TaskResult(task_id=task_id, specialist=specialist, status="skipped", error=reason).model_dump(mode="json")


def _unknown(plan: Plan, specialists: Collection[str]) -> list[Problem]:
    return check_specialists(plan, specialists) if plan.config.unknown_specialist == "error" else []


def _lacking(plan: Plan, specialists: Mapping[str, Specialist]) -> Iterator[Problem]:
    """Yield a problem for each task, and each fallback, whose specialist lacks what it needs."""
    for index, task in enumerate(plan.tasks):
        instead = task.fallback.specialist if task.fallback is not None else None
        for path, name in (("specialist", task.specialist), ("fallback.specialist", instead)):
            if name is not None and name in specialists and (lacks := lacking(specialists[name], task.input)):
                message = f"task {shown(task.id)}: specialist {shown(name)} can't be used: {lacks}"
                yield Problem(message, f"tasks[{index}].{path}")


def lacking(specialist: Specialist, given: Any) -> str:
    """Return what a specialist needs and does not have for a task with this input, or nothing."""
    return specialist.lacks or ("" if specialist.lacks_for is None else specialist.lacks_for(given))


def _misfits(plan: Plan, specialists: Mapping[str, Specialist]) -> list[Problem]:
    """Return a problem for each input that its specialist does not take."""
    used = {task.specialist for task in plan.tasks}
    declared = [item for name, item in specialists.items() if name in used and item.input_schema is not None]
    return check_inputs(plan, input_schemas(declared)) if declared else []


def _is_busy(specialist: Specialist | None) -> bool:
    return specialist is not None and specialist.cpu_bound


def _fitted_task(task: Task, specialist: Specialist | None, is_retry_said: bool, pools: Collection[str]) -> Task:
    if specialist is None:
        return task
    update: dict[str, Any] = {}
    if specialist.exclusive and task.exclusive is None:
        update["exclusive"] = True
    if specialist.cpu_bound and CPU not in task.needs:
        update["needs"] = {**task.needs, CPU: 1.0}
    if specialist.model is not None and specialist.model in pools and specialist.model not in task.needs:
        update["needs"] = {**task.needs, **update.get("needs", {}), specialist.model: 1.0}
    if specialist.retry is not None and not is_retry_said and "retry" not in task.model_fields_set:
        update["retry"] = Retry.model_validate(specialist.retry)
    return task.model_copy(update=update) if update else task
