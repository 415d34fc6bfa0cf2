"""Head starts: tasks that begin while the plan is still being written, and are adopted by their branches later.

Only work that is free of side effects begins so (`Specialist.pure`), within the limits of the run that are known by
then. Head starts belong to one invocation; they live in the process, and what nobody adopts is ended.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langgraph.runtime import RunControl

from ..nodes.effort import Worker
from ..nodes.head_start import HeadStart, Scene, told_of
from ..reducers.usage import added
from ..schema.plan import Plan, Task
from ..schema.policy import PlanConfig
from .budget import Budget, budget_of
from .fan_out import effective_config
from .gates import SHARED
from .resources import specialist_pool

CLAIM_S = 10.0
"""Seconds that head starts wait for their branches once the plan is there; a run that stops in between sends none."""

TAKES = ("needs", "memory_mb", "reads", "writes", "exclusive", "hedge", "adaptive_timeout")
"""Fields of tasks that take more than a slot, or follow what is not known yet."""

DECIDES = ("review", "when", "transform", "aggregate", "parallel_group")
"""Fields of tasks whose start is not decided by their dependencies alone."""


@dataclass
class HeadStarts:
    """The head starts of one planning."""

    workers: Mapping[str, Worker]
    scene: Scene
    config: PlanConfig
    """What is known of the run's limits."""
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Results that are there already, by task id."""
    works: dict[str, HeadStart] = field(default_factory=dict)
    _waiting: dict[str, Task] = field(default_factory=dict)
    _closed: bool = False

    def offer(self, task: Task) -> None:
        """Take a task that the planner has written: it begins once its dependencies are there and a slot is free."""
        if not self._closed and task.id not in self.works and self._may_begin(task):
            self._waiting[task.id] = task
            self._advance()

    def claim(self, task_id: str) -> HeadStart | None:
        """Give a task's work to its branch; whoever takes it ends it or awaits it."""
        return self.works.pop(task_id, None)

    async def keep(self, plan: Plan) -> dict[str, Any]:
        """Take the plan as it is to be run, end what does not fit it, and return what is to be told of that.

        Returns:
            An update of the graph's state: `usage` and `warnings`, where tokens were spent in vain.
        """
        self._close()
        kept = _fitting(self.works, plan, self.workers)
        return await self._end([task_id for task_id in self.works if task_id not in kept])

    async def end(self) -> dict[str, Any]:
        """End all of it, and return the same."""
        self._close()
        return await self._end(list(self.works))

    def cut(self) -> None:
        """End all of it without waiting."""
        self._close()
        for work in self.works.values():
            work.cut()
        self.works.clear()

    def _close(self) -> None:
        self._closed = True
        self._waiting.clear()

    async def _end(self, task_ids: Sequence[str]) -> dict[str, Any]:
        works = [self.works.pop(task_id) for task_id in task_ids]
        if not works:
            return {}
        await asyncio.gather(*(work.end() for work in works))
        usage: dict[str, Any] = {}
        for work in works:
            usage = added(usage, {work.specialist.name: work.used.total() or {}}) or {}
        usage = {name: used for name, used in usage.items() if used}
        return {"usage": usage, "warnings": [f"{told_of(works)} was discarded: the plan does without it"]}

    def _may_begin(self, task: Task) -> bool:
        worker = self.workers.get(task.specialist)
        if worker is None or not is_free(task, worker) or _is_limited(task.specialist, self.config):
            return False
        return all(need in self.works or need in self._waiting or need in self.results for need in task.depends_on)

    def _advance(self, _: object = None) -> None:
        if self._waiting and self._is_budget_used():
            self._close()
        for task in list(self._waiting.values()):
            if self._has_room(task.specialist) and (results := self._there(task)) is not None:
                del self._waiting[task.id]
                given = {**_defaults(self.config), **task.model_dump(mode="json", exclude_unset=True)}
                work = self.works[task.id] = HeadStart(given, results, self.workers[task.specialist], self.scene)
                work.work.add_done_callback(self._advance)

    def _there(self, task: Task) -> dict[str, Mapping[str, Any]] | None:
        """Return the results that a task depends on, if all succeeded."""
        found: dict[str, Mapping[str, Any]] = {}
        for need in task.depends_on:
            if (work := self.works.get(need)) is not None and work.has_succeeded:
                found[need] = work.result()
            elif (result := self.results.get(need)) is not None and result["status"] == "succeeded":
                found[need] = result
            else:
                return None
        return found

    def _is_budget_used(self) -> bool:
        """Tell whether what began has used up the run's budget; what the planner uses is not known yet."""
        used = {task_id: {"specialist": "", "usage": work.used.total()} for task_id, work in self.works.items()}
        budget = Budget.of(budget_of(self.config.model_dump(), {**self.results, **used}, None) or {})
        return budget is not None and budget.over is not None

    def _has_room(self, specialist: str) -> bool:
        counts = Counter(work.specialist.name for work in self.works.values() if work.is_running)
        return _fit(counts + Counter([specialist]), self.config)


