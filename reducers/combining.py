"""Several outputs made one: merged, or folded by a function. Pure, and always in the order that is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..schema.aggregate import MODES, Aggregate
from ..schema.expressions import ExpressionError, evaluate
from ..schema.words import kind, listed, shown
from .own import Fold
from .said import nothing_found

Outputs = Sequence[tuple[str, Any]]
"""The branches' ids and outputs, in order."""


class CombineError(Exception):
    """The outputs can't be combined as the plan says; the message names the branches."""


def combined(spec: Aggregate, outputs: Outputs, functions: Mapping[str, Fold]) -> Any:
    """Return what outputs come to, merged or reduced.

    Args:
        spec: how they are combined.
        outputs: the branches' outputs.
        functions: the caller's own, by name.

    Raises:
        CombineError: they can't be.
        Exception: whatever a function of the caller's raises.
    """
    try:
        return _combined(spec, outputs, functions)
    except CombineError as error:
        raise CombineError("; ".join([str(error), *list(_in_vain(spec, outputs).values())[:NAMED]])) from None


def in_vain(spec: Aggregate, outputs: Outputs) -> str:
    """Return what to warn of where `value` leads nowhere in any branch; empty if it found something."""
    found = _in_vain(spec, outputs)
    return "; ".join(list(found.values())[:NAMED]) if found and len(found) == len(outputs) else ""


NAMED = 3
"""Branches of which it is told what their outputs hold instead."""


def _in_vain(spec: Aggregate, outputs: Outputs) -> dict[str, str]:
    told = {name: nothing_found("value", spec.value, output) for name, output in outputs}
    return {name: f"{name!r}{text}" for name, text in told.items() if text}


def _combined(spec: Aggregate, outputs: Outputs, functions: Mapping[str, Fold]) -> Any:
    taken = _without_nulls(spec, [(name, _taken(spec, name, output)) for name, output in outputs])
    if spec.strategy == "merge":
        mode = spec.mode or "shallow"
        if mode == "concat":
            return _concat(None, [value for _, value in taken])
        return _merged(spec, taken) if mode in MODES else _folded(mode, taken, functions)
    begun = [("initial", spec.initial)] if "initial" in spec.model_fields_set else []
    return _folded(spec.function or "", [*begun, *taken], functions)


def _taken(spec: Aggregate, name: str, output: Any) -> Any:
    try:
        return output if spec.value is None else evaluate(spec.value, output)
    except ExpressionError as error:
        raise CombineError(f"the value of {name!r} can't be taken: {error}") from None


def _without_nulls(spec: Aggregate, values: Outputs) -> Outputs:
    nulls = [name for name, value in values if value is None]
    if nulls and spec.nulls == "error":
        raise CombineError(f"{listed(nulls)}: gives null, and 'nulls: error' forbids it")
    return [(name, value) for name, value in values if value is not None] if spec.nulls == "skip" else values


def _merged(spec: Aggregate, outputs: Outputs) -> dict[str, Any]:
    for name, value in outputs:
        if not isinstance(value, dict):
            remedy = "'nulls: skip' leaves it out" if value is None else "'mode: concat' makes a list of all"
            raise CombineError(f"{name!r} gives {kind(value)}, and a merge needs objects; {remedy}")
    return _merged_objects(spec, outputs, ())


