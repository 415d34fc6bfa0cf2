"""What people write in an expression who think of another language, and what JMESPath wants in its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

NUMBER = r"-?\d+(?:\.\d+)?"


class Slip(NamedTuple):
    """A place at which an expression can't be read, and the cure."""

    position: int
    """Of its first character, from 0."""
    text: str
    cure: str

    def __str__(self) -> str:
        return f"at character {self.position + 1}, {self.text!r}: {self.cure}"


def slips(expression: str) -> list[Slip]:
    """Return the well-known mistakes in an expression that can't be read, in its order; none if it is no such."""
    bare = _QUOTED.sub(lambda found: found[0][0] + " " * (len(found[0]) - 2) + found[0][0], expression)
    return sorted(set(_found(expression, bare)))


_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`""", re.DOTALL)

_WORDS = {"and": "write && for 'and'", "or": "write || for 'or'", "not": "write !(...) for 'not'"}

_SIGNS = {"=": "write == to compare", "===": "write == to compare", "!==": "write != to compare", "<>": "write !="}


def _found(expression: str, bare: str) -> Iterator[Slip]:
    for found in re.finditer(rf"(?<=[=<>(,])\s*({NUMBER})(?![\w.])|(?<![\w.\[:])({NUMBER})(?=\s*[=!<>])", bare):
        group = 1 if found[1] else 2
        yield Slip(found.start(group), found[group], f"numbers stand in backticks: write `{found[group]}`")
    for found in re.finditer(r"(?<![\w-])[^\W\d]\w*(?:-\w+)+", bare):
        yield Slip(found.start(), found[0], f'a name with dashes stands in double quotes: write "{found[0]}"')
    for found in re.finditer(r"(?<![\w.-])(and|or|not)(?![\w.:(-])", bare, re.IGNORECASE):
        yield Slip(found.start(), found[0], _WORDS[found[0].lower()])
    for found in re.finditer(r"[=!<>]+", bare):
        if found[0] in _SIGNS:
            yield Slip(found.start(), found[0], _SIGNS[found[0]])
    for found in re.finditer(r"\.\s*('[^']*')", bare):
        text = expression[found.start(1) : found.end(1)]
        yield Slip(found.start(1), text, f'a name stands in double quotes: write "{text[1:-1]}"')
    for found in re.finditer(r"""(?<=[\w"])\[\s*('[^']*'|"[^"]*")\s*\]""", bare):
        text = expression[found.start() : found.end()]
        name = expression[found.start(1) + 1 : found.end(1) - 1]
        yield Slip(found.start(), text, f'a field stands behind a dot: write ."{name}"')
