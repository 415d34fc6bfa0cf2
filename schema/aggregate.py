"""How a task combines its dependencies: the model behind `aggregate`, and what must hold for it. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue

from .expressions import Expression, problems
from .policy import Name, Strict
from .words import Loc, Nearest, counted, got, listed, one_of, shown

AGGREGATE = "aggregate"
"""The specialist of every task that combines others."""

Strategy = Literal["merge", "vote", "race", "reduce", "synthesize"]
"""How results become one."""


def _check_threshold(value: Any) -> Any:
    if value in ("majority", "plurality") or (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
    ):
        return value
    raise ValueError(f"expected 'majority', 'plurality', or a share above 0 and up to 1, {got(value)}")


def _check_no_winner(value: Any) -> Any:
    if value is None or value == "fail":
        return value
    cure = "; null goes without quotes" if isinstance(value, str) and value.casefold() in ("null", "none", "~") else ""
    raise ValueError(f"expected 'fail' or null, {got(value)}{cure}")


Threshold = Annotated[float | Literal["majority", "plurality"], BeforeValidator(_check_threshold)]
"""The share of the weight that an answer needs."""


class Aggregate(Strict):
    """Combines the results of a task's dependencies, its *branches*, in the order in which `depends_on` names them."""

    strategy: Strategy
    """How they are combined."""
    required: tuple[str, ...] | None = Field(None, strict=False)
    """Branches that must succeed. Not given: those whose task says `required: true`, or, without `min_results` and
    `first`, all whose task does not say `required: false` (a vote needs none)."""
    min_results: Annotated[int, Field(ge=1)] | None = None
    """Branches that must succeed, whichever they are; for a vote: that must have voted."""
    first: Annotated[int, Field(ge=1)] | None = None
    """Goes on with so many successes, as soon as they are there."""
    early: bool = True
    """For a vote: whether it goes on as soon as the rest can't change the winner."""
    cancel_rest: bool = True
    """Whether branches that are not waited for any more are cancelled, unless other tasks need them."""
    value: Expression | None = None
    """What to take of each output; the whole if not given."""
    answer: Expression | None = None
    """The same for a vote: what the branch votes for. `null` is no vote."""
    mode: Name | None = None
    """How outputs are merged: `shallow`, `deep`, `concat`, or the name of a function that takes two values."""
    on_conflict: Literal["first", "last", "error", "skip"] = "last"
    """Which of several values for one field holds."""
    lists: Literal["conflict", "concat", "union"] = "conflict"
    """With `mode: deep`: whether lists in one field are a conflict like any other, or joined."""
    nulls: Literal["keep", "skip", "error"] = "keep"
    """Whether `null` counts as a value, is left out, or is an error."""
    function: Name | None = None
    """The function that reduces the outputs to one."""
    initial: JsonValue = None
    """What a reduction begins with."""
    threshold: Threshold = "majority"
    """The share of the weight that the winner needs: more than half (`majority`), at least this share, or just more
    than any other answer (`plurality`)."""
    of: Literal["votes", "all"] = "votes"
    """Whether shares are counted of those who voted, or of all branches."""
    normalize: Literal["none", "text"] = "none"
    """Which answers are the same: equal ones, or, with `text`, also such as differ in case and blanks."""
    ties: Literal["fail", "first", "highest_weight"] = "fail"
    """Which of several leading answers wins: none, the one that was given first in the order of the branches, or the
    one with the weightiest single branch. Says something only where two answers can both have enough: with
    `plurality`, or a share of up to a half."""
    on_no_winner: Annotated[Literal["fail"] | None, BeforeValidator(_check_no_winner)] = "fail"
    """Whether a vote without a winner fails, or (`null`) has a winner that is `null`."""
    valid: Expression | None = None
    """What must be true of an output for its branch to win."""
    quality: Expression | None = None
    """The number that tells how good an output is."""
    min_quality: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The lowest quality that can win."""


_COMMON = ("strategy", "cancel_rest")
_COUNTED = ("required", "min_results")
_VALUES = ("first", "value", "nulls")

FIELDS_OF: Mapping[str, tuple[str, ...]] = {
    "merge": (*_COMMON, *_COUNTED, *_VALUES, "mode", "on_conflict", "lists"),
    "reduce": (*_COMMON, *_COUNTED, *_VALUES, "function", "initial"),
    "synthesize": (*_COMMON, *_COUNTED, "first"),
    "vote": (*_COMMON, *_COUNTED, "early", "answer", "threshold", "of", "normalize", "ties", "on_no_winner"),
    "race": (*_COMMON, "valid", "quality", "min_quality"),
}
"""The fields that have a meaning for each strategy."""

NOT_FOR_AGGREGATES: Mapping[str, str] = {
    "run_if": "it decides itself which results it needs: see 'required', 'min_results' and 'first'",
    "transform": "it combines results as they are: see 'value'",
    "when": "give it to a task that stands behind it",
    "review": "give it to a task that stands behind it",
    "retry": "combining the same results again comes to the same",
    "hedge": "combining the same results again comes to the same",
    "adaptive_timeout": "it takes hardly any time",
    "needs": "it takes nothing",
    "memory_mb": "it takes nothing",
    "exclusive": "it takes nothing",
}
"""Fields of a task that mean nothing where it combines others, and why."""


def aggregate_problems(task: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Yield what is wrong with a task that combines others, with the place of each in the task."""
    given = task.get("aggregate")
    if not given:
        if task.get("specialist") == AGGREGATE and given is None:
            yield ("specialist",), "a task of 'aggregate' needs 'aggregate'; write aggregate: {strategy: merge}"
        return
    if task.get("specialist") != AGGREGATE and isinstance(task.get("specialist"), str):
        yield ("specialist",), f"a task with 'aggregate' is done by none, {got(task['specialist'])}; remove this"
    for name, why in NOT_FOR_AGGREGATES.items():
        if task.get(name):
            yield (name,), f"has no meaning with 'aggregate' ({why}); remove it"
    fallback = task.get("fallback")
    if isinstance(fallback, Mapping) and fallback.get("specialist"):
        yield ("fallback", "specialist"), "can't take the place of 'aggregate'; give an output"
    branches = task.get("depends_on")
    if not branches:
        yield ("aggregate",), "has nothing to combine; name its branches under 'depends_on'"
    if isinstance(given, Mapping):
        for place, message in _own_problems(given, branches if isinstance(branches, list | tuple) else ()):
            yield ("aggregate", *place), message


