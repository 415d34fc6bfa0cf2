"""A vote among branches: weights, thresholds, ties, and when the rest can't change the winner any more. Pure.

Weights are counted as exact fractions of what was written, so that 0.1 + 0.2 and 0.3 are a tie.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..schema.aggregate import Aggregate
from ..schema.expressions import ExpressionError, evaluate
from .said import (
    Branch,
    Done,
    Fail,
    Results,
    Said,
    Wait,
    are_needed,
    has_chosen,
    has_succeeded,
    nothing_found,
    of_branches,
    open_branches,
    told,
)

DECIDED = "the vote was decided without it"
"""Why a branch was not waited for."""


@dataclass(slots=True)
class Tally:
    """Who voted what."""

    weights: dict[str, Fraction]
    """Answer, as its key, -> weight; in the order of the branches that gave it first."""
    heaviest: dict[str, Fraction]
    """Answer -> the weight of the weightiest single branch that gave it."""
    votes: dict[str, tuple[str, Any]]
    """Branch -> its answer's key, and the answer as it was given."""
    no_vote: dict[str, str]
    """Branch -> why it has none."""
    still_open: Fraction
    """The weight of the branches that have not ended."""
    everyone: Fraction
    """The weight of all branches."""

    @property
    def voted(self) -> Fraction:
        """The weight of those that voted."""
        return sum(self.weights.values(), Fraction(0))

    def basis(self, spec: Aggregate) -> Fraction:
        """Return the largest weight of which shares may yet be counted."""
        return self.everyone if spec.of == "all" else self.voted + self.still_open


def vote(spec: Aggregate, branches: Sequence[Branch], results: Results) -> Said:
    """Tell the winner once it is certain, or that there can be none.

    A branch that failed, timed out, was throttled, skipped or cancelled, or that gave `null`, is no vote: it is never
    counted as one against anything.
    """
    tally = count(spec, branches, results)
    open_ = open_branches(branches, results)
    needed = spec.min_results or 1
    if open_ and not (spec.early and _may_be_early(branches, results)):
        return Wait()
    if len(tally.votes) + len(open_) < needed:
        counted = f"{of_branches(len(tally.votes), branches)} voted, {are_needed(needed)}"
        return _no_winner(spec, tally, branches, counted)
    winner = _winner(spec, tally) if len(tally.votes) >= needed else None
    if winner is not None and (not open_ or _is_certain(spec, tally, winner)):
        return Done(_told(tally, winner, tally.basis(spec), open_), tuple(open_), DECIDED)
    if not open_ or _is_hopeless(spec, tally):
        return _no_winner(spec, tally, branches, "")
    return Wait()


def count(spec: Aggregate, branches: Sequence[Branch], results: Results) -> Tally:
    """Count the votes that are there."""
    weights = {branch.id: Fraction(str(branch.weight)) for branch in branches}
    open_ = open_branches(branches, results)
    tally = Tally({}, {}, {}, {}, sum((weights[b] for b in open_), Fraction(0)), sum(weights.values(), Fraction(0)))
    for branch in branches:
        if branch.id not in results:
            continue
        if not has_succeeded(branch, results):
            tally.no_vote[branch.id] = told(results[branch.id])
            continue
        output = results[branch.id]["output"]
        try:
            answer = output if spec.answer is None else evaluate(spec.answer, output)
        except ExpressionError as error:
            tally.no_vote[branch.id] = f"its answer can't be read: {error}"
            continue
        if answer is None:
            tally.no_vote[branch.id] = f"abstained{nothing_found('answer', spec.answer, output)}"
            continue
        key, weight = answer_key(answer, spec.normalize), weights[branch.id]
        tally.votes[branch.id] = (key, answer)
        tally.weights[key] = tally.weights.get(key, Fraction(0)) + weight
        tally.heaviest[key] = max(tally.heaviest.get(key, Fraction(0)), weight)
    return tally


def answer_key(answer: Any, normalize: str) -> str:
    """Return a text that is the same for answers that count as the same; 1 and 1.0 always do."""
    return json.dumps(_plain(answer, normalize), sort_keys=True, ensure_ascii=False)


def _plain(value: Any, normalize: str) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, normalize) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, normalize) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and normalize == "text":
        return " ".join(value.casefold().split())
    return value


def _winner(spec: Aggregate, tally: Tally) -> str | None:
    """Return the winning answer if no more votes come in."""
    if not tally.weights:
        return None
    most = max(tally.weights.values())
    leaders = [answer for answer, weight in tally.weights.items() if weight == most]
    if not _is_enough(spec, most, tally.everyone if spec.of == "all" else tally.voted):
        return None
    if len(leaders) == 1 or spec.ties == "first":
        return leaders[0]
    if spec.ties == "fail":
        return None
    return max(leaders, key=lambda answer: tally.heaviest[answer])  # the first one where these are equal too


