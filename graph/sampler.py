"""Drawing what attempts come to: from history where there is enough of it, else around what is expected."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from ..nodes.specialist import PROGRAMMING_ERRORS
from ..schema.aggregate import AGGREGATE
from ..schema.plan import Plan
from .estimates import UNKNOWN_S, estimated_seconds, guessed_seconds, task_key
from .history import ENOUGH, LATEST, OF_PLAN, AttemptRow, History, name_of
from .simulation import Drawn

SPREAD = 0.3
"""Standard deviation of the logarithm of seconds that nothing is known of: two of three lie within a third of it."""

NEVER_AGAIN = frozenset(error.__name__ for error in PROGRAMMING_ERRORS)
"""Kinds of errors that are not worth another attempt."""

FOREVER_S = 86_400.0
"""What a task that hangs takes, unless its time-out ends it."""


class Basis(NamedTuple):
    """What a task's attempts are drawn from."""

    source: str
    """`history`, `plan` or `guess`."""
    rows: Sequence[AttemptRow] = ()
    seconds: float = UNKNOWN_S


class Sampler:
    """Draws what attempts of a plan's tasks come to."""

    def __init__(
        self, tasks: Sequence[Mapping[str, Any]], rows: Mapping[str, Sequence[AttemptRow]], dice: random.Random
    ) -> None:
        self._rows = rows
        self._dice = dice
        self._bases = {task["id"]: self._basis(task, task["specialist"]) for task in tasks}

    @classmethod
    def of(cls, plan: Plan, history: History, dice: random.Random) -> Self:
        """Return the sampler for a plan, with what history knows of its specialists and its tasks."""
        tasks = plan.to_state()["tasks"]
        fallbacks = [task["fallback"] for task in tasks if task.get("fallback")]
        names = {str(one["specialist"]) for one in (*tasks, *fallbacks) if one.get("specialist")}
        rows: dict[str, list[AttemptRow]] = {}
        for row in history.latest(sorted(names), LATEST):
            rows.setdefault(row.specialist, []).append(row)
        for row in history.latest_of_plan(name_of(plan.to_state()), OF_PLAN):
            rows.setdefault(task_key(row.specialist, row.task_id), []).append(row)
        return cls(tasks, rows, dice)

    def sources(self) -> dict[str, int]:
        """Return how many tasks are drawn from where."""
        return dict(Counter(basis.source for basis in self._bases.values()))

    def draw(self, task: Mapping[str, Any], attempt: int, specialist: str) -> Drawn:
        """Return what an attempt comes to."""
        if specialist == "wait":
            return _waited(task, attempt)
        own = specialist == task["specialist"]
        basis = self._bases[task["id"]] if own else self._basis({"id": task["id"]}, specialist)
        if not basis.rows:
            return Drawn(basis.seconds * math.exp(self._dice.gauss(0, SPREAD)))
        row = self._dice.choice(basis.rows)
        return Drawn(row.duration_s, row.status, row.usage, row.error not in NEVER_AGAIN)

    def _basis(self, task: Mapping[str, Any], specialist: str) -> Basis:
        if specialist == AGGREGATE:
            return Basis("plan", seconds=0.0)
        if specialist == "wait":
            return Basis("plan")
        for key in (task_key(specialist, task["id"]), specialist):
            if len(self._rows.get(key, ())) >= ENOUGH:
                return Basis("history", self._rows[key])
        given = task.get("estimated_s")
        if given is None:
            return Basis("guess", seconds=guessed_seconds(task))
        return Basis("plan", seconds=float(given))


def _waited(task: Mapping[str, Any], attempt: int) -> Drawn:
    """Return what `wait` does, which its input tells."""
    given = task.get("input") or {}
    if not isinstance(given, Mapping):
        return Drawn(0.0, "failed", again=False)
    if given.get("hang"):
        return Drawn(FOREVER_S)
    fails = given.get("fail") is not None or attempt <= given.get("fail_times", 0)
    own = task if task["specialist"] == "wait" else {"specialist": "wait", "input": given}  # `wait` as a fallback
    return Drawn(estimated_seconds(own), "failed" if fails else "succeeded")
