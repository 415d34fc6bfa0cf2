"""The progress of a run: what its events tell."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..nodes.summary.text import clean
from .expected import Ended, Expected

FAILURES = 3
"""Failures that are kept for showing."""

PATIENCE_S = 0.5
"""Seconds after which it is said that the summary is being written."""


@dataclass
class Running:
    """A task that works, or waits for its next attempt."""

    since: float
    attempt: int = 1
    note: str = ""
    """Why it waits for its next attempt; empty while it works."""
    until: float = 0.0
    """When it is tried again."""


class Named(NamedTuple):
    """What a plan says of a task that is worth showing."""

    specialist: str
    title: str
    depends_on: tuple[str, ...]
    phase: int
    """Counted from 1."""


@dataclass
class Progress:
    """Where a run stands, by the events so far. Times are given to it, never read."""

    total: int = 0
    done: int = 0
    """How many tasks have ended, those of earlier invocations too."""
    started: float = 0.0
    finished: set[str] = field(default_factory=set)
    """Ids of tasks that have ended."""
    running: dict[str, Running] = field(default_factory=dict)
    """Tasks at work, and those that wait for their next attempt."""
    queued: set[str] = field(default_factory=set)
    """Tasks that wait for nothing but a slot."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Tasks that wait for a person, with what is to be reviewed: `before`, `after`, or nothing."""
    asked: dict[str, str] = field(default_factory=dict)
    """The same of an earlier invocation, for those whose questions nobody has answered."""
    ended: dict[str, Ended] = field(default_factory=dict)
    """How tasks ended, those of earlier invocations too."""
    tasks: dict[str, Named] = field(default_factory=dict)
    """The plan, phase by phase; empty until it is known."""
    expected: Expected = field(default_factory=Expected)
    """What the rest is expected to take."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many ended in each status."""
    failures: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=FAILURES))
    """The last failed tasks with their errors."""
    tokens: int = 0
    cost: float | None = None
    """`None` where no cost is known."""
    currency: str = ""
    round: int = 1
    """2 and more once tasks were added to the plan."""
    pools: dict[str, str] = field(default_factory=dict)
    """Pools that let fewer tasks through for now, each with how many and why."""
    over_budget: str = ""
    """Why nothing more starts; empty while there is something left of the budget."""
    stops_at: float | None = None
    """When what still runs is stopped; `None` while the run is not asked to stop."""
    ended_at: float = 0.0
    """When the last task ended."""
    summary: str = ""
    """What a model has written of the summary so far."""

    def begin(self, now: float) -> None:
        """Begin an invocation: what worked or waited in an earlier one does so no more."""
        self.started = now
        self.running.clear()
        self.queued.clear()
        self.waiting, self.asked = self.asked, {}
        self.pools.clear()
        self.summary, self.over_budget, self.stops_at = "", "", None

    def take(self, event: Mapping[str, Any], now: float) -> None:
        """Take an event; one of an unknown type changes nothing."""
        task = str(event.get("task_id", ""))
        match event.get("type"):
            case "run_started":
                self.total = int(event.get("total", 0))
            case "round_started":
                self.total = int(event.get("total", self.total))
                self.round = int(event.get("round", self.round + 1))
            case "task_queued":
                self._reopen(task)
                self.queued.add(task)
            case "task_started":
                self._reopen(task)
                ahead_s = float(event.get("ahead_s") or 0.0)
                self.running[task] = Running(now - ahead_s, int(event.get("attempt", 1)))
                self.queued.discard(task)
                self.waiting.pop(task, None)
            case "task_paused":
                self.running.pop(task, None)
                self.waiting[task] = str(event.get("review") or "")
            case "attempt_failed":
                at_work = self.running.setdefault(task, Running(now))
                at_work.note = str(event.get("error") or "failed")
                at_work.until = now + float(event.get("retry_in_s") or 0)
            case "attempt_ended":
                self.spend(event.get("usage"))
            case "task_finished":
                self.ended_at = now
                self._end(task, event)
                self.total = int(event.get("total") or self.total)  # a person may have changed the plan
            case "pool_changed":
                self._limit(str(event.get("pool")), event.get("limit"), str(event.get("why") or ""))
            case "budget_used":
                self.over_budget = str(event.get("why") or "the budget is used up")
            case "summary_text":
                self.summary += str(event.get("text") or "")
            case "summary_restarted":
                self.summary = ""

    def take_update(self, update: Mapping[str, Any]) -> None:
        """Take what nodes wrote to the state: a plan, and what its tasks are expected to take."""
        for written in update.values():
            if not isinstance(written, Mapping) or not isinstance(plan := written.get("plan"), Mapping):
                continue
            self.currency = str(written.get("currency") or self.currency)
            self.take_plan(plan, written.get("estimates"))
            used = written.get("usage")
            for usage in (getattr(used, "value", used) or {}).values():
                self.spend(usage)

    def take_plan(self, plan: Mapping[str, Any], estimates: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """Take a plan as the state holds it, the first one or a changed one."""
        from ..schema.dag import phases

        by_id = {str(task["id"]): task for task in plan.get("tasks") or ()}
        levels = phases({task_id: task.get("depends_on") or () for task_id, task in by_id.items()})
        self.tasks = {
            task_id: Named(
                str(by_id[task_id].get("specialist")),
                str(by_id[task_id].get("title") or ""),
                tuple(by_id[task_id].get("depends_on") or ()),
                phase,
            )
            for phase, level in enumerate(levels, 1)
            for task_id in level
        }
        self.total = max(self.total, len(self.tasks))
        self.expected.take_plan(plan, estimates)

    def spend(self, usage: Mapping[str, Any] | None) -> None:
        """Count tokens and cost."""
        if not usage:
            return
        own = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        self.tokens += int(usage.get("total_tokens") or own)
        if usage.get("cost") is not None:
            self.cost = (self.cost or 0.0) + float(usage["cost"])

    def left_s(self, now: float) -> float | None:
        """Return the seconds that the rest is expected to take; `None` where too little is known of it."""
        if self.stops_at is not None or self.over_budget or not self.tasks:
            return None
        spent = {task_id: now - at_work.since for task_id, at_work in self.running.items() if not at_work.note}
        pauses = {task_id: at_work.until - now for task_id, at_work in self.running.items() if at_work.note}
        return self.expected.left(now, self.ended, spent, pauses, self.waiting)

    def is_summarizing(self, now: float) -> bool:
        """Tell whether all tasks have ended and the summary takes a while, but has no text yet."""
        is_over = 0 < self.total <= self.done and not self.running and not self.waiting
        return is_over and not self.summary and now - self.ended_at > PATIENCE_S

    def label(self, task: str) -> str:
        """Return a task's id, and its title where it has one."""
        title = self.tasks[task].title if task in self.tasks else ""
        return f"{clean(task, 120)} ({clean(title, 80)})" if title else clean(task, 120)

    @property
    def failed(self) -> int:
        """How many failed or timed out."""
        return self.counts["failed"] + self.counts["timed_out"]

    def _end(self, task: str, event: Mapping[str, Any]) -> None:
        status, error = str(event.get("status")), str(event.get("error") or "")
        self.running.pop(task, None)
        self.waiting.pop(task, None)
        self.queued.discard(task)
        if task in self.finished:
            return
        self.finished.add(task)
        self.ended[task] = Ended(status, float(event.get("duration_s") or 0.0), error)
        self.done = max(self.done + 1, int(event.get("completed") or 0))
        self.counts[status] += 1
        if status in ("failed", "timed_out"):
            self.failures.append((task, error))
        elif status == "succeeded" and not error:
            self.expected.saw(task, self.ended[task].seconds)

    def _reopen(self, task: str) -> None:
        """Take a task back that had ended, and is done again."""
        if task not in self.finished:
            return
        self.finished.discard(task)
        before = self.ended.pop(task, None)
        self.done -= 1
        if before is not None:
            self.counts[before.status] -= 1

    def _limit(self, pool: str, limit: Any, why: str) -> None:
        if limit is None:
            self.pools.pop(pool, None)
        else:
            self.pools[pool] = limited(pool, limit, why)


def started(event: Mapping[str, Any]) -> str:
    """Return the line that tells what is about to run, and why that."""
    total = int(event.get("total", 0))
    why = clean(str(event.get("why") or ""), 400)
    return f"{clean(str(event.get('plan')), 120)}: {total} task{'s' if total != 1 else ''}{'. ' if why else ''}{why}"


def added(event: Mapping[str, Any]) -> str:
    """Return the line that tells which tasks a round added, and why."""
    named = [clean(str(task), 60) for task in event.get("tasks") or ()]
    more = f" and {len(named) - 6} more" if len(named) > 6 else ""
    why = clean(str(event.get("why") or ""), 400)
    return f"round {event.get('round')}: {', '.join(named[:6])}{more} added{': ' if why else ''}{why}"


def limited(pool: str, limit: Any, why: str) -> str:
    """Return what a change of a pool's limit means."""
    now = "no limit any more" if limit is None else f"at most {limit} at a time"
    return f"{clean(pool, 120)}: {now}{', ' if why else ''}{clean(why, 200)}"


def tokens_text(count: int) -> str:
    """Return a number of tokens for a person, in few characters."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= size:
            shown = count / size
            return f"{shown:.1f}{letter} tokens" if shown < 100 else f"{shown:.0f}{letter} tokens"
    return f"{count} token{'s' * (count != 1)}"


def cost_text(cost: float, currency: str) -> str:
    """Return a cost for a person."""
    amount = f"{cost:.2f}" if cost >= 1 or not cost else f"{cost:.2g}" if cost < 0.01 else f"{cost:.3f}"
    return f"{amount} {clean(currency, 12)}" if currency else f"cost {amount}"


def clock(value: float) -> str:
    """Return a duration as a clock shows it."""
    minutes, rest = divmod(int(max(0.0, value)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(value: float) -> str:
    """Return an expected duration: the longer, the rounder."""
    if value < 9.5:
        return f"~{max(1, round(value))} s"
    if value < 55:
        return f"~{5 * round(value / 5)} s"
    step = 10 if value < 300 else 60
    minutes, rest = divmod(step * round(value / step), 60)
    hours, minutes = divmod(minutes, 60)
    return f"~{hours} h {minutes:02} min" if hours else f"~{minutes}:{rest:02}" if rest else f"~{minutes} min"
