"""What an aggregate's decision may be, and what its branches have come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..schema.expressions import lost
from ..schema.words import counted

Results = Mapping[str, Mapping[str, Any]]
"""Task id -> `TaskResult` as a dict."""


class Branch(NamedTuple):
    """A dependency of a task that combines its dependencies."""

    id: str
    weight: float = 1.0
    required: bool = False
    """Whether it must succeed."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is certain yet."""


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome is certain."""

    output: Any
    cancel: tuple[str, ...] = ()
    """Branches that are not waited for any more."""
    reason: str = ""
    """Why those are not."""


@dataclass(frozen=True, slots=True)
class Fail:
    """It can come to nothing any more. What its branches do then is the plan's `on_failure`, so none is cancelled."""

    error: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to combine, and nothing went wrong."""

    reason: str


Said = Wait | Done | Fail | Nothing


def has_succeeded(branch: Branch, results: Results) -> bool:
    """Tell whether a branch has ended with an output."""
    return branch.id in results and results[branch.id]["status"] == "succeeded"


def has_chosen(branch: Branch, results: Results) -> bool:
    """Tell whether a branch was skipped by its own choice."""
    result = results.get(branch.id)
    return result is not None and result["status"] == "skipped" and bool(result.get("by_choice"))


def open_branches(branches: Sequence[Branch], results: Results) -> list[str]:
    """Return the branches that have not ended."""
    return [branch.id for branch in branches if branch.id not in results]


_WORDS = {"timed_out": "timed out", "skipped": "was skipped", "cancelled": "was cancelled"}


def told(result: Mapping[str, Any]) -> str:
    """Return how a branch ended that gave no output, and why."""
    word = _WORDS.get(result["status"], result["status"])
    return f"{word} ({result['error']})" if result.get("error") else word


def nothing_found(field: str, expression: str | None, output: Any) -> str:
    """Return which parts of an output an expression of an aggregate looks at in vain, for the end of a message."""
    missed = [] if expression is None else lost(expression, output, "the output")
    return f" ({field!r} leads nowhere: {'; '.join(missed)})" if missed else ""


def of_branches(count: int, branches: Sequence[Branch]) -> str:
    """Return that so many of the branches, in words."""
    return f"{count} of {counted(len(branches), 'branch', 'branches')}"


def are_needed(count: int) -> str:
    """Return that so many are needed, in words."""
    return f"{count} {'is' if count == 1 else 'are'} needed"
