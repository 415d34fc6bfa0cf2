"""JSON text to data, and the places of its fields."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .draft import MAX_DEPTH
from .errors import PlanError, Problem
from .words import Loc, path_text, shown
from .yaml_text import Places


def read_json(text: str) -> tuple[Any, bool]:
    """Return the data, and whether an object has the same key twice (the last one counts, so that is a problem).

    Raises:
        PlanError: the text is not JSON; one problem, with its line.
    """
    repeated = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(items)
        repeated = repeated or len(found) != len(items)
        return found

    try:
        return json.loads(text, object_pairs_hook=pairs), repeated
    except json.JSONDecodeError as error:
        comma = _trailing_comma(error)
        if comma is not None:
            raise PlanError([comma]) from None
        what = error.msg.removesuffix(" at")
        message = f"not valid JSON: {what[:1].lower()}{what[1:]}{_hint(error)}"
        raise PlanError([Problem(message, "", error.lineno, error.colno)]) from None
    except RecursionError:
        raise PlanError([Problem(f"nested more than {MAX_DEPTH} levels deep; make it flatter")]) from None
    except ValueError:
        raise PlanError([_long_number(text)]) from None


def _trailing_comma(error: json.JSONDecodeError) -> Problem | None:
    """Return the problem if it is a comma before a closing bracket; Python's versions tell of it in different ways."""
    before = error.doc[: error.pos + 1] if error.msg.startswith("Illegal") else error.doc[: error.pos].rstrip()
    if not before.endswith(",") or error.doc[len(before) :].lstrip()[:1] not in ("]", "}"):
        return None
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n") - 1
    return Problem("not valid JSON: a comma stands before a closing bracket; remove it", "", line, column)


def _hint(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos : error.pos + 6]
    if rest[:1] == "#" or rest[:2] in ("//", "/*"):
        return "; JSON has no comments, remove it or use YAML"
    if rest[:1] == "'":
        return "; text stands in double quotes"
    if rest.startswith(("True", "False", "None")):
        return "; JSON's words are true, false and null"
    if not rest:
        return "; the text ends too early"
    for message, hint in _HINTS:
        if error.msg.startswith(message):
            return f"; {hint}"
    return ""


_HINTS = (
    ("Expecting property name", "names of fields stand in double quotes"),
    ("Expecting ',' delimiter", "a comma or a closing bracket is missing before this"),
    ("Expecting ':' delimiter", 'a field is written "name": value'),
    ("Expecting value", "expected text in double quotes, a number, true, false, null, a list or an object"),
    ("Unterminated string", "a double quote is missing at its end"),
    ("Invalid control character", "line breaks and tabs in text are written \\n and \\t"),
    ("Invalid \\", "a backslash in text is written \\\\"),
    ("Extra data", "one plan ends here and something else begins; a plan file holds one plan"),
)


def _long_number(text: str) -> Problem:
    found = re.search(r"\d{1000,}", text)
    line = text.count("\n", 0, found.start()) + 1 if found else None
    return Problem("a number has more digits than can be read; write it as text", "", line)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


def json_places(text: str, root: Loc) -> tuple[Places, list[Problem]]:
    """Return where each field of a valid JSON text is written, and a problem for each key that comes twice."""
    walk = _Walk(root)
    line, line_start, seen = 1, 0, 0
    for token in _TOKEN.finditer(text):
        start = token.start()
        breaks = text.count("\n", seen, start)
        if breaks:
            line += breaks
            line_start = text.rfind("\n", seen, start) + 1
        seen = start
        walk.take(token.group(), (line, start - line_start + 1))
    return walk.places, walk.problems


@dataclass(slots=True)
class _Walk:
    """Follows the tokens of a JSON text, and knows at each which field it belongs to."""

    loc: Loc
    places: Places = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    wants_key: bool = False
    stack: list[tuple[Loc, dict[str, int] | None]] = field(default_factory=list)
    """Of each open list or object its place, and of an object the line of each key."""

    def take(self, token: str, place: tuple[int, int]) -> None:
        """Go on by one token."""
        if token in ("}", "]"):
            self.loc = self.stack.pop()[0]
            self.wants_key = False
        elif token == ",":
            self.wants_key = self.stack[-1][1] is not None
            if not self.wants_key:
                self.loc = (*self.loc[:-1], int(self.loc[-1]) + 1)
        elif self.wants_key:
            self._key(str(json.loads(token)), place)
        elif token != ":":
            self._value(token, place)

    def _key(self, key: str, place: tuple[int, int]) -> None:
        base, keys = self.stack[-1]
        self.loc = (*base, key)
        self.wants_key = False
        path = path_text(self.loc)
        if keys is not None and key in keys:
            message = f"duplicate key {shown(key)}, first in line {keys[key]}; keep one of them"
            self.problems.append(Problem(message, path, *place))
        elif keys is not None:
            keys[key] = place[0]
        self.places.setdefault(path, place)

    def _value(self, token: str, place: tuple[int, int]) -> None:
        if self.loc and isinstance(self.loc[-1], int):
            self.places.setdefault(path_text(self.loc), place)
        if token == "{":
            self.stack.append((self.loc, {}))
            self.wants_key = True
        elif token == "[":
            self.stack.append((self.loc, None))
            self.loc = (*self.loc, 0)
