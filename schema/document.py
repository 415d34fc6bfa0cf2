"""Plan documents: a file, or text, in YAML, JSON or TOML, to data whose fields know their line."""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from .draft import MAX_DEPTH
from .errors import PlanError, Problem
from .json_text import json_places, read_json
from .source import MAX_BYTES, read_source
from .words import Loc
from .yaml_text import Places, YamlReader

Format = Literal["yaml", "json", "toml"]
"""How a document is written."""

_SUFFIXES: dict[str, Format] = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}


@dataclass(frozen=True, slots=True)
class Document:
    """What a document holds. It may have problems of its own (a key that comes twice)."""

    data: Any
    """JSON-like values; NaN and infinities are left in, for the plan to refuse with their place."""
    source: str | None = None
    """What messages call it: the path, as it was given."""
    format: Format = "yaml"
    """How it is written."""
    text: str = field(default="", repr=False)
    """The text, without a byte order mark."""
    max_bytes: int = MAX_BYTES
    """The limit on its size."""
    path: str | None = None
    """The file that it comes from."""
    flawed: bool = False
    """Whether the document itself has problems."""

    def located(self, problems: Iterable[Problem] = (), *, root: Loc = ()) -> list[Problem]:
        """Return the problems with their lines, and the document's own among them, in the text's order.

        Args:
            problems: what is wrong with the data.
            root: where the document's data stands in what the problems' paths describe.
        """
        places, own = self._places(root)
        found = [_placed(problem, places) for problem in problems]
        unplaced = (0, 0)
        return sorted([*own, *found], key=lambda item: (item.line or 0, item.column or 0) if item.line else unplaced)

    def _places(self, root: Loc) -> tuple[Places, list[Problem]]:
        if self.format == "json":
            return json_places(self.text, root)
        if self.format == "yaml":
            reader = YamlReader(self.max_bytes, root, {})
            reader.read(self.text)
            return reader.places or {}, reader.problems
        return {}, []


def read_document(
    source: str | bytes | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    name: str | None = None,
    format: Format | None = None,
) -> Document:
    """Read a document from a file's path or from its text.

    A `str` with a line break, or that begins like a document, is text; any other is a path. `bytes` are always a
    document (standard input, a resource). The format is the path's extension, else what the content looks like.

    Args:
        source: the path or the text.
        max_bytes: the largest size, looked at before all of it is read.
        name: what messages call it, instead of its path.
        format: how it is written, where that is known.

    Raises:
        PlanError: it cannot be read; one problem, with its line where there is one.
    """
    try:
        text, path = read_source(source, max_bytes)
    except PlanError as error:
        raise PlanError(error.problems, name or error.source) from None
    label = name or path
    format = format or _SUFFIXES.get(Path(path or name or "").suffix.lower()) or guess_format(text)
    try:
        data, flawed = _parse(text, format, max_bytes)
    except PlanError as error:
        raise PlanError(error.problems, label) from None
    return Document(data, label, format, text, max_bytes, path, flawed)


def guess_format(text: str) -> Format:
    """Return the format that a text looks like."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if re.match(r"""\{\s*(["}/]|$)|\[\s*(\]|\{|\[|"|/|$)""", text.lstrip()) and not _TOML_HEADER.match(first):
        unquoted = re.match(r"\[?\s*\{\s*[\w']", text.lstrip())
        return "yaml" if unquoted else "json"
    if _TOML_HEADER.match(first) or re.match(r"""[\w."'-]+\s*=(\s|["'\[{\d]|$)""", first):
        return "toml"
    return "yaml"


_TOML_HEADER = re.compile(r"""(\[[\w."'-]+\]|\[\[[\w."'-]+\]\])\s*(#.*)?$""")


def _parse(text: str, format: Format, max_bytes: int) -> tuple[Any, bool]:
    if format == "json":
        return read_json(text)
    if format == "toml":
        return _read_toml(text), False
    reader = YamlReader(max_bytes)
    return reader.read(text), bool(reader.problems)


def _read_toml(text: str) -> Any:
    try:
        return _without_dates(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return _refuse_toml(str(error))
    except RecursionError:
        return _refuse(Problem(f"nested more than {MAX_DEPTH} levels deep; make it flatter"))
    except ValueError:
        return _refuse(Problem("a number has more digits than can be read; write it as text"))


def _refuse_toml(message: str) -> Any:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    what, line, column = (found[1], int(found[2]), int(found[3])) if found else (message, None, None)
    hint = ""
    if what.startswith("Invalid value"):
        hint = "; text stands in double quotes"
    elif what.startswith("Illegal character '\\n'"):
        hint = "; a quote is not closed"
    elif what.startswith("Cannot overwrite"):
        hint = "; this is written twice"
    elif what.startswith("Expected '='"):
        hint = "; a field is written name = value"
    return _refuse(Problem(f"not valid TOML: {what[:1].lower()}{what[1:]}{hint}", "", line, column))


def _refuse(problem: Problem) -> Any:
    raise PlanError([problem])


def _without_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_dates(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value


_LAST_PART = re.compile(r"""(\.[^.\[\]]+|\[\d+\]|\[(?:"[^"]*"|'[^']*')\])$""")


def _placed(problem: Problem, places: Places) -> Problem:
    line, column = _place(problem.path, places)
    message = problem.message
    see_line, _ = _place(problem.see, places)
    if problem.see and see_line is not None:
        message = message.replace(problem.see, f"{problem.see} (line {see_line})", 1)
    return replace(problem, message=message, line=line, column=column)


def _place(path: str, places: Places) -> tuple[int | None, int | None]:
    """Return the place of a field, or of the nearest object around it that is written in the text."""
    while path:
        if path in places:
            return places[path]
        shorter = _LAST_PART.sub("", path)
        path = shorter if shorter != path else ""
    return None, None
