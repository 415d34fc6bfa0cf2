"""Whether a run goes another round once nothing of its plan is left to run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .board import DEADLINE
from .budget import Budget, budget_of
from .fan_out import effective_config, first_failed


def wants_round(state: Mapping[str, Any], *, has_model: bool) -> bool:
    """Tell whether there is anything to be asked, or anything proposed, before the run ends."""
    if state.get("rejected") is not None:
        return False
    if any("proposal" in result for result in (state.get("results") or {}).values()):
        return True
    if not has_model or state.get("rounds_over"):
        return False
    return int(state.get("round", 1)) < int(effective_config(state["plan"])["max_rounds"])


def round_over(state: Mapping[str, Any], now: float) -> str | None:
    """Return why nothing more may be run; `None` if it may.

    Args:
        state: the graph's state.
        now: seconds since the epoch.
    """
    config, results = effective_config(state["plan"]), state.get("results") or {}
    deadline = state.get("deadline_at")
    if deadline is not None and deadline <= now:
        return DEADLINE
    if config["on_failure"] == "fast" and (failed := first_failed(state["plan"], results)) is not None:
        return f"the run ended with the failure of {failed!r} (on_failure: fast)"
    budget = Budget.of(budget_of(config, results, state.get("usage"), state.get("currency")) or {})
    return None if budget is None else budget.over
