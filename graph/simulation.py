"""Playing a plan through on a virtual clock: the scheduler is the real one, what attempts come to is drawn."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..reducers.aggregation import Branch, Done, Fail, Nothing, Take, Wait, verdict
from ..schema.aggregate import AGGREGATE, Aggregate, branch_terms
from ..schema.conflicts import goes_behind, touching
from ..schema.dag import is_topological, releasable, topological
from ..schema.results import standing
from .gates import Gates
from .ranks import start_ranks
from .resources import demand_of
from .schedule import Limits, Schedule
from .stand_ins import UNKNOWN, is_early, known_output, playable


class Drawn(NamedTuple):
    """What one attempt comes to."""

    seconds: float
    status: str = "succeeded"
    """`succeeded`, `failed`, `timed_out` or `skipped` (by its own choice); `cancelled` where it was not let end."""
    usage: Mapping[str, Any] | None = None
    again: bool = True
    """Whether its failure is worth another attempt."""


Draw = Callable[[Mapping[str, Any], int, str], Drawn]
"""Given a task, the number of the attempt and the specialist, says what that attempt comes to."""


class Attempt(NamedTuple):
    """One attempt that was played."""

    task_id: str
    specialist: str
    start: float
    drawn: Drawn


@dataclass(slots=True)
class Played:
    """How a plan went; moments are seconds since its start."""

    makespan_s: float = 0.0
    statuses: dict[str, str] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    """Task id -> moment of its end."""
    by_choice: set[str] = field(default_factory=set)
    """Tasks that were cancelled or skipped because nobody needed them."""
    attempts: list[Attempt] = field(default_factory=list)


class Simulation:
    """One plan, played through once."""

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any]],
        seconds: Mapping[str, float],
        limits: Limits,
        draw: Draw,
        *,
        config: Mapping[str, Any] | None = None,
        hopeful: bool = False,
        dice: random.Random | None = None,
    ) -> None:
        """Prepare a plan.

        Args:
            tasks: as dicts; only what was set needs to be there.
            seconds: what each is expected to take, for the order of those that are ready.
            limits: slots, pools, rates of starts; what spends tokens is not known.
            draw: says what each attempt comes to.
            config: the run's `deadline_s`, `on_failure` and the defaults of tasks; none if not given.
            hopeful: whether every attempt is let end, without time-outs.
            dice: for the jitter of waits between attempts; without it they last as long as they may.
        """
        self._tasks = {task["id"]: task for task in tasks}
        self._config = config or {}
        self._draw = draw
        self._dice = dice
        self._hopeful = hopeful
        gates = Gates()
        gates.configure(limits.rates)
        self._schedule = Schedule(limits, gates=gates)
        self._ending: list[tuple[float, int, str, str]] = []
        self._count: dict[str, int] = {}
        self._fallen_back: set[str] = set()
        self._working: dict[str, int] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._combining: dict[str, _Combining] = {}
        self._combined_by: dict[str, list[str]] = {}
        self._released: dict[str, set[str]] = {}
        self._now = 0.0
        self._over = False
        self.played = Played()
        self._add(tasks, seconds, limits)

    def _add(self, tasks: Sequence[Mapping[str, Any]], seconds: Mapping[str, float], limits: Limits) -> None:
        graph = {task["id"]: task.get("depends_on", ()) for task in tasks}
        order = list(graph) if is_topological(graph) else topological(graph)
        ranks = start_ranks(self._tasks, graph, seconds, order)
        behind = goes_behind(touching(tasks, graph))
        for index, task in enumerate(tasks):
            if task["specialist"] == AGGREGATE:
                self._combining[task["id"]] = _Combining.of(task, self._tasks, graph)
                for need in graph[task["id"]]:
                    self._combined_by.setdefault(need, []).append(task["id"])
                continue
            self._schedule.add(
                task["id"],
                graph[task["id"]],
                run_if=task.get("run_if", "all_success"),
                rank=ranks[task["id"]],
                order=index,
                demand=demand_of(task, limits.pools),
                priority=task.get("priority", 0),
                after=behind.get(task["id"], ()),
            )

    def run(self) -> Played:
        """Play to the end."""
        for task_id in [task_id for task_id, one in self._combining.items() if not one.left]:
            self._settle(task_id, "succeeded" if self._hopeful else "failed")
        while not self._over:
            decision = self._schedule.decide(self._now)
            for task_id in decision.start:
                self._begin(task_id, self._tasks[task_id]["specialist"])
            for skip in decision.skip:
                self._settle(skip.task_id, "skipped", by_choice=skip.no_occasion, no_occasion=skip.no_occasion)
            if not decision.skip and not self._go_on(decision.wake_at):
                break
        self._end()
        return self.played

    def _go_on(self, wake_at: float | None) -> bool:
        """Let the clock jump to what happens next; tell whether anything does."""
        while self._ending and self._ending[0][2] in self.played.statuses:
            heapq.heappop(self._ending)  # of a task that was cancelled
        moments = [moment for moment in (wake_at, self._ending[0][0] if self._ending else None) if moment is not None]
        if not moments:
            return False
        deadline = self._config.get("deadline_s")
        if deadline is not None and min(moments) > deadline:
            self._now = deadline
            return False
        self._now = min(moments)
        while self._ending and self._ending[0][0] <= self._now and not self._over:
            _, _, task_id, what = heapq.heappop(self._ending)
            if task_id not in self.played.statuses:  # a race that ended at this moment has cancelled it
                self._happen(task_id, what)
        return True

    def _begin(self, task_id: str, specialist: str) -> None:
        task = self._tasks[task_id]
        if task_id in self._fallen_back:
            specialist = task["fallback"]["specialist"]
        self._count[task_id] = number = self._count.get(task_id, 0) + 1
        drawn = self._draw(task, number, specialist)
        timeout_s = task.get("timeout_s", self._config.get("timeout_s"))
        if timeout_s is not None and not self._hopeful and drawn.seconds > timeout_s:
            drawn = drawn._replace(seconds=timeout_s, status="timed_out", again=True)
        self._working[task_id] = len(self.played.attempts)
        self.played.attempts.append(Attempt(task_id, specialist, self._now, drawn))
        what = drawn.status if drawn.again or drawn.status == "succeeded" else "lost"
        self._push(self._now + drawn.seconds, task_id, what)

    def _push(self, moment: float, task_id: str, what: str) -> None:
        heapq.heappush(self._ending, (moment, len(self.played.attempts), task_id, what))

    def _happen(self, task_id: str, what: str) -> None:
        if what == "queue":
            self._schedule.requeue(task_id)
            return
        self._working.pop(task_id, None)
        task = self._tasks[task_id]
        retry = task.get("retry", self._config.get("retry")) or {}
        fallback = task.get("fallback") or {}
        if what in ("succeeded", "skipped"):
            self._settle(task_id, what, by_choice=what == "skipped")
        elif (
            what != "lost"
            and task_id not in self._fallen_back
            and self._count[task_id] < (retry.get("max_attempts", 1))
        ):
            self._schedule.release(task_id)
            self._push(self._now + self._pause(retry, self._count[task_id]), task_id, "queue")
        elif fallback.get("specialist") and task_id not in self._fallen_back:
            self._fallen_back.add(task_id)
            self._schedule.release(task_id)
            self._schedule.requeue(task_id)
        else:
            status = "succeeded" if "output" in fallback else "failed" if what == "lost" else what
            self._settle(task_id, status, output=fallback.get("output"))

    def _pause(self, retry: Mapping[str, Any], failed: int) -> float:
        longest = min(retry.get("initial_s", 0.5) * retry.get("backoff", 2.0) ** (failed - 1), retry.get("max_s", 60.0))
        return float(longest if self._dice is None or not retry.get("jitter", True) else self._dice.uniform(0, longest))

    def _settle(
        self,
        task_id: str,
        status: str,
        *,
        by_choice: bool = False,
        no_occasion: bool = False,
        output: Any = UNKNOWN,
    ) -> None:
        if task_id in self.played.statuses:
            return
        self.played.statuses[task_id] = status
        self.played.ended[task_id] = self._now
        if by_choice:
            self.played.by_choice.add(task_id)
        output = known_output(self._tasks[task_id]) if output is UNKNOWN else output
        result = {"status": status, "by_choice": by_choice, "no_occasion": no_occasion, "output": output}
        self._results[task_id] = result
        self._cut_short(task_id)
        self._schedule.settle(task_id, standing(result))
        required = self._tasks[task_id].get("required", True)
        if status in ("failed", "timed_out") and required and self._config.get("on_failure") == "fast":
            self._over = True
        for combined in self._combined_by.get(task_id, ()):
            self._combine(combined, task_id, status)

    def _cut_short(self, task_id: str) -> None:
        """End the attempt of a task that is at work: it took no longer than until now."""
        index = self._working.pop(task_id, None)
        if index is not None:
            attempt = self.played.attempts[index]
            cut = attempt.drawn._replace(seconds=self._now - attempt.start, status="cancelled")
            self.played.attempts[index] = attempt._replace(drawn=cut)

    def _combine(self, task_id: str, need: str, status: str) -> None:
        """Settle an aggregate as soon as what it comes to is certain, and cancel what it does not wait for."""
        one = self._combining[task_id]
        one.left.discard(need)
        if task_id in self.played.statuses or (one.left and not one.is_early and status == "succeeded"):
            return
        said = verdict(one.spec, one.branches, self._results)
        if isinstance(said, Wait):
            return
        if isinstance(said, Done | Take) and said.cancel and one.spec.cancel_rest:
            self._let_go(task_id, said.cancel)
        if isinstance(said, Nothing):
            idle = all(self._results[branch.id].get("no_occasion") for branch in one.branches)
            self._settle(task_id, "skipped", by_choice=True, no_occasion=idle)
        elif isinstance(said, Fail) and not self._hopeful and not self._tasks[task_id].get("fallback"):
            self._settle(task_id, "failed")
        elif not (isinstance(said, Fail) and self._hopeful and one.left):
            self._settle(task_id, "succeeded")

    def _let_go(self, by: str, tasks: Sequence[str]) -> None:
        """Cancel tasks for an aggregate, as the board does: those that nobody else needs, and what only they need."""
        needed_by = self._combining[by].alone
        for task_id in tasks:
            self._released.setdefault(task_id, set()).add(by)
        ended, grows = set(self.played.statuses), True
        while grows:
            more = [
                task_id
                for task_id, others in needed_by.items()
                if task_id not in ended and ended.union(self._released.get(task_id, ())).issuperset(others)
            ]
            grows = bool(more)
            ended.update(more)
        for task_id in needed_by:
            if task_id in ended:
                self._settle(task_id, "cancelled", by_choice=True)

    def _end(self) -> None:
        self.played.makespan_s = self._now
        for task_id in self._tasks:
            self._cut_short(task_id)
            self.played.statuses.setdefault(task_id, "skipped" if self._over else "cancelled")
            self.played.ended.setdefault(task_id, self._now)


@dataclass(slots=True)
class _Combining:
    """A task that combines others."""

    spec: Aggregate
    branches: list[Branch]
    left: set[str]
    """Branches that have not ended."""
    alone: Mapping[str, Sequence[str]]
    """What it may let go, each with the tasks that need it."""
    is_early: bool

    @classmethod
    def of(
        cls, task: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]], graph: Mapping[str, Sequence[str]]
    ) -> _Combining:
        needs = graph[task["id"]]
        own = playable(task["aggregate"], [tasks[need] for need in needs])
        spec = Aggregate.model_validate(own)
        branches = [Branch(**terms) for terms in branch_terms({**task, "depends_on": needs}, tasks)]
        early = is_early(own)
        return cls(spec, branches, set(needs), releasable(graph, task["id"]) if early else {}, early)


def critical_chain(tasks: Sequence[Mapping[str, Any]], played: Played) -> list[str]:
    """Return the tasks that the end waited for: the last one, the dependency that ended last before it, and so on."""
    begun: dict[str, float] = {}
    for attempt in played.attempts:
        begun.setdefault(attempt.task_id, attempt.start)
    for task in tasks:
        if task["specialist"] == AGGREGATE and played.statuses.get(task["id"]) in ("succeeded", "failed"):
            begun[task["id"]] = played.ended[task["id"]]
    let_go = {task_id for task_id in played.by_choice if played.statuses[task_id] == "cancelled"}
    place = {task_id: number for number, task_id in enumerate(topological({t["id"]: _needs(t) for t in tasks}))}
    by_id = {task["id"]: task for task in tasks if task["id"] in begun and task["id"] not in let_go}
    candidates: Sequence[str] = list(by_id)
    chain: list[str] = []
    while candidates:
        last = max(candidates, key=lambda task_id: (played.ended[task_id], place[task_id]))
        chain.append(last)
        candidates = [need for need in _needs(by_id[last]) if need in by_id and played.ended[need] <= begun[last]]
    return chain[::-1]


def _needs(task: Mapping[str, Any]) -> Sequence[str]:
    return task.get("depends_on") or ()
