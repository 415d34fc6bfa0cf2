"""The run's budget: how many tokens, and how much money, its models may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ..reducers.outcome import run_usage


@dataclass(slots=True)
class Budget:
    """What a run may use, and what it has used so far."""

    max_tokens: float | None = None
    max_cost: float | None = None
    tokens: float = 0.0
    cost: float = 0.0
    currency: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self | None:
        """Return the budget that a superstep is told of (see `budget_of`); `None` where there is none."""
        return cls(**given) if given else None

    @property
    def over(self) -> str | None:
        """Why nothing more may start; `None` while something is left."""
        if self.max_tokens is not None and self.tokens >= self.max_tokens:
            return f"the run's budget is used up: {self.tokens:,.0f} of {self.max_tokens:,.0f} tokens"
        if self.max_cost is not None and self.cost >= self.max_cost:
            amounts = f"{self.cost:,.4f} of {self.max_cost:,.4f} {self.currency}".rstrip()
            return f"the run's budget is used up: {amounts}"
        return None

    def spend(self, usage: Mapping[str, Any]) -> str | None:
        """Count a usage; return why nothing more may start, once: when the budget is used up by it."""
        before = self.over
        self.tokens += usage.get("total_tokens", 0)
        self.cost += usage.get("cost", 0.0)
        return None if before is not None else self.over


def budget_of(
    config: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, Any] | None,
    currency: str | None = None,
) -> dict[str, Any] | None:
    """Return the budget of a run as it stands; `None` where its plan sets none.

    Args:
        config: the plan's configuration, defaults filled in.
        results: the tasks' results so far.
        own: what the graph's own nodes have used, by their names.
        currency: what costs are in.
    """
    limits = {name: config[name] for name in ("max_tokens", "max_cost") if config.get(name) is not None}
    if not limits:
        return None
    used = run_usage(results, own)[0] or {}
    told = {"currency": currency} if currency else {}
    return {**limits, "tokens": used.get("total_tokens", 0), "cost": used.get("cost", 0.0), **told}
