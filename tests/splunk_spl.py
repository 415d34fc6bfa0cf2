"""A small interpreter of SPL, for the stand-in for Splunk in `splunk_server`. It is not Splunk.

It is written from Splunk's public description of the language, apart from the code under test: `search` compares
without case and takes stars as wildcards, `where` does neither; `stats` leaves out rows whose group has a null; `perc`
is the nearest rank. What it does not know it refuses, as Splunk refuses what it can't parse: unknown commands,
functions and options, quotes that are not closed, subsearches, and backticks, which would be macros.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote

Row = dict[str, Any]
Value = Callable[[Row], Any]


class SplError(Exception):
    """Splunk would refuse this search."""


class Text(str):
    """A text that is one by its kind: a literal or what a text function returns. A field's value may be a number."""


def number(value: Any) -> float | int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, list):
        return number(value[0]) if value else None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) and "_" not in value else None


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else format(value, ".15g")
    if isinstance(value, list):
        return " ".join(map(text, value))
    return str(value)


# --- the parts of a search ---


def commands(spl: str) -> list[str]:
    """Split a search at its pipes, those in quotes aside."""
    if "`" in spl:
        raise SplError("The search job has failed due to an error: a macro is not known.")
    parts, now, quote, skip = [], "", "", False
    for char in spl:
        if skip:
            skip = False
        elif char == "\\" and quote == '"':
            skip = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[]":
            raise SplError("Error in 'SearchParser': Missing a search command before '['.")
        elif char == "|":
            parts.append(now.strip())
            now = ""
            continue
        now += char
    if quote or skip:
        raise SplError("Error in 'SearchParser': Mismatched quotes and/or parenthesis.")
    parts.append(now.strip())
    if parts[0] == "":
        parts = parts[1:]
    if not all(parts):
        raise SplError("Error in 'SearchParser': Missing a search command.")
    return parts


TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|"(?P<string>(?:[^"\\]|\\.)*)"|'(?P<field>[^']*)'|(?P<name>[A-Za-z_][\w{}]*)"""
    r"""|(?P<op>==|!=|<=|>=|[-+*/%.=<>(),]))""",
    re.DOTALL,
)


def tokens(source: str) -> list[tuple[str, str]]:
    found, at = [], 0
    source = source.strip()
    while at < len(source):
        match = TOKEN.match(source, at)
        if match is None:
            raise SplError(f"Error in 'EvalCommand': The expression is malformed at {source[at : at + 20]!r}.")
        kind = str(match.lastgroup)
        value = match[kind]
        found.append((kind, re.sub(r'\\(["\\])', r"\1", value) if kind == "string" else value))
        at = match.end()
    return found


class Parser:
    """An expression of `eval` and `where`, made into a function."""

    def __init__(self, source: str) -> None:
        self.left = tokens(source)
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.left[self.at] if self.at < len(self.left) else ("end", "")

    def take(self, *wanted: str) -> str | None:
        kind, value = self.peek()
        if kind in ("op", "name") and value in wanted:
            self.at += 1
            return value
        return None

    def need(self, wanted: str) -> None:
        if self.take(wanted) is None:
            raise SplError(f"Error in 'EvalCommand': The expression is malformed. Expected {wanted}.")

    def whole(self) -> Value:
        made = self.either()
        if self.peek()[0] != "end":
            raise SplError("Error in 'EvalCommand': The expression is malformed.")
        return made

    def either(self) -> Value:
        made = self.both()
        while self.take("OR"):
            left, right = made, self.both()
            made = lambda row, left=left, right=right: bool(left(row)) or bool(right(row))  # noqa: E731
        return made

    def both(self) -> Value:
        made = self.negated()
        while self.take("AND"):
            left, right = made, self.negated()
            made = lambda row, left=left, right=right: bool(left(row)) and bool(right(row))  # noqa: E731
        return made

    def negated(self) -> Value:
        if self.take("NOT"):
            inner = self.negated()
            return lambda row: not inner(row)
        return self.compared()

    def compared(self) -> Value:
        left = self.sum()
        operator = self.take("==", "=", "!=", "<=", ">=", "<", ">")
        if operator is None:
            return left
        right = self.sum()
        test = COMPARE["=" if operator == "==" else operator]
        return lambda row: compare(left(row), right(row), test)

    def sum(self) -> Value:
        made = self.product()
        while operator := self.take("+", "-", "."):
            made = binary(operator, made, self.product())
        return made

    def product(self) -> Value:
        made = self.signed()
        while operator := self.take("*", "/", "%"):
            made = binary(operator, made, self.signed())
        return made

    def signed(self) -> Value:
        if self.take("-"):
            return binary("-", lambda row: 0, self.signed())
        return self.one()

    def one(self) -> Value:
        kind, value = self.peek()
        self.at += 1
        if kind == "number":
            constant: Any = float(value) if "." in value else int(value)
            return lambda row: constant
        if kind == "string":
            words = Text(value)
            return lambda row: words
        if kind == "field":
            return lambda row: row.get(value)
        if kind == "name":
            if self.take("("):
                return self.called(value)
            return lambda row: row.get(value)
        if (kind, value) == ("op", "("):
            made = self.either()
            self.need(")")
            return made
        raise SplError("Error in 'EvalCommand': The expression is malformed. An unexpected character is reached.")

    def called(self, name: str) -> Value:
        given: list[Value] = []
        if not self.take(")"):
            given.append(self.either())
            while self.take(","):
                given.append(self.either())
            self.need(")")
        if name not in FUNCTIONS:
            raise SplError(f"Error in 'EvalCommand': The '{name}' function is unsupported or undefined.")
        return FUNCTIONS[name](*given)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def compare(left: Any, right: Any, test: Callable[[Any, Any], bool]) -> bool | None:
    """Compare as Splunk does: with a null nothing holds; numbers as numbers, anything else as text."""
    if left is None or right is None:
        return None
    if not isinstance(left, Text) and not isinstance(right, Text):
        a, b = number(left), number(right)
        if a is not None and b is not None:
            return test(a, b)
    return test(text(left), text(right))