def _is_enough(spec: Aggregate, weight: Fraction, basis: Fraction) -> bool:
    if spec.threshold == "majority":
        return 2 * weight > basis
    if spec.threshold == "plurality":
        return weight > 0
    return weight >= Fraction(str(spec.threshold)) * basis


def _is_certain(spec: Aggregate, tally: Tally, winner: str) -> bool:
    """Tell whether an answer wins whatever those that are open vote, if they vote at all."""
    rivals = max((weight for answer, weight in tally.weights.items() if answer != winner), default=Fraction(0))
    weight = tally.weights[winner]
    return _is_enough(spec, weight, tally.basis(spec)) and weight > rivals + tally.still_open


def _is_hopeless(spec: Aggregate, tally: Tally) -> bool:
    """Tell whether no answer can get enough any more, not even if all that are open vote for it."""
    best = max(tally.weights.values(), default=Fraction(0)) + tally.still_open
    return not _is_enough(spec, best, tally.basis(spec))


def _may_be_early(branches: Sequence[Branch], results: Results) -> bool:
    """Tell whether all that must succeed have, and anything but skipping has happened at all."""
    if not all(branch.id in results for branch in branches if branch.required):
        return False
    return any(branch.id in results and not has_chosen(branch, results) for branch in branches)


def _no_winner(spec: Aggregate, tally: Tally, branches: Sequence[Branch], why: str) -> Said:
    open_ = [b.id for b in branches if b.id not in tally.votes and b.id not in tally.no_vote]
    if spec.on_no_winner is None:
        return Done(_told(tally, None, tally.basis(spec), open_), tuple(open_), DECIDED)
    shares = [
        f"{_text(answer)} has {_number(weight)} of {_number(tally.basis(spec))} ({', '.join(_voters(tally, answer))})"
        for answer, weight in tally.weights.items()
    ]
    silent = [f"no vote from {name!r}: {reason}" for name, reason in tally.no_vote.items()]
    return Fail(
        "; ".join([why or _tie(spec, tally) or f"no answer has the {_wanted(spec)} that it needs", *shares, *silent])
    )


def _wanted(spec: Aggregate) -> str:
    return spec.threshold if isinstance(spec.threshold, str) else f"share of {spec.threshold:g}"


def _tie(spec: Aggregate, tally: Tally) -> str:
    """Return which answers have enough, and as much as each other; empty if it is not that."""
    most = max(tally.weights.values(), default=Fraction(0))
    leaders = [_text(answer) for answer, weight in tally.weights.items() if weight == most]
    if len(leaders) < 2 or not _is_enough(spec, most, tally.basis(spec)):
        return ""
    names = f"{', '.join(leaders[:-1])} and {leaders[-1]}"
    return f"a tie between {names}, and 'ties: {spec.ties}' lets none win ('first' or 'highest_weight' would)"


def _voters(tally: Tally, answer: str) -> list[str]:
    return [name for name, (key, _) in tally.votes.items() if key == answer]


def _told(tally: Tally, winner: str | None, basis: Fraction, open_: Sequence[str]) -> dict[str, Any]:
    """Return the vote's output; an answer stands as the first branch that gave it worded it."""
    worded: dict[str, Any] = {}
    for key, answer in tally.votes.values():
        worded.setdefault(key, answer)
    distribution: dict[str, float | int] = {}
    for key, weight in sorted(tally.weights.items(), key=lambda item: -item[1]):
        whole = json.dumps(worded[key], sort_keys=True, ensure_ascii=False)
        label = whole if _text(whole) in distribution else _text(whole)  # the text "1" beside the number 1
        distribution[label] = _number(weight)
    share = 0.0 if winner is None or not basis else float(tally.weights[winner] / basis)
    return {
        "winner": None if winner is None else worded[winner],
        "confidence": round(share, 6),
        "distribution": distribution,
        "votes": {name: answer for name, (_, answer) in tally.votes.items()},
        "no_vote": {**tally.no_vote, **dict.fromkeys(open_, "not waited for")},
    }


def _text(key: str) -> str:
    """Return an answer's key as people read it: text without its quotes."""
    value = json.loads(key)
    return value if isinstance(value, str) else key


def _number(weight: Fraction) -> float | int:
    return int(weight) if weight.denominator == 1 else round(float(weight), 6)
