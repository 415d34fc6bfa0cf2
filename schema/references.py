"""References in a task's input to what its dependencies came to: `{{tasks.fetch.output.rows}}`. Pure; no code is run.

A text that is just one reference becomes the value itself; inside longer text, text stays text and all else is written
as JSON. Keys of objects are left alone, and what is put in is never looked at again. `{{{{tasks.` stands for the text
`{{tasks.`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .words import Loc, Nearest, shown

FIELDS = ("output", "status", "error")
"""What can be referred to of a result."""

EXAMPLE = "{{tasks.ID.output}}"

LONGEST = 2_000
"""Characters of a reference."""

Step = str | int
"""A field's name or an index."""


class Malformed(Exception):
    """A text begins like a reference and is none."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference."""

    task: str
    field: str
    """One of `FIELDS`."""
    path: tuple[Step, ...] = ()
    """From the output on."""

    def __str__(self) -> str:
        steps = "".join(step_text(step) for step in self.path)
        return f"{{{{tasks.{self.task}.{self.field}{steps}}}}}"


class UnknownTask(Malformed):
    """A reference names no task that is known."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown task {shown(name)}")
        self.name = name


_BEGINS = re.compile(r"\{\{\{\{(?=\s*tasks\s*[.\[}])|\{\{\s*tasks\s*(?=[.\[}])")
_PLAIN = re.compile(r"""[^\s.\[\]{}"](?:[^.\[\]{}"]*[^\s.\[\]{}"])?""")
_STEP = re.compile(r"""\.([^.\[\]{}"]+)|\[\s*(-?\d{1,9})\s*\]|\[\s*("(?:[^"\\]|\\.)*")\s*\]""")


def parts(text: str, known: Collection[str]) -> Iterator[str | Reference | Malformed]:
    """Yield what a text is made of: text, references, and what begins like a reference and is none.

    Args:
        text: the text.
        known: the ids of tasks; the longest that fits is taken.
    """
    position = 0
    while found := _BEGINS.search(text, position):
        if found.start() > position:
            yield text[position : found.start()]
        if found[0] == "{{{{":
            yield "{{"
            position = found.end()
            continue
        end = text.find("}}", found.end())
        if end < 0:
            start = text[found.start() : found.start() + 60]
            yield Malformed(f"{shown(start)} begins a reference and does not end; close it with }}}}")
            return
        try:
            yield _read(text[found.end() : end].rstrip(), known)
        except Malformed as error:
            yield error
        position = end + 2
    if position < len(text):
        yield text[position:]


def has_references(value: Any) -> bool:
    """Tell whether some text in a JSON value holds a reference, or begins like one."""
    return any(True for _ in _texts(value))


def references(value: Any, known: Collection[str]) -> Iterator[tuple[Loc, Reference | Malformed]]:
    """Yield the references in a JSON value, and what begins like one, with their places."""
    for loc, text in _texts(value):
        yield from ((loc, part) for part in parts(text, known) if not isinstance(part, str))


def reference_problems(task: Mapping[str, Any], known: Collection[str], nearest: Nearest) -> Iterator[tuple[Loc, str]]:
    """Yield what is wrong with the references in a task's input, with the place of each in the task.

    Args:
        task: the task, as plain data.
        known: the ids of all tasks.
        nearest: finds the nearest of them.
    """
    needs = task.get("depends_on") or ()
    for loc, part in references(task.get("input"), known):
        message = _problem(part, task, needs, nearest)
        if message:
            yield ("input", *loc), message


def _problem(part: Reference | Malformed, task: Mapping[str, Any], needs: Any, nearest: Nearest) -> str:
    if isinstance(part, UnknownTask):
        return f"refers to {part}{nearest.hint(part.name, '; give the id of a task')}"
    if isinstance(part, Malformed):
        return str(part)
    if task.get("aggregate"):
        return f"a task with 'aggregate' combines results as they are; remove the reference {part}"
    if part.task == task.get("id"):
        return f"refers to its own task {shown(part.task)}; refer to one that it depends on"
    if isinstance(needs, list | tuple) and part.task not in needs:
        name = shown(part.task)
        return f"refers to task {name}, which is not one of its dependencies; add {name} to 'depends_on'"
    return ""


