"""When a task that combines others can go on, and with what: a pure function of what its branches have come to so far.

Nothing here knows a clock or an order of arrival, so that a run which goes on after a crash decides as it would have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..schema.aggregate import Aggregate
from .race import race
from .said import (
    Branch,
    Done,
    Fail,
    Nothing,
    Results,
    Said,
    Wait,
    are_needed,
    has_chosen,
    has_succeeded,
    of_branches,
    open_branches,
    told,
)
from .vote import vote

__all__ = ["Branch", "Done", "Fail", "Nothing", "Said", "Take", "Wait", "verdict"]


@dataclass(frozen=True, slots=True)
class Take:
    """The results of these branches are to be combined."""

    branches: tuple[str, ...]
    cancel: tuple[str, ...] = ()


def verdict(spec: Aggregate, branches: Sequence[Branch], results: Results) -> Said | Take:
    """Tell what an aggregate comes to.

    Args:
        spec: how it combines its branches.
        branches: the branches, in the order in which their task names them.
        results: those that have ended, by id: `TaskResult`s as dicts, with their whole outputs.

    Returns:
        `Wait` while the outcome is open, and from then on always the same outcome. Its `cancel` are the branches that
        are not waited for any more.
    """
    if spec.min_results is None and spec.first is None and _all_chose(branches, results):
        return Nothing("every branch was skipped by its own choice")
    if spec.strategy == "race":
        return race(spec, branches, results)
    missing = [branch for branch in branches if branch.required and _is_missing(branch, results)]
    if missing:
        return Fail(f"required {_listed(missing, results)}")
    return vote(spec, branches, results) if spec.strategy == "vote" else _counted(spec, branches, results)


def _counted(spec: Aggregate, branches: Sequence[Branch], results: Results) -> Said | Take:
    """Decide by counting successes."""
    there = [branch for branch in branches if has_succeeded(branch, results)]
    still_open = open_branches(branches, results)
    wanted = max(spec.first or 1, spec.min_results or 1)
    if len(there) + len(still_open) < wanted:
        others = [branch for branch in branches if branch not in there]
        return Fail(f"{of_branches(len(there), branches)} succeeded, {are_needed(wanted)}: {_listed(others, results)}")
    if still_open and (spec.first is None or len(there) < wanted or _waits_for_required(branches, results)):
        return Wait()
    return Take(tuple(branch.id for branch in there), tuple(still_open))


def _waits_for_required(branches: Sequence[Branch], results: Results) -> bool:
    return any(branch.required and branch.id not in results for branch in branches)


def _all_chose(branches: Sequence[Branch], results: Results) -> bool:
    return all(has_chosen(branch, results) for branch in branches)


def _is_missing(branch: Branch, results: Results) -> bool:
    return branch.id in results and not has_succeeded(branch, results) and not has_chosen(branch, results)


def _listed(branches: Sequence[Branch], results: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(f"{branch.id!r} {told(results[branch.id])}" for branch in branches if branch.id in results)
