"""What the rest of a run is expected to take: the scheduler plays it through with what is known by now."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

PLAYED = 400
"""Tasks up to which the rest is played through; of more, the longest path and the work by slots tell."""

EVERY_S = 1.0
"""Seconds between two looks at what is left."""

SHARE = 50
"""A look waits so many times as long as the one before took: looking takes 2 % of the time at most."""

OVERDUE = 0.1
"""A task beyond what it was expected to take is expected to take so much more of what it took."""


class Ended(NamedTuple):
    """A task that has its result."""

    status: str
    seconds: float = 0.0
    error: str = ""


class Expected:
    """Knows what each task should take: from its plan, from history, and from tasks that ended in this run."""

    def __init__(self) -> None:
        self._tasks: dict[str, Mapping[str, Any]] = {}
        self._config: Mapping[str, Any] = {}
        self._known: dict[str, float] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        self._ends: float | None = None
        self._next = float("-inf")

    def take_plan(self, plan: Mapping[str, Any], estimates: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """Take a plan as the state holds it; what was known before stays known."""
        from ..graph.estimates import known_seconds
        from ..graph.fan_out import effective_config

        self._tasks = {str(task["id"]): task for task in plan.get("tasks") or ()}
        self._config = effective_config(plan)
        self._known |= known_seconds(estimates)
        self._next = float("-inf")

    def saw(self, task_id: str, seconds: float) -> None:
        """Take what a task took: it tells of the others of its specialist."""
        if (task := self._tasks.get(task_id)) is not None:
            count, total = self._seen.get(task["specialist"], (0, 0.0))
            self._seen[task["specialist"]] = count + 1, total + seconds

    def of(self, task_id: str) -> float | None:
        """Return the seconds that a task is expected to take; `None` where nothing is known of it."""
        from ..graph.estimates import estimated_seconds, task_key

        task = self._tasks.get(task_id)
        if task is None:
            return None
        specialist = str(task.get("specialist"))
        says = task.get("estimated_s") is not None or specialist in ("wait", "aggregate")
        if says or specialist in self._known or task_key(specialist, task_id) in self._known:
            return estimated_seconds(task, self._known)
        count, total = self._seen.get(specialist, (0, 0.0))
        return total / count if count else None

    def left(
        self,
        now: float,
        ended: Mapping[str, Ended],
        spent: Mapping[str, float],
        pauses: Mapping[str, float],
        waiting: Collection[str],
    ) -> float | None:
        """Return the seconds until the end, as expected; `None` where little is known of most that is left.

        Args:
            now: the moment.
            ended: tasks that have a result.
            spent: seconds that tasks at work have worked.
            pauses: seconds until tasks are tried again.
            waiting: tasks that wait for a person; nobody knows how long.
        """
        if now >= self._next:
            begun = time.perf_counter()
            try:
                rest = self._look(ended, spent, pauses, waiting)
            except Exception:  # a guess that can't be made is none, and ends no run
                rest = None
            self._ends = None if rest is None else now + rest
            self._next = now + max(EVERY_S, SHARE * (time.perf_counter() - begun))
        return None if self._ends is None else max(0.0, self._ends - now)

    def _look(
        self,
        ended: Mapping[str, Ended],
        spent: Mapping[str, float],
        pauses: Mapping[str, float],
        waiting: Collection[str],
    ) -> float | None:
        rest = [task for task_id, task in self._tasks.items() if task_id not in ended]
        open_ids = {task["id"] for task in rest}
        if not rest or open_ids <= set(waiting):
            return None
        known = {task["id"]: self.of(task["id"]) for task in rest}
        if 2 * sum(seconds is None for seconds in known.values()) > len(known):
            return None
        usual = [seconds for seconds in known.values() if seconds is not None]
        mean = sum(usual) / len(usual)
        seconds = {task_id: mean if value is None else value for task_id, value in known.items()}
        for task_id, worked in spent.items():
            if task_id in seconds:
                seconds[task_id] = max(seconds[task_id] - worked, OVERDUE * worked)
        for task_id, pause in pauses.items():
            if task_id in seconds:
                seconds[task_id] += max(0.0, pause)
        seconds |= {task_id: 0.0 for task_id in waiting if task_id in seconds}
        at_work = spent.keys() | pauses.keys() | set(waiting)
        if len(rest) > PLAYED:
            return self._bound(rest, seconds, open_ids)
        done = {task_id for task_id, one in ended.items() if one.status == "succeeded"}
        return self._played(rest, seconds, open_ids, done, at_work)

    def _played(
        self,
        rest: Sequence[Mapping[str, Any]],
        seconds: dict[str, float],
        open_ids: Collection[str],
        done: Collection[str],
        at_work: Collection[str],
    ) -> float:
        from ..graph.explain import simulate
        from ..graph.schedule import AT_WORK, limits_of
        from ..schema.dag import phases

        kept: dict[str, Mapping[str, Any]] = {}
        for task in rest:
            needs = task.get("depends_on") or ()
            if task.get("aggregate"):
                kept |= {need: {"id": need, "specialist": "ended"} for need in needs if need in done}
                kept[task["id"]] = {**task, "depends_on": [need for need in needs if need in open_ids or need in done]}
            elif task["id"] in at_work:
                kept[task["id"]] = {**task, "depends_on": (), "run_if": "all_success", "priority": AT_WORK}
            else:
                kept[task["id"]] = {**task, "depends_on": [need for need in needs if need in open_ids]}
        seconds |= {task_id: 0.0 for task_id in kept if task_id not in seconds}
        limits = limits_of(self._config)
        if self._config.get("schedule") != "phased":
            return simulate(list(kept.values()), seconds, limits)
        levels = phases({task_id: task.get("depends_on") or () for task_id, task in kept.items()})
        alone = {task_id: {**task, "depends_on": ()} for task_id, task in kept.items() if not task.get("aggregate")}
        return sum(simulate([alone[i] for i in level if i in alone], seconds, limits) for level in levels)

    def _bound(
        self, rest: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], open_ids: Collection[str]
    ) -> float:
        from ..schema.dag import upward_ranks

        graph = {t["id"]: [need for need in t.get("depends_on") or () if need in open_ids] for t in rest}
        longest = max(upward_ranks(graph, seconds).values())
        slots = self._config.get("max_parallel")
        return max(longest, sum(seconds.values()) / slots if slots else 0.0)