def _read(body: str, known: Collection[str]) -> Reference:
    """Return the reference in the text between `{{tasks` and `}}`.

    Raises:
        Malformed: it is none.
    """
    if len(body) > LONGEST:
        raise Malformed(f"{shown('{{tasks' + body)} is too long for a reference; write it as {EXAMPLE}")
    for name, rest in _splits(body):
        if name in known and (field := _field(rest)):
            return Reference(name, field, _path(field, rest[1 + len(field) :]))
    name, rest = next(((name, rest) for name, rest in _splits(body) if name in known), ("", ""))
    if name:
        behind = f", got {shown(rest)}" if rest else ""
        hint = Nearest(FIELDS).hint(rest.strip(". "), "")
        raise Malformed(
            f"behind the task {shown(name)} stands .output, .status or .error{behind}{hint}; write it as {EXAMPLE}"
        )
    guesses = [name for name, rest in _splits(body) if _field(rest)] or [body.strip('.[]" ')]
    if not guesses[-1]:
        raise Malformed(f"{shown('{{tasks' + body + '}}')} names no task; write it as {EXAMPLE}")
    raise UnknownTask(guesses[-1])


def _splits(body: str) -> Iterator[tuple[str, str]]:
    """Yield how a reference may be split into an id and the rest, the longest id first."""
    if body.startswith("["):
        found = _STEP.match(body)
        if found and found[3]:
            yield _quoted(found[3]), body[found.end() :]
        return
    text = body[1:]
    yield text.rstrip(), ""
    for place in range(len(text) - 1, -1, -1):
        if text[place] == ".":
            yield text[:place], text[place:]


def _field(rest: str) -> str:
    """Return the field at the beginning of what stands behind an id."""
    return next((f for f in FIELDS if re.match(rf"\.{f}(?![^.\[\s])", rest)), "")


def _path(field: str, rest: str) -> tuple[Step, ...]:
    if field != "output" and rest.strip():
        raise Malformed(f"'.{field}' is text or null, nothing stands behind it, got {shown(rest)}; remove that")
    steps: list[Step] = []
    position = 0
    while position < len(rest):
        found = _STEP.match(rest, position)
        if found is None:
            raise Malformed(
                f"the path {shown(rest)} can't be read at {shown(rest[position:])}; "
                f'steps are .name, [0] and ["any name"], as in {{{{tasks.ID.output.items[0].name}}}}'
            )
        steps.append(found[1].strip() if found[1] else int(found[2]) if found[2] else _quoted(found[3]))
        position = found.end()
    return tuple(steps)


def _quoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        raise Malformed(f'the name {shown(text)} is no JSON text; write it as "name"') from None


def step_text(step: Step) -> str:
    """Return a step as it is written in a reference."""
    if isinstance(step, int):
        return f"[{step}]"
    return (
        f".{step}" if re.fullmatch(r"[^\s.\[\]{}\"](?:[^.\[\]{}\"]*[^\s.\[\]{}\"])?", step) else f"[{json.dumps(step)}]"
    )


def _texts(value: Any) -> Iterator[tuple[Loc, str]]:
    """Yield the texts in a JSON value that begin a reference, or hold an escaped one, in their order."""
    left: list[tuple[Loc, Any]] = [((), value)]
    while left:
        loc, item = left.pop()
        if isinstance(item, str):
            if "{{" in item and _BEGINS.search(item):
                yield loc, item
        elif isinstance(item, dict):
            left.extend(((*loc, str(key)), child) for key, child in reversed(item.items()))
        elif isinstance(item, list):
            left.extend(((*loc, index), item[index]) for index in range(len(item) - 1, -1, -1))
