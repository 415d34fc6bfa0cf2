"""Rehearsals in real time: the graph itself runs, with stand-ins that sleep in the place of specialists."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from ..nodes.fitting import as_run
from ..nodes.specialist import Specialist
from ..schema.aggregate import AGGREGATE
from ..schema.plan import Plan, Task
from ..schema.results import Report
from ..schema.skip import Skip
from ..state import RunContext
from .builder import build_graph
from .compiled import Graph
from .explain import as_plan
from .gates import GATES, Gates
from .history import History, MemoryHistory, estimates, name_of
from .rehearse import Rehearsal, rehearse, summed_up
from .run import OnEvent, execute
from .sampler import Sampler
from .simulation import Attempt, Drawn, Played
from .stand_ins import UNKNOWN, counted_only, known_output

LEFT_OUT = ("review", "when", "transform", "hedge", "adaptive_timeout")
"""What a rehearsed task does without: people, values that stand-ins don't make, second attempts."""

SLOW = 1.5
"""The graph's own time is told of where a rehearsal takes so many times what it would in virtual time."""

COMPARED = 10
"""Plays in virtual time that a rehearsal is compared with."""


class RehearsedFailure(Exception):
    """A stand-in fails as its specialist did before; worth another attempt."""


class RehearsedError(ValueError):
    """The same, where another attempt would not help."""


