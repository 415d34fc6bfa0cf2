"""Rehearsals: a plan is played through without its specialists, to tell what it would take and cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from statistics import fmean
from typing import Any, Literal

from ..nodes.fitting import as_run
from ..reducers.outcome import run_status
from ..schema.plan import Plan
from ..schema.results import Record
from .estimates import known_seconds
from .explain import as_plan, expected_seconds, left_out
from .history import History, MemoryHistory, estimates, name_of, percentile
from .sampler import Sampler
from .schedule import limits_of
from .simulation import Played, Simulation, critical_chain
from .stand_ins import playable
from .stats import added_up

DRAWS = 200
"""Plays of a rehearsal in virtual time."""

LISTED = 20
"""Tasks on critical paths that are told."""


class Range(Record):
    """What to expect of a number: in one play of ten it is below `p10`, in one of ten above `p90`."""

    p10: float
    p50: float
    p90: float
    mean: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Range:
        """Return the range of some values."""
        p10, p50, p90 = (round(percentile(values, percent), 6) for percent in (10, 50, 90))
        return cls(p10=p10, p50=p50, p90=p90, mean=round(fmean(values), 6) if values else 0.0)


class CriticalShare(Record):
    """How often a task was on the critical path."""

    task_id: str
    specialist: str
    share: float
    """Of the plays."""


class ExpectedSpecialist(Record):
    """What is to be expected of a specialist in one run."""

    specialist: str
    attempts: float
    failures: float
    """Attempts that fail or time out."""
    work_s: float
    usage: dict[str, float]


class Rehearsal(Record):
    """What a plan would take and cost; times are seconds, numbers without a range are means of the plays."""

    plan: str
    mode: Literal["virtual", "real"]
    draws: int
    """Plays."""
    seed: int | None
    tasks: int
    slots: int | None
    makespan_s: Range
    work_s: float
    """All attempts one after another."""
    speedup: float
    """Of the work against the makespan; 1 where there is nothing to do."""
    slot_use: float | None
    """Share of the slots' time in which they were taken; `null` without a limit."""
    statuses: dict[str, float]
    """How runs would end, with the share of each."""
    failing_tasks: float
    """Tasks that do not succeed, in one run; not those that are cancelled or skipped by choice."""
    usage: dict[str, Range]
    """Tokens and cost of one run, as far as history knows of any."""
    specialists: tuple[ExpectedSpecialist, ...]
    """The one that works longest first."""
    critical: tuple[CriticalShare, ...]
    """Tasks by how often they were on the critical path."""
    sources: dict[str, int]
    """How many tasks' times come from where: `history`, `plan` (`estimated_s`, or what `wait` is told), `guess`."""
    notes: tuple[str, ...]
    """What the rehearsal can't know."""


def rehearse(
    plan: Plan | Mapping[str, Any] | str | PathLike[str],
    *,
    history: History | None = None,
    slots: int | None = None,
    seed: int | None = None,
    draws: int = DRAWS,
    specialists: Mapping[str, Any] | Sequence[Any] = (),
) -> Rehearsal:
    """Play a plan through in virtual time, several times, and tell what is to be expected.

    Args:
        plan: the plan, its dict, the path of a plan file, or its text.
        history: where times, failures and usage are drawn from; what it lacks is drawn around `estimated_s`.
        slots: tasks that work at the same time; the plan's own `max_parallel` if not given.
        seed: makes the draws the same every time.
        draws: how often the plan is played.
        specialists: as for `build_graph`: which of them are exclusive, or keep a core busy. None need be given.

    Raises:
        PlanError: the plan is wrong.
    """
    plan = as_run(as_plan(plan), specialists)
    history, dice = history or MemoryHistory(), random.Random(seed)
    sampler = Sampler.of(plan, history, dice)
    config = _config(plan, slots)
    tasks, limits = plan.to_state()["tasks"], limits_of(config)
    known = known_seconds(estimates(history, {task.specialist for task in plan.tasks}, name_of(plan.to_state())))
    seconds = expected_seconds(plan, known)
    plays = [
        Simulation(tasks, seconds, limits, sampler.draw, config=config, dice=dice).run() for _ in range(max(draws, 1))
    ]
    return summed_up(plan, plays, config, sampler, mode="virtual", seed=seed)


