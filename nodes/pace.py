"""How long an attempt may take, and when a second one begins beside it: as the plan says, or as history shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..schema.policy import AdaptiveTimeout

ENOUGH = 5
"""Attempts that must have been seen before time-outs and hedges follow them."""

Estimates = Mapping[str, Mapping[str, Any]]
"""Specialist -> `p50` and `p95` in seconds, and `n`, how many attempts were seen."""


def timeout_s(task: Mapping[str, Any], estimates: Estimates) -> float | None:
    """Return the time-out of an attempt in seconds; `None` for no limit."""
    given: float | None = task.get("timeout_s")
    adaptive = task.get("adaptive_timeout")
    p95 = None if adaptive is None else _observed_p95(task["specialist"], estimates)
    if adaptive is None or p95 is None:
        return given
    policy = AdaptiveTimeout.model_construct(**adaptive)
    longest = policy.max_s if policy.max_s is not None else given
    wanted = max(policy.factor * p95, policy.min_s)
    return wanted if longest is None else min(wanted, longest)


def hedge_s(task: Mapping[str, Any], specialist: str, estimates: Estimates) -> float | None:
    """Return the seconds after which a second attempt begins; `None` where none may, or nothing is known."""
    hedge = task.get("hedge")
    if hedge is None:
        return None
    given: float | None = hedge.get("after_s")
    return given if given is not None else _observed_p95(specialist, estimates)


def _observed_p95(specialist: str, estimates: Estimates) -> float | None:
    seen = estimates.get(specialist) or {}
    return seen["p95"] if seen.get("n", 0) >= ENOUGH else None
