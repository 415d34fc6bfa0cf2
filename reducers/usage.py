"""How usages (tokens, cost) add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def added(*parts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the sum of several usages; `None` where there is nothing in them."""
    total: dict[str, Any] = {}
    for part in parts:
        for name, amount in (part or {}).items():
            if isinstance(amount, Mapping):
                total[name] = added(total.get(name), amount) or {}
            else:
                total[name] = _exact(total.get(name, 0) + amount)
    return total or None


def _exact(amount: Any) -> Any:
    """Return an amount without the digits that adding up has added: 3.6168, not 3.6168000000000005."""
    return round(amount, 12) if isinstance(amount, float) else amount


def add_usage(current: Mapping[str, Any] | None, update: Mapping[str, Any] | None) -> dict[str, Any]:
    """Add what a node of the graph's own has used to what those before it have: node -> usage."""
    return added(current, update) or {}