class Stage:
    """A plan that is rehearsed in real time."""

    def __init__(
        self,
        plan: Plan | Mapping[str, Any] | str | PathLike[str],
        *,
        speed: float = 1.0,
        history: History | None = None,
        slots: int | None = None,
        seed: int | None = None,
        specialists: Mapping[str, Any] | Sequence[Any] = (),
    ) -> None:
        """Prepare a plan.

        Args:
            plan: the plan, its dict, the path of a plan file, or its text.
            speed: how many times faster than real time it goes.
            history: where times, failures and usage are drawn from.
            slots: tasks that work at the same time; the plan's own `max_parallel` if not given.
            seed: makes the draws the same every time, as far as the order of attempts is.
            specialists: as for `build_graph`: which of them are exclusive, or keep a core busy; none of them works.

        Raises:
            PlanError: the plan is wrong.
        """
        self._plan = plan = as_run(as_plan(plan), specialists)
        self._speed = speed
        self._history = history or MemoryHistory()
        self._seed = seed
        self._config = plan.config.model_dump(mode="json")
        if slots is not None:
            self._config["max_parallel"] = slots
        self._sampler = Sampler.of(plan, self._history, random.Random(seed))
        self._own = {task["id"]: task for task in plan.to_state()["tasks"]}
        self._attempts: list[Attempt] = []

    def graph(self) -> Graph:
        """Return the graph, with a stand-in of each specialist's name."""
        names = {task.specialist for task in self._plan.tasks} - {AGGREGATE}
        names |= {task.fallback.specialist for task in self._plan.tasks if task.fallback and task.fallback.specialist}
        stand_ins = [Specialist(name, self._stand_in(name)) for name in sorted(names)]
        return build_graph(stand_ins, checkpointer=InMemorySaver())

    def given(self) -> dict[str, Any]:
        """Return the graph's input: the plan in faster time."""
        tasks = [self._hastened(task) for task in self._own.values()]
        config = {name: value for name, value in self._config.items() if name not in ("review", "trace_dir")}
        plan = {"name": self._plan.name, "request": self._plan.request, "tasks": tasks, "config": self._faster(config)}
        return {"plan": plan}

    async def run(self, on_event: OnEvent | None = None) -> Rehearsal:
        """Rehearse, and tell what came of it."""
        names = {task.specialist for task in self._plan.tasks}
        known = await asyncio.to_thread(estimates, self._history, names, name_of(self._plan.to_state()))
        context = RunContext(estimates=known)
        token = GATES.set(Gates())
        try:
            report = await execute(self.graph(), self.given(), "rehearsal", context=context, on_event=on_event)
        finally:
            GATES.reset(token)
        return self.summed_up(report)

    def summed_up(self, report: Report) -> Rehearsal:
        """Return what a rehearsal came to, in the plan's own time."""
        ends = {key: _seconds(result.finished_at) for key, result in report.results.items()}
        played = Played(
            makespan_s=report.metrics.makespan_s * self._speed,
            statuses={task_id: result.status for task_id, result in report.results.items()},
            ended=ends,
            by_choice={task_id for task_id, result in report.results.items() if result.by_choice},
            attempts=self._attempts,
        )
        found = summed_up(self._plan, [played], self._config, self._sampler, mode="real", seed=self._seed)
        slow = self._slow(played.makespan_s)
        return found if slow is None else found.model_copy(update={"notes": (*found.notes, slow)})

    def _slow(self, makespan_s: float) -> str | None:
        """Return what to say where the graph's own time, which does not go faster, is much of what is told."""
        slots = self._config["max_parallel"]
        virtual = rehearse(self._plan, history=self._history, slots=slots, seed=self._seed, draws=COMPARED)
        if self._speed <= 1 or makespan_s <= SLOW * virtual.makespan_s.p90:
            return None
        return (
            f"in virtual time it takes {virtual.makespan_s.p50:.3g} s: the rest is the graph's own time, which is told "
            f"{self._speed:g} times as long as it was; a lower speed tells more"
        )

    def _stand_in(self, name: str) -> Any:
        async def work(task: Task, attempt: int) -> dict[str, Any]:
            own, begun = self._own[task.id], time.time()
            drawn = self._sampler.draw(own, attempt, name)
            index = len(self._attempts)
            self._note(task, name, drawn, begun)
            try:
                await asyncio.sleep(drawn.seconds / self._speed)
            except asyncio.CancelledError:
                self._cut_short(index, (time.time() - begun) * self._speed)
                raise
            if drawn.status == "skipped":
                raise Skip
            if drawn.status != "succeeded":
                raise (RehearsedFailure if drawn.again else RehearsedError)(f"as history has it: {drawn.status}")
            output = known_output(own)
            return {"rehearsed": task.id} if output is UNKNOWN else output

        return work

    def _cut_short(self, index: int, seconds: float) -> None:
        """Note that an attempt was cancelled, unless its time-out has ended it."""
        attempt = self._attempts[index]
        if attempt.drawn.status != "timed_out" or seconds < attempt.drawn.seconds:
            cut = attempt.drawn._replace(seconds=seconds, status="cancelled")
            self._attempts[index] = attempt._replace(drawn=cut)

    def _note(self, task: Task, name: str, drawn: Drawn, begun: float) -> None:
        timeout_s = self._own[task.id].get("timeout_s", self._config["timeout_s"])
        if timeout_s is not None and drawn.seconds > timeout_s:
            drawn = drawn._replace(seconds=timeout_s, status="timed_out")
        self._attempts.append(Attempt(task.id, name, begun, drawn))

    def _hastened(self, task: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in task.items() if name not in LEFT_OUT}
        if task["specialist"] == AGGREGATE:
            branches = [self._own[need] for need in task.get("depends_on") or ()]
            kept["aggregate"] = counted_only(task["aggregate"], branches)
        return self._faster(kept)

    def _faster(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a task or a configuration whose times are shorter by the speed."""
        changed = dict(given)
        for name in ("timeout_s", "deadline_s", "estimated_s"):
            if changed.get(name):
                changed[name] /= self._speed
        if changed.get("retry"):
            waits = {"initial_s": 0.5, "max_s": 60.0, **changed["retry"]}
            changed["retry"] = {**waits, **{name: waits[name] / self._speed for name in ("initial_s", "max_s")}}
        if changed.get("starts_per_s"):
            changed["starts_per_s"] *= self._speed
        if changed.get("rates"):
            changed["rates"] = {name: self._faster(rate) for name, rate in changed["rates"].items()}
        return changed


def _seconds(moment: str | None) -> float:
    return 0.0 if moment is None else datetime.fromisoformat(moment).timestamp()


async def arehearse(
    plan: Plan | Mapping[str, Any] | str | PathLike[str], *, on_event: OnEvent | None = None, **options: Any
) -> Rehearsal:
    """Rehearse a plan in real time, or faster; takes the options of `Stage` too.

    Args:
        plan: the plan, its dict, the path of a plan file, or its text.
        on_event: is told of every progress event.

    Raises:
        PlanError: the plan is wrong.
    """
    return await Stage(plan, **options).run(on_event)
