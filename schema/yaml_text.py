"""YAML text to JSON-like data, straight from the parser's events.

Safe and without recursion: no tags, no documents beyond the first, bounded depth, bounded growth through aliases.
Scalars are JSON's, nearly those of YAML 1.2's core schema: only `true` and `false` are booleans, numbers are decimal,
and dates, `0x1F`, `007`, `1_000`, `12:30`, `yes`, `on` stay text. Keys are always text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from .draft import MAX_DEPTH
from .errors import PlanError, Problem
from .words import Loc, path_text, shown

Places = dict[str, tuple[int, int]]
"""Path of a field -> line and column where it is written, counted from 1."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,999})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_NO_KEY = object()


def plain_scalar(text: str) -> Any:
    """Return the value of a scalar that is written without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


@dataclass(slots=True)
class _Frame:
    """A list or an object that is being read."""

    value: Any
    loc: Loc
    anchor: str | None = None
    key: Any = _NO_KEY
    size: int = 8
    lines: dict[str, int] = field(default_factory=dict)
    """Key -> line of its first use."""
    merges: list[Any] = field(default_factory=list)
    """Values of `<<`, whose fields are taken over where the object has none of its own."""


@dataclass(slots=True)
class YamlReader:
    """Reads one text; `places` and `problems` are there afterwards."""

    max_size: int
    """Characters to which aliases may grow the text."""
    root: Loc = ()
    """Place of the whole text in the plan."""
    places: Places | None = None
    """Filled in if given; it takes time."""
    problems: list[Problem] = field(default_factory=list)
    _frames: list[_Frame] = field(default_factory=list)
    _anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    _aliased: int = 0
    _result: Any = _NO_KEY

    def read(self, text: str) -> Any:
        """Return the data.

        Raises:
            PlanError: the text is not YAML, or more than plain data; one problem, with its line.
        """
        try:
            for event in yaml.parse(text, Loader=_Loader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise PlanError([_syntax_problem(error, text)]) from None
        except yaml.reader.ReaderError as error:
            raise PlanError([_character_problem(text)]) from error
        if self._result is _NO_KEY:
            raise PlanError([Problem("holds no plan, only comments or blank lines")])
        return self._result

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent:
            self._open({}, event)
        elif kind is yaml.SequenceStartEvent:
            self._open([], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close(event)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent and self._result is not _NO_KEY:
            raise _fatal(event, "a second document begins here ('---'); a plan file holds one, so split the file")

    def _scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        text = event.value
        frame = self._frames[-1] if self._frames else None
        plain = not event.style
        if frame is not None and frame.key is _NO_KEY and type(frame.value) is dict:
            self._key(frame, text, event, plain)
            return
        value = plain_scalar(text) if plain else text
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 8 + len(text))
        self._put(value, 8 + len(text), event)

    def _key(self, frame: _Frame, key: str, event: Any, plain: bool) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (key, 8 + len(key))
        if key == "<<" and plain:
            frame.key = frame
            return
        if key in frame.lines:
            path = path_text((*frame.loc, key)) if self.places is not None else ""
            message = f"duplicate key {shown(key)}, first in line {frame.lines[key]}; keep one of them"
            self.problems.append(Problem(message, path, line, column))
        frame.lines.setdefault(key, line)
        frame.key = key
        frame.size += 8 + len(key)
        if self.places is not None:
            self.places.setdefault(path_text((*frame.loc, key)), (line, column))

    def _put(self, value: Any, size: int, event: Any) -> None:
        """Put a finished value where it belongs."""
        if not self._frames:
            self._result = value
            return
        frame = self._frames[-1]
        frame.size += size
        if type(frame.value) is list:
            if self.places is not None:
                mark = event.start_mark
                self.places.setdefault(path_text((*frame.loc, len(frame.value))), (mark.line + 1, mark.column + 1))
            frame.value.append(value)
        elif frame.key is frame:
            frame.merges.extend(_mergeable(value, event))
            frame.key = _NO_KEY
        else:
            frame.value[frame.key] = value
            frame.key = _NO_KEY

    def _open(self, value: Any, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        if len(self._frames) >= MAX_DEPTH:
            raise _fatal(event, f"nested more than {MAX_DEPTH} levels deep; make it flatter")
        loc = self.root
        if self._frames:
            frame = self._frames[-1]
            if type(frame.value) is dict and frame.key is _NO_KEY:
                raise _fatal(event, "a list or an object cannot be a key; keys must be text")
            part = len(frame.value) if type(frame.value) is list else frame.key
            loc = (*frame.loc, "<<" if part is frame else part)
            if self.places is not None and type(frame.value) is list:
                self.places.setdefault(path_text(loc), (event.start_mark.line + 1, event.start_mark.column + 1))
        self._frames.append(_Frame(value, loc, event.anchor))

    def _close(self, event: Any) -> None:
        frame = self._frames.pop()
        for merged in frame.merges:
            for key, value in merged.items():
                frame.value.setdefault(key, value)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.value, frame.size)
        self._put(frame.value, frame.size, event)

    def _alias(self, event: Any) -> None:
        if any(frame.anchor == event.anchor for frame in self._frames):
            raise _fatal(event, f"alias '*{event.anchor}' stands inside what it names; write the value out")
        if event.anchor not in self._anchors:
            raise _fatal(event, f"alias '*{event.anchor}' has no anchor '&{event.anchor}' before it")
        if self._frames and type(self._frames[-1].value) is dict and self._frames[-1].key is _NO_KEY:
            raise _fatal(event, "an alias cannot be a key; keys must be text")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > self.max_size:
            raise _fatal(event, f"aliases grow the text beyond the limit of {self.max_size:,} bytes; write less")
        self._put(value, size, event)

    def _refuse_tag(self, event: Any) -> None:
        message = f"tag {shown(_tag_text(event.tag))} is not allowed; write a plain value"
        mark = event.start_mark
        self.problems.append(Problem(message, "", mark.line + 1, mark.column + 1))


def _tag_text(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!", 1)


def _mergeable(value: Any, event: Any) -> list[Any]:
    merges = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in merges):
        raise _fatal(event, "'<<' takes an object or a list of objects, usually an alias such as *defaults")
    return merges


def _fatal(event: Any, message: str) -> PlanError:
    return PlanError([Problem(message, "", event.start_mark.line + 1, event.start_mark.column + 1)])


_HINTS = (
    ("mapping values are not allowed", "text that holds ': ' needs quotes, and a key stands on a line of its own"),
    ("did not find expected key", "check the indentation of this line and the quotes before it"),
    ("could not find expected ':'", "a key needs ': ' behind it; check the line before, too"),
    ("did not find expected '-' indicator", "the items of a list all begin in one column"),
    ("did not find expected ',' or ']'", "a '[' is not closed, or a comma is missing"),
    ("did not find expected ',' or '}'", "a '{' is not closed, or a comma is missing"),
    ("did not find expected node content", "a '[' or '{' is not closed, or a value is missing"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("unknown escape character", "in double quotes a backslash begins an escape; use single quotes"),
    ("did not find expected hexdecimal", "in double quotes a backslash begins an escape; use single quotes"),
    ("did not find expected alphabetic", "text that begins with '*' or '&' needs quotes"),
    ("did not find expected <document start>", "the text goes on after the plan; check the indentation"),
)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
    what = str(error.problem or error.context)
    hint = next((hint for part, hint in _HINTS if part in what), "")
    if "cannot start any token" in what and mark is not None:
        lines = text.splitlines()
        character = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        hint = (
            "indent with spaces, not with tabs"
            if character == "\t"
            else f"text that begins with {character!r} needs quotes"
        )
    where = ""
    if error.context_mark is not None and mark is not None and error.context_mark.line != mark.line:
        where = f" ({error.context} that began in line {error.context_mark.line + 1})"
    return Problem(f"not valid YAML: {what}{where}{'; ' if hint else ''}{hint}", "", line, column)


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _character_problem(text: str) -> Problem:
    found = _UNPRINTABLE.search(text)
    if found is None:
        return Problem("not valid YAML: it holds characters that YAML does not allow")
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    return Problem(f"the control character {found.group()!r} is not allowed; remove it", "", line, column)