class _Left(NamedTuple):
    """Head starts that wait for their branches."""

    control: RunControl | None
    """Held, so that its identity is not used again."""
    starts: HeadStarts
    timer: asyncio.TimerHandle
    """Ends what is not claimed in time."""


@dataclass
class Ahead:
    """The head starts that wait for their branches, by the invocation that they belong to."""

    _waiting: dict[tuple[int, str], _Left] = field(default_factory=dict)

    def leave(self, control: RunControl | None, run_id: str, starts: HeadStarts) -> None:
        """Leave head starts for the branches of a run; what is not claimed in time is ended."""
        if not starts.works:
            return
        if control is not None and control.drain_requested:
            starts.cut()
            return
        key = (id(control), run_id)
        timer = asyncio.get_running_loop().call_later(CLAIM_S, self._expire, key, starts)
        self._waiting[key] = _Left(control, starts, timer)

    def claim(self, control: RunControl | None, send: Mapping[str, Any]) -> HeadStart | None:
        """Return the work that was begun for a branch, if there is any; it is the branch's then."""
        if not self._waiting or send.get("group"):
            return None
        key = (id(control), str(send["superstep"]).rpartition(":")[0])
        if (found := self._waiting.get(key)) is None:
            return None
        work = found.starts.claim(send["task"]["id"])
        if not found.starts.works:
            found.timer.cancel()
            del self._waiting[key]
        return work

    def _expire(self, key: tuple[int, str], starts: HeadStarts) -> None:
        starts.cut()
        if (found := self._waiting.get(key)) is not None and found.starts is starts:
            del self._waiting[key]


def is_free(task: Task, worker: Worker) -> bool:
    """Tell whether a task may begin before its branch: its work is pure, it takes a slot alone, nobody is asked."""
    specialist = worker.specialist
    if not specialist.pure or specialist.exclusive or specialist.cpu_bound or specialist.lacks:
        return False
    return task.run_if == "all_success" and not any(
        getattr(task, name) not in (None, (), {}) for name in (*TAKES, *DECIDES)
    )


def _is_limited(specialist: str, config: PlanConfig) -> bool:
    """Tell whether starts are paced, by the plan or by what servers have refused."""
    if config.starts_per_s is not None or specialist in config.rates:
        return True
    gate = SHARED.get(specialist_pool(specialist))
    if gate is None:
        return False
    now = asyncio.get_running_loop().time()
    return bool(gate.limit is not None or gate.starts_per_s or gate.tokens_per_min or gate.opens_at(now) > now)


def _fit(counts: Mapping[str, int], config: PlanConfig) -> bool:
    """Tell whether so many tasks of these specialists may work at the same time."""
    slots = config.specialist_slots
    if any(count > slots.get(name, count) for name, count in counts.items()):
        return False
    return config.max_parallel is None or sum(counts.values()) <= config.max_parallel


def _fitting(works: Mapping[str, HeadStart], plan: Plan, workers: Mapping[str, Worker]) -> set[str]:
    """Return the head starts that stand in a plan as they were begun, within its limits, after others that do."""
    kept, counts = set[str](), Counter[str]()
    tasks = {task.id: task for task in plan.tasks}
    if plan.config.review is not None:
        return kept
    for task_id, work in works.items():  # each after those that it depends on
        task = tasks.get(task_id)
        if task is None or task.specialist != work.specialist.name or not is_free(task, workers[task.specialist]):
            continue
        own = [need for need in task.depends_on if need in tasks and need in works]
        more = counts + Counter([task.specialist] if work.is_running else [])
        phased = plan.config.schedule == "phased" and bool(own)
        if (
            phased
            or _is_limited(task.specialist, plan.config)
            or not kept.issuperset(own)
            or not _fit(more, plan.config)
        ):
            continue
        if _looks_like(work.written, task):
            kept.add(task_id)
            counts = more
    return kept


def _looks_like(begun: Mapping[str, Any], task: Task) -> bool:
    """Tell whether a task is what was begun, as far as that can be told before its dependencies are there."""
    now = task.model_dump(mode="json", exclude_unset=True)
    names = ("title", "description", "depends_on")
    same = all((begun.get(name) or None) == (now.get(name) or None) for name in names)
    return same and begun.get("input", {}) == now.get("input", {})


def _defaults(config: PlanConfig) -> dict[str, Any]:
    """Return what a branch's task has of the plan's configuration."""
    known = effective_config({"config": config.model_dump(mode="json", exclude_unset=True)})
    return {name: known[name] for name in ("timeout_s", "retry")}
