"""Rates that all runs of a process share: how often tasks may start, and how many, once a server has said "too many".

A gate belongs to a pool or to a specialist. It spaces out starts, counts tokens, waits as long as a server asks for
(`Retry-After`), and lets fewer tasks through after each "too many requests", then slowly more again: additive increase,
multiplicative decrease, as TCP does (Chiu and Jain, 1989). Time is a parameter, so that the scheduler stays pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

STEADY_S = 1.0
"""Seconds in which several refusals count as one: they come from the same burst."""


@dataclass(slots=True)
class Gate:
    """The rate of one pool or specialist. Times are seconds on any clock that never goes back."""

    starts_per_s: float | None = None
    tokens_per_min: float | None = None
    limit: float | None = None
    """Tasks that work at the same time, as the refusals of a server have taught; `None` while there were none."""
    _top: float = 0.0
    _refused_at: float = -math.inf
    _closed_until: float = -math.inf
    _next_start: float = -math.inf
    _tokens: float = 0.0
    _tokens_at: float | None = None

    def opens_at(self, now: float) -> float:
        """Return when the next task may start; not after `now` if it may at once."""
        return max(self._closed_until, self._next_start, self._tokens_back_at(now))

    def started(self, now: float) -> None:
        """Count a start."""
        if self.starts_per_s is not None:
            self._next_start = max(self._next_start, now) + 1.0 / self.starts_per_s

    def spent(self, tokens: float, now: float) -> None:
        """Count tokens; what is above the rate has to come back before the next start."""
        if self.tokens_per_min is not None:
            self._refill(now)
            self._tokens -= tokens

    def refused(self, now: float, wait_s: float, at_work: int, capacity: float | None) -> bool:
        """Take a "too many requests": half as many from now on; return whether the limit changed.

        Args:
            now: the moment.
            wait_s: seconds that the server asks to wait.
            at_work: tasks that were at work.
            capacity: the pool's configured units.
        """
        self._closed_until = max(self._closed_until, now + wait_s)
        if now - self._refused_at < STEADY_S:
            return False
        self._refused_at = now
        base = self.limit if self.limit is not None else min(capacity or math.inf, max(at_work, 1))
        self._top = max(self._top, base)
        before, self.limit = self.limit, max(1.0, base / 2)
        return before is None or int(before) != int(self.limit)

    def passed(self) -> bool:
        """Take a success: a little more from now on; return whether the limit changed."""
        if self.limit is None:
            return False
        before = int(self.limit)
        self.limit += 1.0 / self.limit
        if self.limit >= 2 * self._top:  # the server has long since taken more than it refused
            self.limit, self._top = None, 0.0
            return True
        return int(self.limit) != before

    def _tokens_back_at(self, now: float) -> float:
        if self.tokens_per_min is None or self._tokens_at is None:
            return -math.inf
        self._refill(now)
        return now - self._tokens * 60.0 / self.tokens_per_min if self._tokens < 0 else -math.inf

    def _refill(self, now: float) -> None:
        rate = (self.tokens_per_min or 0.0) / 60.0
        most = self.tokens_per_min or 0.0
        self._tokens = most if self._tokens_at is None else min(most, self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now


class Gates:
    """The gates of a process, by the name of their pool."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def __bool__(self) -> bool:
        return bool(self._gates)

    def get(self, pool: str) -> Gate | None:
        """Return a pool's gate, if it has one."""
        return self._gates.get(pool)

    def make(self, pool: str) -> Gate:
        """Return a pool's gate; it is made where there is none."""
        return self._gates.setdefault(pool, Gate())

    def configure(self, rates: Mapping[str, Mapping[str, float | None]]) -> None:
        """Set the rates of pools; the latest run's hold for all."""
        for pool, rate in rates.items():
            gate = self.make(pool)
            gate.starts_per_s, gate.tokens_per_min = rate.get("starts_per_s"), rate.get("tokens_per_min")


SHARED = Gates()
"""The gates that all runs of this process go through."""

GATES: ContextVar[Gates] = ContextVar("fanwise_gates", default=SHARED)
"""The gates of what goes on here; a rehearsal has its own, so that real runs do not notice it."""
