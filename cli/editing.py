"""Editing what a question is about: as text in the person's editor, again and again until it will do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from ..nodes.summary.text import clean, clean_lines
from ..runs.question_text import about, folded
from ..runs.questions import Action, Asked
from ..runs.value_text import editable, from_text, same
from ..schema.review import AnswerError
from .output import line_width, say
from .terminal import edited, read_line

Check = Callable[[Asked, Any], None]
"""Looks at an answer; raises `AnswerError` where it will not do."""

MARK = "#:"
"""Begins the lines that are ours in an edited text."""


async def edit(asked: Asked, action: Action, check: Check) -> dict[str, Any] | None:
    """Return an edit that will do; `None` if nothing was changed. What is wrong is shown, and edited again."""
    before = action.args.get("plan", action.args) if asked.kind == "plan" else action.args
    original, extension = editable(before)
    text = original
    problems: list[str] = []
    while True:
        changed = await _saved(_comment(asked, extension, problems) + text, extension)
        if changed is None:
            return None
        try:
            decision = _edit_of(asked, action, before, changed, extension, check)
            say(f"changed: {about(asked)}")
            _tell_changes(original, _without_head(changed))
            return decision
        except _UnchangedError:
            say("nothing was changed")
            return None
        except AnswerError as error:
            problems = [clean_lines(str(problem)) for problem in error.args]
        for problem in problems:
            say("\n".join(folded(f"! {problem}", line_width(sys.stderr))))
        if not await _again():
            return None
        text = _without_head(changed)


def _tell_changes(before: str, after: str, most: int = 8) -> None:
    """Show the lines that were taken out and put in, the first of them."""
    import difflib

    found = [
        line
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    width = line_width(sys.stderr)
    for line in found[:most]:
        say(clean(line, width))
    if len(found) > most:
        say(f"... and {len(found) - most} more changed lines")


async def _saved(text: str, extension: str) -> str | None:
    """Return the text as the person saved it; `None` where they did not, or have no editor."""
    try:
        changed = await edited(text, extension)
    except click.ClickException as error:
        say(f"error: {clean_lines(error.format_message())}")
        return None
    if changed is None:
        say("not saved: nothing was changed")
    return changed


class _UnchangedError(Exception):
    """The edited text stands for the same value as before."""


def _edit_of(asked: Asked, action: Action, before: Any, changed: str, extension: str, check: Check) -> dict[str, Any]:
    """Return the decision that an edited text stands for."""
    from ..schema.errors import PlanError

    try:
        value = from_text(changed, extension)
    except PlanError as error:
        raise AnswerError(*error.problems) from None
    if same(value, before):
        raise _UnchangedError
    if not isinstance(value, Mapping):
        raise AnswerError("what is left is no object: keep the names of the fields")
    args = {"plan": value} if asked.kind == "plan" else dict(value)
    decision = {"type": "edit", "edited_action": {"name": action.name, "args": args}}
    if len(asked.actions) == 1:
        check(asked, asked.answer([decision]))
    return decision


async def _again() -> bool:
    """Ask whether an edit that will not do is edited again."""
    while True:
        answer = (await read_line("[e] edit again  [d] drop the edit: ")).lower()[:1]
        if answer in ("e", "d"):
            return answer == "e"


def _comment(asked: Asked, extension: str, problems: list[str]) -> str:
    """Return the lines above an edited text; JSON has no comments."""
    if extension == ".json":
        return ""
    lines = [f"{about(asked)}: save and close to use it, close without saving to leave it"]
    lines += [f"! {problem}" for problem in problems]
    return "".join(f"{MARK} {line}\n" for part in lines for line in part.splitlines())


def _without_head(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(MARK))
