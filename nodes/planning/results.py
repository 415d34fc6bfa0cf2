"""What a model is shown of a run's results: as data, and no more than it can take in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..untrusted import as_data

CHARS_A_TOKEN = 3
"""Characters that a token stands for, at the least, in most texts."""

CONTEXT = 16_000
"""Tokens that a model takes in, where nobody knows."""

MOST = 200_000
"""Characters of results that are shown, whatever the model takes in."""

LEAST = 200
"""Characters that each result is shown with, however many there are."""


def results_shown(results: Mapping[str, Mapping[str, Any]], tokens: int) -> list[str]:
    """Return results as marked blocks which together take up to half of what a model takes in.

    Args:
        results: task id -> `TaskResult` as a dict.
        tokens: what the model takes in.
    """
    texts = {name: _text(result) for name, result in results.items()}
    share = _share([len(text) for text in texts.values()], min(MOST, tokens * CHARS_A_TOKEN // 2))
    return [
        as_data(f"task {name}, which {_ended(results[name])}", text, max(share, LEAST)) for name, text in texts.items()
    ]


def _share(sizes: list[int], budget: int) -> int:
    """Return the most that each may have: what small ones do not need goes to large ones."""
    left, budget_left = sorted(sizes), budget
    for index, size in enumerate(left):
        equal = budget_left // (len(left) - index)
        if size > equal:
            return equal
        budget_left -= size
    return budget


def _text(result: Mapping[str, Any]) -> str:
    if result.get("status") != "succeeded":
        return str(result.get("error") or "no result")
    if ref := result.get("output_ref"):
        return f"(an output of {ref['bytes']:,} bytes, kept apart)"
    output = result.get("output")
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)


def _ended(result: Mapping[str, Any]) -> str:
    return str(result.get("status", "has no result")).replace("_", " ")