def _merged_objects(spec: Aggregate, objects: Outputs, path: tuple[str, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in dict.fromkeys(key for _, value in objects for key in value):
        entries = [(name, value[key]) for name, value in objects if key in value]
        if any(value is None for _, value in entries) and spec.nulls == "error":
            raise CombineError(
                f"{_field((*path, key))} is null in {_names(entries, None)}, and 'nulls: error' forbids it"
            )
        if spec.nulls == "skip":
            entries = [(name, value) for name, value in entries if value is not None]
        if entries:
            merged.update(_one(spec, entries, (*path, key)))
    return merged


def _one(spec: Aggregate, entries: Outputs, path: tuple[str, ...]) -> dict[str, Any]:
    """Return the field with the one value that several objects come to; nothing where a conflict leaves it out."""
    values = [value for _, value in entries]
    if spec.mode == "deep" and all(isinstance(value, dict) for value in values):
        return {path[-1]: _merged_objects(spec, entries, path)}
    if spec.mode == "deep" and spec.lists != "conflict" and all(isinstance(value, list) for value in values):
        joined = _concat(None, values)
        return {path[-1]: joined if spec.lists == "concat" else _union(None, values)}
    if len({_key(value) for value in values}) == 1:
        return {path[-1]: values[0]}
    if spec.on_conflict == "error":
        sides = "; ".join(f"{name!r} has {shown(value)}" for name, value in entries)
        raise CombineError(f"{_field(path)} differs: {sides}; choose with 'on_conflict', or take the field out")
    return {} if spec.on_conflict == "skip" else {path[-1]: values[0 if spec.on_conflict == "first" else -1]}


def _field(path: Sequence[str]) -> str:
    return f"field {'.'.join(path)!r}"


def _names(entries: Outputs, wanted: Any) -> str:
    return listed([name for name, value in entries if value is wanted])


def _key(value: Any) -> str:
    """Return a text that is the same for values that JSON takes for equal, and 1 and 1.0."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _folded(name: str, values: Outputs, functions: Mapping[str, Fold]) -> Any:
    own = functions.get(name)
    if own is None:
        return _built_in(name, values)
    if not values:
        raise CombineError(f"there is nothing to give to {name!r}; give an 'initial' value")
    result = values[0][1]
    for _, value in values[1:]:
        result = own(result, value)
    return result


def _built_in(name: str, values: Outputs) -> Any:
    function, fits, wanted = _FUNCTIONS[name]
    for branch, value in values:
        if not fits(value):
            raise CombineError(f"{branch!r} gives {kind(value)}, and {name!r} needs {wanted}; see 'value' and 'nulls'")
    if not values and name in _NEEDS_ONE:
        raise CombineError(f"there is nothing of which to take the {name!r}; give an 'initial' value")
    return function(name, [value for _, value in values])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything(value: Any) -> bool:
    return True


def _sum(name: object, values: Sequence[Any]) -> Any:
    return sum(values)


def _mean(name: object, values: Sequence[Any]) -> Any:
    return sum(values) / len(values)


def _least(name: object, values: Sequence[Any]) -> Any:
    return min(values)


def _greatest(name: object, values: Sequence[Any]) -> Any:
    return max(values)


def _count(name: object, values: Sequence[Any]) -> Any:
    return len(values)


def _all_true(name: object, values: Sequence[Any]) -> Any:
    return all(values)


def _any_true(name: object, values: Sequence[Any]) -> Any:
    return any(values)


def _end(name: object, values: Sequence[Any]) -> Any:
    return values[0 if name == "first" else -1]


def _concat(name: object, values: Sequence[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list) else [value])]


def _union(name: object, values: Sequence[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for item in _concat(name, values):
        found.setdefault(_key(item), item)
    return list(found.values())


_Function = Callable[[object, Sequence[Any]], Any]

_FUNCTIONS: Mapping[str, tuple[_Function, Callable[[Any], bool], str]] = {
    "sum": (_sum, _is_number, "numbers"),
    "mean": (_mean, _is_number, "numbers"),
    "min": (_least, _is_number, "numbers"),
    "max": (_greatest, _is_number, "numbers"),
    "count": (_count, _anything, ""),
    "concat": (_concat, _anything, ""),
    "union": (_union, _anything, ""),
    "all": (_all_true, lambda value: isinstance(value, bool), "true or false"),
    "any": (_any_true, lambda value: isinstance(value, bool), "true or false"),
    "first": (_end, _anything, ""),
    "last": (_end, _anything, ""),
}
"""The built-in functions: what they do, what they take, and that in words."""

_NEEDS_ONE = frozenset({"mean", "min", "max", "first", "last"})
