"""Lines with named fields: JSON lines (and Parquet rows, which are read as such) and delimited tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .fields import Choose, Fields, Key, find_fields
from .layouts import select_list
from .names import rank
from .quoting import lit, lits

_MAX_KEYS = 400
_MAX_DEPTH = 5
_DELIMITERS = ",\t;|"


@dataclass(frozen=True)
class JsonLines:
    """One JSON object on each line."""

    fields: Fields
    format: str = "json"
    loose: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What this reading assumes."""
        return self.fields.notes

    def select(self, lines: str) -> str:
        """Return the SQL; see `Layout.select`."""
        keys = self.fields.keys
        values = f"CASE WHEN json_valid(raw) THEN json_extract_string(raw, {lits(map(_path, keys))}) END"
        inner = f"(SELECT id, fid, raw, {values} AS v FROM {lines})"
        columns = self.fields.columns(lambda key: f"v[{keys.index(key) + 1}]", "raw", lit(self.format))
        return select_list(self.format, columns, inner, True)


@dataclass(frozen=True)
class Table:
    """Delimited lines under a header."""

    delimiter: str
    names: tuple[str, ...]
    fields: Fields
    format: str = "csv"
    loose: bool = True

    @property
    def notes(self) -> tuple[str, ...]:
        """What this reading assumes."""
        return ("the header line is not counted", *self.fields.notes)

    def select(self, lines: str) -> str:
        """Return the SQL; see `Layout.select`. Only lines with a quote pay for the expression that minds quotes."""
        inner = f"(SELECT id, fid, raw, {self._cells()} AS v FROM {lines})"
        columns = self.fields.columns(self._cell, "raw", lit(self.format))
        return select_list(self.format, columns, inner, True)

    def _cell(self, key: Key) -> str:
        return f"nullif(nullif(trim(v[{self.names.index(key[0]) + 1}]), ''), '-')"

    def _cells(self) -> str:
        mark = "[|]" if self.delimiter == "|" else self.delimiter
        one = f'{mark}(?:"(?:[^"]|"")*"|[^{self.delimiter}]*)'
        bare = "replace(regexp_replace(substr(c, 2), '^ *\"((?s:.*?))\"? *$', '\\1'), '\"\"', '\"')"
        quoted = f"list_transform(regexp_extract_all({lit(self.delimiter)} || raw, {lit(one)}), lambda c: {bare})"
        return f"CASE WHEN contains(raw, '\"') THEN {quoted} ELSE string_split(raw, {lit(self.delimiter)}) END"


@dataclass(frozen=True)
class Header:
    """The line that names a table's columns."""

    line: int
    """Counted from 0."""
    delimiter: str
    names: tuple[str, ...]
    comments: bool = False
    """Whether lines that start with `#` are comments (W3C extended logs, as IIS and CloudFront write them)."""


def json_lines(records: Sequence[dict[str, Any]], choose: Choose) -> JsonLines | None:
    """Return the layout of JSON lines from a sample of them; `None` where no field holds a moment."""
    values: dict[Key, list[str]] = {}
    for record in records:
        for key, value in _leaves(record):
            if key in values or len(values) < _MAX_KEYS:
                values.setdefault(key, []).append(value)
    fields = find_fields(values, choose)
    return JsonLines(fields) if fields else None


def _leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if len(key) < _MAX_DEPTH and name.isprintable() and '"' not in name and "\\" not in name:
                yield from _leaves(inner, (*key, name))
    elif key and isinstance(value, str):
        yield key, value
    elif key and isinstance(value, bool | int | float):
        yield key, json.dumps(value)


def _path(key: Key) -> str:
    return "$" + "".join(f'."{part}"' for part in key)


def find_header(lines: Sequence[str]) -> Header | None:
    """Return a table's header among the first lines of a file, if it has one that names a moment."""
    for index, line in enumerate(lines[:10]):
        if line.startswith("#Fields:"):
            text = line.removeprefix("#Fields:").strip()
            mark = "\t" if "\t" in text else " "
            return Header(index, mark, tuple(text.split(mark)), comments=True)
    first = next(((index, line) for index, line in enumerate(lines) if line.strip()), None)
    if first is None or first[1].lstrip().startswith(("{", "[", "<")):
        return None
    for mark in _DELIMITERS:
        names = split(first[1], mark)
        named = [name for name in names if name and not name[0].isdigit() and len(name) < 60]
        if (
            len(names) > 1
            and len(named) == len(names) == len(set(names))
            and any(rank("ts", (n,)) is not None for n in names)
        ):
            return Header(first[0], mark, tuple(names))
    return None


def table(header: Header, lines: Sequence[str], choose: Choose) -> Table | None:
    """Return the layout of a table from its header and a sample of its lines; `None` where no column holds a moment."""
    values: dict[Key, list[str]] = {(name,): [] for name in header.names}
    for line in lines:
        if header.comments and line.startswith("#"):
            continue
        cells = split(line, header.delimiter)
        for name, cell in zip(header.names, cells if len(cells) > 1 else (), strict=False):
            values[(name,)].append(cell)
    fields = find_fields(values, choose)
    return Table(header.delimiter, header.names, fields, "w3c" if header.comments else "csv") if fields else None


def split(line: str, delimiter: str) -> list[str]:
    """Split one line of a table, minding quotes."""
    try:
        return [cell.strip() for cell in next(csv.reader([line[:100_000]], delimiter=delimiter), [])]
    except csv.Error:
        return line.split(delimiter)
