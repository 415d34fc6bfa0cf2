"""What stand-ins give in the place of specialists, and how tasks that combine others go by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

UNKNOWN = object()
"""The output of a specialist that is not there."""

JUDGED_BY = {"race": ("valid", "quality", "min_quality"), "vote": ("answer",)}
"""What decides by outputs; without any of these, a vote still does."""


def known_output(task: Mapping[str, Any]) -> Any:
    """Return what a task will give, if its plan says so, as that of `wait` does; else `UNKNOWN`."""
    other = (task.get("fallback") or {}).get("specialist")
    if task["specialist"] != "wait" or other or task.get("transform"):
        return UNKNOWN
    if not isinstance(task.get("input") or {}, Mapping):
        return UNKNOWN
    given = task.get("input") or {}
    return given.get("output", {"task_id": task["id"], "results": list(task.get("depends_on") or ())})


def playable(spec: Mapping[str, Any], branches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how a task combines others where stand-ins do the work of some of its branches.

    Where outputs are unknown, all are taken to be valid, and to vote the same, which is not certain before the last.
    """
    strategy = spec["strategy"]
    is_known = all(known_output(branch) is not UNKNOWN for branch in branches)
    if is_known or strategy not in JUDGED_BY:
        return dict(spec)
    kept = {name: value for name, value in spec.items() if name not in JUDGED_BY[strategy]}
    return kept if strategy == "race" else {**kept, "answer": "`true`", "early": False}


def counted_only(spec: Mapping[str, Any], branches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the same for stand-ins that run in a graph: what outputs come to together is left out."""
    own = playable(spec, branches)
    if own["strategy"] in ("race", "vote"):
        return own
    kept: dict[str, Any] = {
        name: own[name] for name in ("required", "min_results", "first", "cancel_rest") if name in own
    }
    return {**kept, "strategy": "merge", "mode": "concat"}


def is_early(spec: Mapping[str, Any]) -> bool:
    """Tell whether a task that combines others may go on before all of them have ended well."""
    strategy = spec.get("strategy")
    if strategy == "vote":
        return bool(spec.get("early", True))
    return strategy == "race" or spec.get("first") is not None