def _own_problems(given: Mapping[str, Any], branches: Any) -> Iterator[tuple[Loc, str]]:
    strategy = given.get("strategy")
    known = FIELDS_OF.get(strategy) if isinstance(strategy, str) else None
    if known is None:
        return
    for name in given:
        if name in Aggregate.model_fields and name not in known:
            of = [other for other, names in FIELDS_OF.items() if name in names]
            yield (name,), f"has no meaning with 'strategy: {strategy}', only with {one_of(of)}; remove it"
    yield from _missing(given, strategy)
    for name in ("min_results", "first"):
        if type(given.get(name)) is int and branches and given[name] > len(branches):
            there = counted(len(branches), "branch", "branches")
            yield (name,), f"asks for {shown(given[name])} results of {there}; lower it"
    required = given.get("required")
    for place, name in enumerate(required if isinstance(required, list | tuple) else ()):
        if isinstance(name, str) and name not in branches:
            hint = Nearest(b for b in branches if isinstance(b, str)).hint(name, "; add it to 'depends_on'")
            yield ("required", place), f"{shown(name)} is not one of the branches{hint}"
    for name in ("value", "answer", "valid", "quality"):
        if isinstance(given.get(name), str) and given[name] and name in known:
            yield from (((name,), message) for message in problems(given[name]))


def _missing(given: Mapping[str, Any], strategy: Any) -> Iterator[tuple[Loc, str]]:
    if strategy == "reduce" and given.get("function") is None:
        yield ("function",), f"is missing; name one of your own, or one of {listed(sorted(BUILT_IN), 20)}"
    if "initial" in given and given.get("function") in ("count", "mean"):
        yield ("initial",), f"has no meaning with 'function: {given['function']}'; remove it"
    elif "initial" in given and isinstance(name := given.get("function"), str) and (takes := TAKES.get(name)):
        types, words = takes
        if not isinstance(given["initial"], types) or (isinstance(given["initial"], bool) and bool not in types):
            yield ("initial",), f"{name!r} needs {words} to begin with, {got(given['initial'])}"
    if strategy == "race" and (given.get("quality") is None) != (given.get("min_quality") is None):
        lacks, there = ("quality", "min_quality") if given.get("quality") is None else ("min_quality", "quality")
        yield (lacks,), f"is missing; {there!r} alone says nothing"
    if strategy == "vote" and given.get("ties", "fail") != "fail" and not _can_tie(given.get("threshold", "majority")):
        why = "two answers can't both have more than half"
        yield ("ties",), f"can never count: {why}; add 'threshold: plurality' or a share of up to 0.5, or remove it"
    if given.get("lists", "conflict") != "conflict" and given.get("mode", "shallow") != "deep":
        yield ("lists",), "only counts with 'mode: deep'; add that, or remove it"
    if given.get("mode") == "concat" and "on_conflict" in given:
        yield ("on_conflict",), "has no meaning with 'mode: concat', in which nothing conflicts; remove it"


def _can_tie(threshold: Any) -> bool:
    """Tell whether two answers can both have enough; also where the threshold is none, which is told elsewhere."""
    return threshold != "majority" and not (isinstance(threshold, int | float) and threshold > 0.5)


MODES = frozenset({"shallow", "deep", "concat"})
"""The ways to merge that are no functions."""

BUILT_IN = frozenset({"all", "any", "concat", "count", "first", "last", "max", "mean", "min", "sum", "union"})
"""The functions that are there in every graph."""


_NUMBER, _TRUTH = ((int, float), "a number"), ((bool,), "true or false")

TAKES: Mapping[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("max", "min", "sum"), _NUMBER),
    **dict.fromkeys(("all", "any"), _TRUTH),
}
"""What the built-in functions that take not everything can begin with."""


def own_function(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the field and the name of the caller's own function that an aggregate asks for, if it does."""
    strategy = spec.get("strategy")
    field = {"merge": "mode", "reduce": "function"}.get(strategy) if isinstance(strategy, str) else None
    name = spec.get(field) if field else None
    return None if field is None or not isinstance(name, str) or name in MODES | BUILT_IN else (field, name)


def branch_terms(task: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the branches of a task that combines others: their ids, weights, and whether they must succeed.

    Args:
        task: the task, from a plan's state.
        tasks: the plan's tasks by id.
    """
    spec = task["aggregate"]
    named = spec.get("required")
    by_default = spec["strategy"] in ("merge", "reduce", "synthesize") and not (
        spec.get("min_results") or spec.get("first")
    )

    def must(branch: str) -> bool:
        if spec["strategy"] == "race":
            return False
        return branch in named if named is not None else bool(tasks[branch].get("required", by_default))

    return [
        {"id": branch, "weight": tasks[branch].get("weight", 1), "required": must(branch)}
        for branch in task.get("depends_on", ())
    ]