def binary(operator: str, left: Value, right: Value) -> Value:
    def work(row: Row) -> Any:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        if operator == ".":
            return Text(text(a) + text(b))
        x, y = number(a), number(b)
        if x is None or y is None:
            return Text(text(a) + text(b)) if operator == "+" else None
        if operator in "/%" and y == 0:
            return None
        return {"+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y, "%": lambda: x % y}[
            operator
        ]()

    return work


def on_text(change: Callable[[str], Any]) -> Callable[[Value], Value]:
    def make(value: Value) -> Value:
        return lambda row: None if (found := value(row)) is None else Text(change(text(found)))

    return make


def on_number(change: Callable[[Any], Any]) -> Callable[[Value], Value]:
    def make(value: Value) -> Value:
        return lambda row: None if (found := number(value(row))) is None else change(found)

    return make


def _case(*given: Value) -> Value:
    pairs = list(zip(given[::2], given[1::2], strict=True))
    return lambda row: next((value(row) for test, value in pairs if test(row)), None)


def _match(value: Value, pattern: Value) -> Value:
    known: dict[str, re.Pattern[str]] = {}

    def work(row: Row) -> Any:
        found, wanted = value(row), pattern(row)
        if found is None:
            return None
        if wanted not in known:
            known[wanted] = re.compile(wanted)
        return known[wanted].search(text(found)) is not None

    return work


def _mvindex(value: Value, place: Value) -> Value:
    def work(row: Row) -> Any:
        found, at = value(row), int(place(row))
        listed = found if isinstance(found, list) else [found]
        return listed[at] if -len(listed) <= at < len(listed) else None

    return work


def _in(value: Value, *others: Value) -> Value:
    return lambda row: any(compare(value(row), other(row), COMPARE["="]) for other in others)


def _coalesce(*given: Value) -> Value:
    return lambda row: next((found for value in given if (found := value(row)) is not None), None)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "case": _case,
    "coalesce": _coalesce,
    "floor": on_number(math.floor),
    "if": lambda test, yes, no: lambda row: yes(row) if test(row) else no(row),
    "in": _in,
    "isnotnull": lambda value: lambda row: value(row) is not None,
    "isnull": lambda value: lambda row: value(row) is None,
    "lower": on_text(str.lower),
    "match": _match,
    "mvindex": _mvindex,
    "null": lambda: lambda row: None,
    "nullif": lambda a, b: lambda row: None if compare(a(row), b(row), COMPARE["="]) else a(row),
    "printf": lambda form, value: lambda row: None if (n := number(value(row))) is None else Text(form(row) % n),
    "round": on_number(lambda n: math.floor(n + 0.5)),
    "sha256": on_text(lambda s: hashlib.sha256(s.encode()).hexdigest()),
    "tonumber": on_number(lambda n: n),
    "trim": on_text(str.strip),
    "upper": on_text(str.upper),
    "urldecode": on_text(lambda s: unquote(s, errors="surrogateescape")),
}


# --- commands ---


def split_commas(source: str) -> list[str]:
    """Split at the commas that are in no quotes and no parentheses."""
    parts, depth, quote, now = [], 0, "", ""
    for at, char in enumerate(source):
        if quote:
            quote = "" if char == quote and source[at - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char == "(") - (char == ")")
        if char == "," and not depth and not quote:
            parts.append(now)
            now = ""
        else:
            now += char
    return [*parts, now]