def _config(plan: Plan, slots: int | None) -> dict[str, Any]:
    config = plan.config.model_dump(mode="json")
    return config if slots is None else {**config, "max_parallel": slots}


def summed_up(
    plan: Plan,
    plays: Sequence[Played],
    config: Mapping[str, Any],
    sampler: Sampler,
    *,
    mode: Literal["virtual", "real"],
    seed: int | None,
) -> Rehearsal:
    """Return what plays of a plan tell."""
    tasks, slots = plan.to_state()["tasks"], config["max_parallel"]
    work = [sum(attempt.drawn.seconds for attempt in played.attempts) for played in plays]
    spans = [played.makespan_s for played in plays]
    ends = Counter(_status(tasks, played, config) for played in plays)
    paths = Counter(task_id for played in plays for task_id in critical_chain(tasks, played))
    by_id = {task["id"]: task["specialist"] for task in tasks}
    return Rehearsal(
        plan=plan.name,
        mode=mode,
        draws=len(plays),
        seed=seed,
        tasks=len(tasks),
        slots=slots,
        makespan_s=Range.of(spans),
        work_s=round(fmean(work), 6),
        speedup=round(sum(work) / sum(spans), 3) if sum(spans) > 0 else 1.0,
        slot_use=round(sum(work) / (slots * sum(spans)), 4) if slots and sum(spans) > 0 else None,
        statuses={status: round(count / len(plays), 4) for status, count in ends.most_common()},
        failing_tasks=round(fmean(map(_failing, plays)), 4),
        usage=_usage(plays),
        specialists=tuple(_specialists(plays)),
        critical=tuple(
            CriticalShare(task_id=task_id, specialist=by_id[task_id], share=round(count / len(plays), 4))
            for task_id, count in paths.most_common(LISTED)
        ),
        sources=sampler.sources(),
        notes=(*left_out(plan), *_notes(tasks)),
    )


def _status(tasks: Sequence[Mapping[str, Any]], played: Played, config: Mapping[str, Any]) -> str:
    results = {
        task_id: {"status": status, "by_choice": task_id in played.by_choice}
        for task_id, status in played.statuses.items()
    }
    return run_status(tasks, results, config)


def _failing(played: Played) -> int:
    return sum(status != "succeeded" and task_id not in played.by_choice for task_id, status in played.statuses.items())


def _usage(plays: Sequence[Played]) -> dict[str, Range]:
    each = [added_up(attempt.drawn.usage for attempt in played.attempts) for played in plays]
    names = sorted({name for used in each for name in used})
    return {name: Range.of([used.get(name, 0.0) for used in each]) for name in names}


def _specialists(plays: Sequence[Played]) -> list[ExpectedSpecialist]:
    attempts: dict[str, list[Any]] = {}
    for played in plays:
        for attempt in played.attempts:
            attempts.setdefault(attempt.specialist, []).append(attempt.drawn)
    times = len(plays)
    found = [
        ExpectedSpecialist(
            specialist=name,
            attempts=round(len(drawn) / times, 4),
            failures=round(sum(one.status in ("failed", "timed_out") for one in drawn) / times, 4),
            work_s=round(sum(one.seconds for one in drawn) / times, 6),
            usage={key: value / times for key, value in added_up(one.usage for one in drawn).items()},
        )
        for name, drawn in attempts.items()
    ]
    return sorted(found, key=lambda one: -one.work_s)


def _guessed(tasks: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a task decides by outputs that nobody knows before."""
    by_id = {task["id"]: task for task in tasks}
    combining = [(task["aggregate"], task.get("depends_on") or ()) for task in tasks if task.get("aggregate")]
    return any(playable(spec, [by_id[need] for need in needs]) != spec for spec, needs in combining)


def _notes(tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    if any(task.get("review") for task in tasks):
        found.append("people are not waited for")
    if any(task.get("aggregate") for task in tasks):
        found.append("aggregates take no time")
    if _guessed(tasks):
        found.append("outputs are not known: in a race all are taken to be valid, in a vote to be the same")
    if any(task.get("hedge") or task.get("adaptive_timeout") for task in tasks):
        found.append("second attempts and adaptive time-outs are left out")
    return found
