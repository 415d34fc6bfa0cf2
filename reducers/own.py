"""Reducers of the user's own: functions of two values that plans name to combine outputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..schema.aggregate import BUILT_IN, MODES
from ..schema.errors import FanwiseError

Fold = Callable[[Any, Any], Any]
"""Makes one value of what there is so far and the next one."""


@dataclass(frozen=True, slots=True)
class Reducer:
    """A named function of two values. Made by `@reducer`."""

    name: str
    """The name that plans use: `reduce` with `function: NAME`, `merge` with `mode: NAME`."""
    function: Fold
    """Is given what there is so far and the next output; returns what there is then."""

    def __post_init__(self) -> None:
        check_fold(self.name, self.function)

    def __call__(self, so_far: Any, output: Any) -> Any:
        """Call the function behind the reducer, as if it were not decorated."""
        return self.function(so_far, output)


def reducer(name: str) -> Callable[[Fold], Reducer]:
    """Turn a sync function of two values into a reducer, by which a plan's tasks can combine outputs.

    Args:
        name: the name that plans use.

    Raises:
        FanwiseError: it has no name, or that of a built-in one, or what is decorated is no sync function of two values.
    """
    if not isinstance(name, str) or not name.strip():
        raise FanwiseError("a reducer needs a name: write @reducer('NAME') above the function")

    def decorate(function: Fold) -> Reducer:
        return Reducer(name, function)

    return decorate


def check_fold(name: str, function: object) -> None:
    """Refuse what can't combine two outputs.

    Raises:
        FanwiseError: it is no sync function of two values, or has the name of one that is there anyway.
    """
    if name in MODES | BUILT_IN:
        raise FanwiseError(f"a function can't be called {name!r}: there is a built-in one; give it another name")
    if not callable(function):
        raise FanwiseError(f"function {name!r}: {type(function).__name__} is no function; give one of two values")
    if inspect.iscoroutinefunction(function):
        raise FanwiseError(f"function {name!r} is async: write it with `def`; it runs in a thread of its own")
    if not _takes_two(function):
        raise FanwiseError(f"function {name!r} does not take two values: give it (so_far, output)")


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return True  # some of Python's own functions don't tell
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def by_name(given: Mapping[str, Fold] | Iterable[Reducer]) -> dict[str, Fold]:
    """Return a caller's functions by name.

    Raises:
        FanwiseError: two share a name, or one can't be used.
    """
    if isinstance(given, Mapping):
        for name, function in given.items():
            check_fold(name, function)
        return dict(given)
    found: dict[str, Fold] = {}
    for item in given:
        if not isinstance(item, Reducer):
            raise FanwiseError(f"{item!r} is no reducer: decorate the function with @reducer('NAME')")
        if found.setdefault(item.name, item) is not item:
            raise FanwiseError(f"two reducers are called {item.name!r}; give each a name of its own")
    return found