def run_eval(rows: list[Row], given: str) -> list[Row]:
    sets = []
    for part in split_commas(given):
        found = re.match(r"\s*([A-Za-z_]\w*)\s*=(?!=)", part)
        if found is None:
            raise SplError("Error in 'EvalCommand': The expression is malformed. The '=' is missing.")
        sets.append((found[1], Parser(part[found.end() :]).whole()))
    for row in rows:
        for name, value in sets:
            row[name] = value(row)
    return rows


def run_where(rows: list[Row], given: str) -> list[Row]:
    test = Parser(given).whole()
    return [row for row in rows if test(row)]


def percentile(values: list[float], percent: float) -> float:
    """Return the nearest rank."""
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def aggregate(function: str, field: str | None, rows: Sequence[Row]) -> Any:
    if function == "count" and field is None:
        return len(rows)
    found = [value for row in rows if (value := row.get(field or "")) is not None]
    numbers = [n for value in found if (n := number(value)) is not None]
    if function == "count":
        return len(found)
    if function == "values":
        return sorted({text(value) for value in found}) or None
    if function in ("first", "last"):
        return found[0 if function == "first" else -1] if found else None
    if function in ("min", "max", "sum"):
        if function == "sum":
            return math.fsum(numbers) if numbers else None
        return (min if function == "min" else max)(numbers) if numbers else None
    if part := re.fullmatch(r"perc(\d+)", function):
        return percentile(numbers, int(part[1])) if numbers else None
    raise SplError(f"Error in 'stats' command: The aggregator '{function}' is unknown.")


_AGGREGATE = re.compile(r"\s*([a-z]+\d*)(?:\((\w+)\))?(?:\s+AS\s+(\w+))?(?:\s+|$)")


def aggregates(given: str) -> tuple[list[tuple[str, str | None, str]], list[str]]:
    """Return what is counted, and by which fields."""
    wanted, _, by = given.partition(" BY ")
    found, at = [], 0
    while at < len(wanted):
        match = _AGGREGATE.match(wanted, at)
        if match is None:
            raise SplError(f"Error in 'stats' command: The argument {wanted[at:]!r} is invalid.")
        found.append((match[1], match[2], match[3] or match[0].strip()))
        at = match.end()
    names = by.replace(",", " ").split()
    if not all(re.fullmatch(r"\w+", name) for name in names):
        raise SplError(f"Error in 'stats' command: The argument {by!r} is invalid.")
    return found, names


def run_stats(rows: list[Row], given: str) -> list[Row]:
    wanted, by = aggregates(given)
    groups: dict[tuple[str, ...], list[Row]] = {} if by else {(): []}
    for row in rows:
        values = [row.get(name) for name in by]
        if all(value is not None for value in values):
            groups.setdefault(tuple(map(text, values)), []).append(row)
    return [
        {
            **dict(zip(by, key, strict=True)),
            **{name: aggregate(function, field, members) for function, field, name in wanted},
        }
        for key, members in sorted(groups.items())
    ]


def run_streamstats(rows: list[Row], given: str) -> list[Row]:
    current = True
    while option := re.match(r"\s*(\w+)=(\w+)\s+", given):
        if option[1] != "current":
            raise SplError(f"Error in 'streamstats' command: The argument '{option[0].strip()}' is invalid.")
        current = option[2] not in ("f", "false")
        given = given[option.end() :]
    wanted, by = aggregates(given)
    seen: dict[tuple[str, ...], Row] = {}
    for row in rows:
        values = [row.get(name) for name in by]
        if any(value is None for value in values):
            continue
        state = seen.setdefault(tuple(map(text, values)), {})
        if not current:
            row |= {name: state.get(name) for _, _, name in wanted}
        for function, field, name in wanted:
            if function == "count" and field is None:
                state[name] = state.get(name, 0) + 1
            elif function == "last":
                state[name] = row.get(str(field)) if row.get(str(field)) is not None else state.get(name)
            else:
                raise SplError(f"Error in 'streamstats' command: The aggregator '{function}' is unknown.")
        if current:
            row |= {name: state.get(name) for _, _, name in wanted}
    return rows


