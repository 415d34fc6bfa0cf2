"""Putting results in the place of references. Pure; what is put in is never looked at again."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from .expressions import MAX_SIZE
from .references import Malformed, Reference, Step, parts, step_text
from .words import Nearest, kind, listed, shown

Results = Mapping[str, Mapping[str, Any]]
"""Task id -> `TaskResult` as a dict, with its whole output."""


class LeadsNowhere(Exception):
    """A reference leads nowhere: what stands at the end of it is not in the results."""


def resolved(value: Any, results: Results, known: Collection[str] | None = None) -> Any:
    """Return a JSON value with its references replaced by what they refer to.

    Args:
        value: the value.
        results: what there is to refer to.
        known: the ids that references can name; those of the results if not given.

    Raises:
        LeadsNowhere: one leads nowhere; it says what is there.
    """
    made, errors = filled(value, results, known)
    if errors:
        raise LeadsNowhere("; ".join(dict.fromkeys(errors)))
    return made


def filled(value: Any, results: Results, known: Collection[str] | None = None) -> tuple[Any, list[str]]:
    """Return the same, with `null` where a reference leads nowhere, and a message for each of these."""
    filler = _Filler(results, results if known is None else known)
    return filler.value(value), filler.errors


class _Filler:
    """Puts results into data."""

    def __init__(self, results: Results, known: Collection[str]) -> None:
        self.errors: list[str] = []
        self._results = results
        self._known = known
        self._left = MAX_SIZE

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self._text(value) if isinstance(value, str) and "{{" in value else value

    def _text(self, text: str) -> Any:
        found = list(parts(text, self._known))
        if len(found) == 1 and not isinstance(found[0], str):
            return self._put(found[0])
        return "".join(part if isinstance(part, str) else _written(self._put(part)) for part in found)

    def _put(self, part: Reference | Malformed) -> Any:
        try:
            if isinstance(part, Malformed):
                raise LeadsNowhere(f"the input holds a reference that can't be read: {part}")
            if part.task not in self._results:
                raise LeadsNowhere(_not_there(part, self._results))
            made = _looked_up(part, self._results[part.task])
            self._left -= _size(made, self._left)
            if self._left < 0:
                raise LeadsNowhere(f"its references put in more than {MAX_SIZE:,} values and characters; refer to less")
        except LeadsNowhere as error:
            self.errors.append(str(error))
            return None
        return made


def _looked_up(reference: Reference, result: Mapping[str, Any]) -> Any:
    value = result.get(reference.field)
    if not reference.path:
        return value
    if result.get("status") != "succeeded":
        raise LeadsNowhere(
            f"the input refers to {reference}, and there is no output: task {shown(reference.task)} "
            f"ended as {result.get('status')}"
        )
    for index, step in enumerate(reference.path):
        there, value = _stepped(value, step)
        if not there:
            place = "output" + "".join(map(step_text, reference.path[:index]))
            raise LeadsNowhere(f"the input refers to {reference}, but {place} {_lacks(value, step)}")
    return value


def _stepped(value: Any, step: Step) -> tuple[bool, Any]:
    """Return whether a step leads somewhere, and where; else the value that it started from."""
    if isinstance(value, dict):
        name = str(step)
        return (True, value[name]) if name in value else (False, value)
    if isinstance(value, list):
        index = int(step) if isinstance(step, int) or re.fullmatch(r"\d{1,9}", step, re.ASCII) else None
        if index is not None and -len(value) <= index < len(value):
            return True, value[index]
    return False, value


def _lacks(value: Any, step: Step) -> str:
    if isinstance(value, dict):
        return f"has no {shown(str(step))}{Nearest(value).hint(str(step))} (it has {listed(list(value))})"
    if isinstance(value, list):
        what = f"no [{step}]" if isinstance(step, int) else f"no field {shown(step)}"
        return f"is a list of {len(value):,} and has {what}"
    return f"is {kind(value)}, {shown(value)}, and has nothing in it" if value is not None else "is null"


def _not_there(reference: Reference, results: Results) -> str:
    there = f"the results that are there are of {listed(list(results))}" if results else "no result is there"
    return f"the input refers to {reference}, but task {shown(reference.task)} has not ended; {there}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _size(value: Any, limit: int) -> int:
    """Return how many values and characters there are, or some number above the limit."""
    size, left = 0, [value]
    while left and size <= limit:
        item = left.pop()
        size += 1
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, dict):
            left.extend(item)
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
    return size
