"""What models cost, and what is said where nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..models.prices import NO_PRICES, Prices
from ..schema.errors import PlanError, Problem
from ..schema.plan import Plan
from .specialist import Specialist

NEEDS_PRICES = (
    "max_cost needs to know what models cost: --max-cost needs --prices FILE (`build_graph(prices=...)`); "
    "max_tokens needs none"
)


@dataclass(frozen=True, slots=True)
class Costs:
    """What the models of a graph cost."""

    prices: Prices = NO_PRICES
    models: tuple[str, ...] = ()
    """Names of those that plan, and write the summary."""

    def uncounted(self, plan: Plan, specialists: Mapping[str, Specialist]) -> list[str]:
        """Return warnings of the models of a run whose cost its budget of money does not count.

        Raises:
            PlanError: there is such a budget, and no price at all.
        """
        if plan.config.max_cost is None:
            return []
        asked = {task.specialist for task in plan.tasks}
        own = (item.model for name, item in specialists.items() if name in asked and item.model)
        used = dict.fromkeys([*self.models, *own])
        if used and not self.prices.models:
            raise PlanError([Problem(NEEDS_PRICES, "config.max_cost")])
        return _said((name for name in used if self.prices.of(name) is None), is_limited=True)


NO_COSTS = Costs()
"""Of a graph without models."""


def with_unpriced(update: dict[str, Any], state: Mapping[str, Any], prices: Prices) -> dict[str, Any]:
    """Return the update that ends a run, with a warning for each model that it used and that has no price.

    Nothing is said where no prices were given, and money has no limit.
    """
    is_limited = (state["plan"].get("config") or {}).get("max_cost") is not None
    used = ((update.get("metrics") or {}).get("usage") or {}).get("by_model") or {}
    if not used or not (prices.models or is_limited):
        return update
    known = {*(state.get("warnings") or ()), *(update.get("warnings") or ())}
    lacking = (name for name, amounts in used.items() if "cost" not in amounts)
    said = [text for text in _said(lacking, is_limited=is_limited) if text not in known]
    return {**update, "warnings": [*(update.get("warnings") or ()), *said]} if said else update


def _said(models: Iterable[str], *, is_limited: bool) -> list[str]:
    against = " against max_cost" if is_limited else ""
    return [f"no price for model {name!r}: its cost is not counted{against}" for name in models]