def run_sort(rows: list[Row], given: str) -> list[Row]:
    found = re.match(r"\s*(\d+)\s+", given)
    limit = int(found[1]) if found else 10_000
    for part in reversed(given[found.end() if found else 0 :].split(",")):
        match = re.fullmatch(r"\s*([+-]?)\s*(?:(num|str)\((\w+)\)|(\w+))\s*", part)
        if match is None:
            raise SplError(f"Error in 'sort' command: Invalid argument {part!r}.")
        name = match[3] or match[4]
        numeric = match[2] == "num"
        rows = sorted(
            rows,
            key=lambda row, name=name, numeric=numeric: (
                (number(row.get(name)) or 0) if numeric else text(row.get(name))
            ),
            reverse=match[1] == "-",
        )
    return rows[:limit] if limit else rows


def run_head(rows: list[Row], given: str) -> list[Row]:
    if not given.isdecimal():
        raise SplError("Error in 'head' command: The argument is invalid.")
    return rows[: int(given)]


def run_table(rows: list[Row], given: str) -> list[Row]:
    names = given.split()
    if not names or not all(re.fullmatch(r"\w+", name) for name in names):
        raise SplError("Error in 'table' command: Invalid argument.")
    return [{name: row.get(name) for name in names} for row in rows]


_TERM = re.compile(
    r'\s*(?:(?P<mark>[()])|(?P<key>[\w.]+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s()"]+))|"(?P<text>[^"]*)"|(?P<word>[^\s()"]+))'
)


def search_test(given: str) -> Callable[[Row], bool]:
    """Return the test of the `search` command's terms: case does not matter, stars are wildcards, AND is implied."""
    found, at = [], 0
    while at < len(given.rstrip()):
        match = _TERM.match(given, at)
        if match is None:
            raise SplError("Error in 'search' command: Unable to parse the search.")
        found.append(match)
        at = match.end()
    place = 0

    def either() -> Callable[[Row], bool]:
        nonlocal place
        tests = [both()]
        while place < len(found) and found[place]["word"] == "OR":
            place += 1
            tests.append(both())
        return lambda row: any(test(row) for test in tests)

    def both() -> Callable[[Row], bool]:
        nonlocal place
        tests = []
        while place < len(found) and found[place]["word"] != "OR" and found[place]["mark"] != ")":
            if found[place]["word"] == "AND":
                place += 1
                continue
            tests.append(one())
        if not tests:
            raise SplError("Error in 'search' command: Unable to parse the search: a term is missing.")
        return lambda row: all(test(row) for test in tests)

    def one() -> Callable[[Row], bool]:
        nonlocal place
        term = found[place]
        place += 1
        if term["mark"] == "(":
            test = either()
            if place >= len(found) or found[place]["mark"] != ")":
                raise SplError("Error in 'search' command: Unable to parse the search: unbalanced parentheses.")
            place += 1
            return test
        if term["word"] == "NOT":
            inner = one()
            return lambda row: not inner(row)
        if term["key"]:
            pattern = wildcard(term["quoted"] if term["quoted"] is not None else term["bare"])
            return lambda row: any(pattern.fullmatch(text(v)) for v in each(row.get(term["key"])))
        pattern = wildcard(f"*{term['text'] or term['word']}*")
        return lambda row: pattern.fullmatch(row.get("_raw", "")) is not None

    test = either()
    if place != len(found):
        raise SplError("Error in 'search' command: Unable to parse the search: unbalanced parentheses.")
    return test


def each(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def wildcard(value: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, value.split("*"))), re.IGNORECASE | re.DOTALL)


def run_search(rows: list[Row], given: str) -> list[Row]:
    test = search_test(given)
    return [row for row in rows if test(row)]


COMMANDS: dict[str, Callable[[list[Row], str], list[Row]]] = {
    "eval": run_eval,
    "head": run_head,
    "search": run_search,
    "sort": run_sort,
    "stats": run_stats,
    "streamstats": run_streamstats,
    "table": run_table,
    "where": run_where,
}


def run(spl: str, events: Iterable[Row], indexes: Iterable[str], about: Row) -> list[Row]:
    """Run a search.

    Args:
        spl: begins with `search` or with a pipe and a generating command.
        events: what lies in the time range, the newest first.
        indexes: those that the user may search.
        about: what `addinfo` adds.
    """
    rows: list[Row] | None = None
    for part in commands(spl):
        name, _, given = part.partition(" ")
        if rows is None and name == "eventcount":
            asked = re.findall(r'index="([^"]*)"', given)
            rows = [
                {"index": index, "count": 1}
                for index in indexes
                if any(wildcard(item).fullmatch(index) for item in asked)
            ]
        elif rows is None and name == "search":
            test = search_test(given)
            rows = [dict(event) for event in events if test(event)]
        elif name == "addinfo" and rows is not None:
            rows = [{**row, **about} for row in rows]
        elif rows is None or name not in COMMANDS:
            raise SplError(f"Unknown search command '{name}'.")
        else:
            rows = COMMANDS[name](rows, given)
    return rows or []
