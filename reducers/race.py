"""A race of branches: the first valid success wins. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..schema.aggregate import Aggregate
from ..schema.expressions import ExpressionError, evaluate, is_true
from .said import Branch, Done, Fail, Results, Said, Wait, has_succeeded, nothing_found, open_branches, told


def race(spec: Aggregate, branches: Sequence[Branch], results: Results) -> Said:
    """Tell who has won: of the valid successes the one that ended first, or stands first where that is equal."""
    rejected = {
        branch.id: why for branch in branches if branch.id in results and (why := _objection(spec, branch, results))
    }
    valid = [branch.id for branch in branches if branch.id in results and branch.id not in rejected]
    still_open = open_branches(branches, results)
    if valid:
        winner = min(valid, key=lambda name: (results[name].get("finished_at") or "", valid.index(name)))
        output = results[winner]["output"]
        quality = {} if spec.quality is None else {"quality": evaluate(spec.quality, output)}
        told_output = {"winner": winner, "output": output, **quality, "rejected": rejected}
        return Done(told_output, tuple(still_open), f"lost the race to {winner!r}")
    if still_open:
        return Wait()
    return Fail(f"no branch won: {'; '.join(f'{name!r} {why}' for name, why in rejected.items())}")


def _objection(spec: Aggregate, branch: Branch, results: Results) -> str:
    """Return why a branch that has ended can't win; empty if it can."""
    result: Mapping[str, Any] = results[branch.id]
    if not has_succeeded(branch, results):
        return told(result)
    try:
        if spec.valid is not None and not is_true(evaluate(spec.valid, result["output"])):
            return f"is not valid ({spec.valid}){nothing_found('valid', spec.valid, result['output'])}"
        if spec.quality is None or spec.min_quality is None:
            return ""
        quality = evaluate(spec.quality, result["output"])
    except ExpressionError as error:
        return f"can't be judged: {error}"
    if not isinstance(quality, int | float) or isinstance(quality, bool):
        found = nothing_found("quality", spec.quality, result["output"])
        return f"has no quality: {spec.quality!r} is no number{found}"
    return "" if quality >= spec.min_quality else f"has a quality of {quality:g}, below {spec.min_quality:g}"
