"""What a plan says that can never count, or can hardly be meant: worth a warning, and no reason to refuse it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .expressions import chains, dotted
from .plan import Plan, Task
from .references import has_references
from .words import shown

EXPRESSIONS = ("value", "answer", "valid", "quality")
"""Fields of an aggregate that hold an expression over one branch's output."""


IN_WORDS = (
    "references in its 'description' stay as they stand: put them into 'input', or say in words which result is meant"
)


def without_effect(plan: Plan, exclusive: Collection[str] = ()) -> Iterator[str]:
    """Yield what stands in a plan to no effect, a sentence each.

    Args:
        plan: the plan.
        exclusive: specialists whose tasks are exclusive unless they say otherwise.
    """
    by_id = {task.id: task for task in plan.tasks}
    voters = {need for task in plan.tasks if _is_vote(task) for need in task.depends_on}
    for task in plan.tasks:
        told = f"task {shown(task.id)}: "
        if task.run_if not in ("all_success", "always") and not task.depends_on and task.aggregate is None:
            yield f"{told}'run_if: {task.run_if}' says nothing without 'depends_on': it starts at once"
        if "weight" in task.model_fields_set and task.id not in voters:
            yield f"{told}'weight' says nothing: no vote depends on it"
        if has_references(task.description):
            yield told + IN_WORDS
        yield from (told + text for text in _hedge(task, plan, exclusive))
        yield from (told + text for text in _roots(task, by_id))


def _is_vote(task: Task) -> bool:
    return task.aggregate is not None and task.aggregate.strategy == "vote"


def _hedge(task: Task, plan: Plan, exclusive: Collection[str]) -> Iterator[str]:
    if task.hedge is None:
        return
    if task.exclusive or (task.exclusive is None and task.specialist in exclusive):
        yield "'hedge' never begins: the task is exclusive, and a second attempt would work beside it"
        return
    after, limit = task.hedge.after_s, _longest(task, plan)
    if after is not None and limit is not None and after >= limit:
        yield f"'hedge' never begins: its after_s ({after:g}) is not below the time-out ({limit:g} s)"


def _longest(task: Task, plan: Plan) -> float | None:
    """Return the longest time that an attempt can have; `None` for no limit."""
    limit = task.timeout_s if "timeout_s" in task.model_fields_set else plan.config.timeout_s
    adaptive = task.adaptive_timeout.max_s if task.adaptive_timeout is not None else None
    return limit if limit is None or adaptive is None else max(limit, adaptive)


def _roots(task: Task, tasks: Mapping[str, Task]) -> Iterator[str]:
    """Yield which expressions of an aggregate look for what those of a task see: they see one output by itself."""
    if task.aggregate is None:
        return
    for name in EXPRESSIONS:
        for chain in chains(getattr(task.aggregate, name) or ""):
            rest = _behind(chain, task.depends_on)
            if rest is not None and not any(chain[0] in _keys(tasks.get(need)) for need in task.depends_on):
                meant = f"write {dotted(rest)}" if rest else f"leave {name!r} out for the whole of it"
                yield f"{name!r} looks for {dotted(chain)} in each branch's output, which it sees by itself; {meant}"


def _behind(chain: tuple[str, ...], branches: Collection[str]) -> tuple[str, ...] | None:
    """Return what stands behind the name of an output, where a path begins with one; else `None`."""
    if chain[0] in ("results", "status") and len(chain) > 1 and chain[1] in branches:
        return chain[2:]
    return chain[1:] if chain[0] == "output" or chain[0] in branches else None


def _keys(task: Task | None) -> Collection[Any]:
    """Return the fields that a task's output is known to have."""
    if task is None:
        return ()
    if task.aggregate is not None:
        return _KEYS.get(task.aggregate.strategy, ())
    output = task.input.get("output") if task.specialist == "wait" and isinstance(task.input, dict) else None
    return output if isinstance(output, dict) else ()


_KEYS = {
    "race": ("winner", "output", "quality", "rejected"),
    "vote": ("winner", "confidence", "distribution", "votes", "no_vote"),
}
