"""Safe expressions over inputs and results: JMESPath, compiled and checked before anything runs, with bounds.

JMESPath only selects and reshapes: it calls no code, reads no file and has no loops. What it lacks is a bound, since a
short expression can double its value again and again; `Bounded` gives it one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter
from pydantic import Field

from .errors import FanwiseError
from .slips import slips
from .words import Nearest, got, kind, listed, name_text, one_of, shown

Expression = Annotated[str, Field(min_length=1, max_length=1000)]
"""A JMESPath expression of up to 1,000 characters."""

NAMES = ("input", "results", "status")
"""What the expressions of a task can look at: its input, its dependencies' outputs, and how they ended."""

STATUSES = ("succeeded", "failed", "timed_out", "skipped", "cancelled")
"""How a dependency can have ended, once a task's expressions are looked at."""

MAX_SIZE = 10_000_000
"""Values, and characters of text, in what an expression makes."""


class ExpressionError(FanwiseError):
    """An expression could not be evaluated on the values that are there."""


def evaluate(expression: str, data: Any) -> Any:
    """Return what an expression says of some JSON value.

    Raises:
        ExpressionError: it does not fit the value, or makes too large a one.
    """
    try:
        parsed = _compiled(expression).parsed
        return Bounded().visit(parsed, data)
    except (JMESPathError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ExpressionError(f"{shown(expression)}: {_told(error)}") from None


def is_true(value: Any) -> bool:
    """Tell whether a value counts as true: all but `false`, `null`, and empty text, lists and objects."""
    return not (value is None or value is False or (isinstance(value, str | list | dict) and not value))


def problems(expression: str, names: Sequence[str] = ()) -> Iterator[str]:
    """Yield what is wrong with an expression: its grammar, its functions, names that it can't look at.

    Args:
        expression: the text.
        names: what there is at the top; anything will do if empty.
    """
    try:
        parsed = _compiled(expression).parsed
    except (JMESPathError, ValueError, RecursionError) as error:
        known = "" if isinstance(error, RecursionError) else "; ".join(map(str, slips(expression)[:SLIPS]))
        yield f"not a JMESPath expression: {known or _told(error) + _place(error)}, got {shown(expression)}"
        return
    for node in _nodes(parsed):
        if node["type"] == "function_expression":
            yield from _function_problems(node)
        elif node["type"] == "subexpression" and node["children"][0]["type"] == "not_expression":
            held = node["children"][0]["children"][0].get("value")
            yield f"'!' holds for {shown(held)} alone here; write !(...) around all that it is to hold for"
        elif node["type"] == "comparator":
            yield from _comparison_problems(node, names)
    if names:
        quoted = _compared_text(parsed)
        for name in dict.fromkeys(path[0] for path in _paths(parsed) if path[0] not in names):
            if name in quoted and name in _CONSTANTS:
                continue  # told as a comparison
            otherwise = f"; it is {one_of(names)}"
            if name in quoted and f'"{name}"' in expression:
                text = name.replace("'", "\\'")
                yield f"there is no {shown(name)} to look at; text stands in single quotes: write '{text}'"
            else:
                yield f"there is no {shown(name)} to look at{Nearest(names).hint(name, otherwise)}"


def looked_at(expression: str, name: str) -> list[str]:
    """Return the fields under one of the names at the top that an expression looks at, each once."""
    try:
        parsed = _compiled(expression).parsed
    except (JMESPathError, ValueError, RecursionError):
        return []
    return list(dict.fromkeys(path[1] for path in _paths(parsed) if len(path) > 1 and path[0] == name))


def chains(expression: str) -> list[tuple[str, ...]]:
    """Return the chains of field names by which an expression looks at the top, such as `results.a.rows`, each once."""
    try:
        parsed = _compiled(expression).parsed
    except (JMESPathError, ValueError, RecursionError):
        return []
    return list(dict.fromkeys(_paths(parsed)))


def lost(expression: str, data: Any, whole: str, under: str | None = None) -> list[str]:
    """Return which of the fields that an expression looks at are not there, each with what is there in its place.

    A field that is there and is `null` is not lost.

    Args:
        expression: the text.
        data: what it was evaluated on.
        whole: what messages call that.
        under: looks only below the parts of this field at the top, such as the single results.
    """
    found = []
    for chain in chains(expression):
        value, place = data, whole
        for depth, name in enumerate(chain, 1):
            if isinstance(value, Mapping) and name in value:
                value, place = value[name], dotted(chain[:depth])
                continue
            if under is None or (chain[0] == under and depth > 2):
                found.append(f"{dotted(chain[:depth])} is not there; {_holds(place, value)}")
            break
    return list(dict.fromkeys(found))


def dotted(chain: Sequence[str]) -> str:
    """Return a chain of field names as it is written."""
    return ".".join(map(name_text, chain))


def _holds(place: str, value: Any) -> str:
    """Return what there is in a value."""
    if not isinstance(value, Mapping):
        return f"{place} is {kind(value)}"
    return f"{place} has {listed(list(map(str, value)))}" if value else f"{place} is empty"


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def _told(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply; make it flatter"
    if isinstance(error, JMESPathTypeError):
        return _misfit(error)
    text = str(error).splitlines()[0] if isinstance(error, ParseError | LexerError) else str(error)
    for noise in ("Invalid jmespath expression: ", "Bad jmespath expression: "):
        text = text.removeprefix(noise)
    text = text.partition(": Parse error")[0].rstrip(":.")
    return " ".join(text.split())


_TYPES = {
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "array-string": "a list of texts",
    "array-number": "a list of numbers",
    "null": "null",
    "expref": "an expression (&...)",
}
"""JMESPath's types, in the words of messages."""


def _misfit(error: JMESPathTypeError) -> str:
    """Return what a function takes, and what it was given instead."""
    wanted = [_TYPES.get(name, name) for name in dict.fromkeys(error.expected_types)]
    *most, last = wanted or ["something else"]
    taken = f"{', '.join(most)} or {last}" if most else last
    return f"{error.function_name}() takes {taken}, {got(error.current_value)}"


SLIPS = 3
"""Mistakes in one expression that a message tells."""

_CONSTANTS = ("true", "false", "null")

_ENDED_AS = {"ok": "succeeded", "done": "succeeded", "error": "failed", "timeout": "timed_out"}
"""Other words for how a task ended."""


def _place(error: Exception) -> str:
    """Return where an expression could not be read on, where the parser says it."""
    position = getattr(error, "lex_position", None)
    if not isinstance(position, int) or getattr(error, "token_value", None) is None:
        return ""
    return f" (at character {position + 1})"


def _compared_text(parsed: Mapping[str, Any]) -> set[str]:
    """Return the single names that stand on a side of a comparison."""
    return {
        side["value"]
        for node in _nodes(parsed)
        if node["type"] == "comparator"
        for side in node["children"]
        if side["type"] == "field"
    }


def _comparison_problems(node: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Yield what a comparison compares with that can never be there."""
    for side, other in (node["children"], node["children"][::-1]):
        if side["type"] == "field" and side["value"] in _CONSTANTS:
            yield f"{side['value']} is read as a name; constants stand in backticks: write `{side['value']}`"
        if "status" not in names or other["type"] != "literal" or not isinstance(other["value"], str):
            continue
        at_top = side["type"] == "subexpression" and side["children"][0]["type"] == "field"
        if at_top and side["children"][0]["value"] == "status" and (said := other["value"]) not in STATUSES:
            near = _ENDED_AS.get(said.casefold())
            hint = f"; did you mean {near!r}?" if near else Nearest(STATUSES).hint(said, f"; it is {one_of(STATUSES)}")
            yield f"there is no status {shown(said)}{hint}"


def _nodes(parsed: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    left = [parsed]
    while left:
        node = left.pop()
        yield node
        left.extend(child for child in reversed(node.get("children", ())) if isinstance(child, dict))


def _function_problems(node: Mapping[str, Any]) -> Iterator[str]:
    table = Functions.FUNCTION_TABLE
    name, given = node["value"], len(node["children"])
    if name not in table:
        otherwise = f"; known functions: {listed(sorted(table), 40)}"
        yield f"there is no function {shown(name)}{Nearest(sorted(table)).hint(name, otherwise)}"
        return
    signature = table[name]["signature"]
    variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not variadic):
        wanted = f"{'at least ' if variadic else ''}{len(signature)}"
        yield f"the function {name}() takes {wanted} argument{'s' * (len(signature) != 1)}, got {given}"


_INSIDE = frozenset(
    {"subexpression", "pipe", "projection", "value_projection", "filter_projection", "index_expression"}
)
"""Nodes whose later children look at what the first one yields, and not at what the whole was given."""


def _paths(node: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the fields at the top that an expression looks at, each with those under it as far as they are named."""
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    if node["type"] == "field":
        yield (node["value"],)
    elif node["type"] == "expref":
        return
    elif node["type"] == "subexpression" and children[0]["type"] == "field":
        yield tuple(_fields(children))
    else:
        for child in children[:1] if node["type"] in _INSIDE else children:
            yield from _paths(child)


def _fields(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the fields that the steps of a path name, up to the first index."""
    for step in steps:
        field = step["children"][0] if step["type"] == "index_expression" else step
        if field["type"] == "field":
            yield field["value"]
        if field is not step or field["type"] != "field":
            return


_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def _and_kind(value: Any) -> str:
    return got(value).removeprefix("got ")


class Bounded(TreeInterpreter):
    """JMESPath's interpreter, which stops before a value gets out of hand."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[int, tuple[int, Any]] = {}

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compare; text and numbers have no order among them."""
        try:
            return super().visit_comparator(node, value)
        except TypeError:
            left, right = (self.visit(side, value) for side in node["children"])
            sign = _SIGNS[node["value"]]
            raise ValueError(f"{sign} can't compare {_and_kind(left)} with {_and_kind(right)}") from None

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        """Make a list."""
        return self._within_bounds(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        """Make an object."""
        return self._within_bounds(super().visit_multi_select_dict(node, value))

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Call one of JMESPath's own functions."""
        return self._within_bounds(super().visit_function_expression(node, value))

    def _within_bounds(self, value: Any) -> Any:
        if self._size(value) > MAX_SIZE:
            raise ValueError(f"what it makes holds more than {MAX_SIZE:,} values and characters; make it smaller")
        return value

    def _size(self, value: Any) -> int:
        """Return how many values and characters there are; a part that stands in two places counts twice."""
        if isinstance(value, str):
            return 1 + len(value)
        if not isinstance(value, list | dict):
            return 1
        known = self._sizes.get(id(value))
        if known is None:
            parts = value if isinstance(value, list) else [*value, *value.values()]
            known = self._sizes[id(value)] = (1 + sum(map(self._size, parts)), value)  # held, so that its id stays its
        return known[0]
