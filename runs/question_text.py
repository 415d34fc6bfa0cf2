"""Questions as text: what is asked, about what, and what may be decided."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..nodes.summary.text import clean_lines, seconds
from ..schema.review import REMOTE
from .questions import REVIEWS, Action, Asked
from .value_text import as_text

LINES = 12
"""Lines of a value that a list of questions shows."""

MEANINGS = {
    ("before", "respond"): "skip",
    ("after", "respond"): "comment, for another attempt",
    ("tools", "respond"): "answer in the tool's place",
    ("call", "respond"): "answer in the tool's place",
}
"""What a decision does, where its word does not tell."""


def questions_text(questions: Sequence[Asked], width: int, whole: str) -> str:
    """Return all questions.

    Args:
        questions: what is asked.
        width: characters in a line.
        whole: the command that shows a run's question whole, without the question's name.
    """
    blocks = []
    for asked in questions:
        lines = [
            f"question {asked.name}: {about(asked)}",
            *indented(body(asked, width - 2, LINES, f"{whole} {asked.name}")),
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def whole_text(asked: Asked, width: int = 120, lines: int = 40) -> str:
    """Return a question alone: who asks about what, and what is asked; what may be decided stands elsewhere."""
    return "\n".join([about(asked), *body(asked, width, lines, menu=True)])


def about(asked: Asked) -> str:
    """Return who asks about what, in a few words."""
    if asked.remote is not None:
        return f"{about_whom(asked)} asks: {_about_remote(asked)}"
    if asked.kind == "plan":
        return "the plan, before anything runs"
    calls = "a tool call" if len(asked.actions) == 1 else f"{len(asked.actions)} tool calls"
    what = {"before": "before it runs", "after": "its output", "tools": calls, "call": calls, "own": "its own question"}
    return f"{about_whom(asked)}, {what[asked.kind]}"


def _about_remote(asked: Asked) -> str:
    """Return what a task's run on another deployment asks about."""
    task, where = clean_lines(str(_own_task(asked) or "?")), asked.remote or {}
    what = {
        "plan": "its remote run's plan, before anything runs",
        "before": f"its remote run's task {task}, before it runs",
        "after": f"its remote run's task {task}, its output",
        "own": "its remote run's own question",
    }
    calls = "a tool call" if len(asked.actions) == 1 else f"{len(asked.actions)} tool calls"
    graph = clean_lines(f"{where.get('graph')} at {where.get('url')}")
    return f"{what.get(asked.kind, f'{calls} of its remote run')} ({graph})"


def body(asked: Asked, width: int, lines: int | None, whole: str = "", *, menu: bool = False) -> list[str]:
    """Return what is asked, line by line.

    Args:
        asked: the question.
        width: characters in a line.
        lines: lines of a value that are shown; all of them with `None`.
        whole: how to see the rest of a value.
        menu: whether a menu follows, which tells what may be decided.
    """
    told = [line for problem in asked.problems for line in folded(f"! {problem}", width)]
    if (asked.remote or {}).get("anew"):
        told += folded("! asked again: the run that asked before is lost, its work began anew", width)
    if asked.kind == "own":
        how = [] if menu else folded("answer: text, or JSON", width)
        return [*told, *value_lines(_own_value(asked), width, lines, whole), *how]
    for number, action in enumerate(asked.actions, 1):
        told += action_lines(asked, number, width, lines, whole)
        told += [] if menu else folded(f"decide: {decisions(asked, action)}", width)
    return [*told, *_limit(asked, width)]


def action_lines(asked: Asked, number: int, width: int, lines: int | None, whole: str = "") -> list[str]:
    """Return what one decision is about: its description, and the value that an edit may change."""
    action = asked.actions[number - 1]
    if asked.kind in ("tools", "call"):
        count = f" {number} of {len(asked.actions)}" if len(asked.actions) > 1 else ""
        head = folded(f"tool call{count}: {action.name}", width)
    else:
        head = []
    described = [line for part in _description(asked, action) for line in folded(part, width)]
    value = action.args
    if asked.kind == "plan":
        return [
            *head,
            *described,
            *([] if lines else ["plan", *indented(value_lines(value.get("plan", value), width - 2, None))]),
        ]
    title = {"before": "input", "after": "output"}.get(asked.kind, "arguments")
    if isinstance(value, dict) and list(value) == [title]:
        value = value[title]
    return [*head, *described, title, *indented(value_lines(value, width - 2, lines, whole))]


def value_lines(value: object, width: int, lines: int | None, whole: str = "") -> list[str]:
    """Return a value's lines, cut to so many, with a word how to see the rest."""
    limit = None if lines is None else 200 * (lines + 1)
    text = as_text(value)
    shown = [part for line in clean_lines(text[:limit]).splitlines() for part in folded(line, width)]
    if lines is None or (len(shown) <= lines and len(text) <= (limit or 0)):
        return shown or ["(empty)"]
    rest = f"... ({len(text):,} characters in all"
    return [*shown[:lines], *folded(f"{rest}; {whole} shows them)" if whole else f"{rest})", width)]


def decisions(asked: Asked, action: Action) -> str:
    """Return the decisions that are allowed, and what they do where their words do not tell."""
    told = []
    for word in action.allowed:
        meaning = MEANINGS.get((asked.kind, word))
        told.append(f"{word} ({meaning})" if meaning else word)
    return clean_lines(", ".join(told))


def _description(asked: Asked, action: Action) -> list[str]:
    """Return the description without what is told apart from it: the problems, a tool's name and its arguments."""
    text = action.description if asked.kind in REVIEWS else action.description.partition("\n\nTool: ")[0]
    lines = clean_lines(text).splitlines()
    if lines and lines[0] == _own_task(asked):  # without a title; whoever asks is named already
        del lines[0]
    return [line for line in lines if not (asked.problems and line.startswith("The last answer was refused: "))]


def _limit(asked: Asked, width: int) -> list[str]:
    left = _left(asked)
    if left is None:
        return []
    if left <= 0:
        return folded(
            f"time is over since {_end(asked)}: {asked.default}, when the run goes on without an answer", width
        )
    return folded(f"until {_end(asked)}, in {seconds(left)}; then: {asked.default}", width)


def late(asked: Asked) -> str:
    """Return what is to be said of an answer that comes now; empty where it comes in time."""
    left = _left(asked)
    if left is None or left > 0:
        return ""
    return f"late: the time to decide about {about_whom(asked)} was over since {_end(asked)}; the answer counts"


def about_whom(asked: Asked) -> str:
    """Return the task that asks, or the plan."""
    if asked.kind == "plan" and asked.remote is None:
        return "the plan"
    return clean_lines(f"task {asked.task_id}") if asked.task_id else "a task"


def _own_task(asked: Asked) -> Any:
    """Return the task that a review is about: of the run that asks, which may be on another deployment."""
    return asked.value.get("task_id") if isinstance(asked.value, Mapping) and asked.kind in REVIEWS else None


def _own_value(asked: Asked) -> Any:
    """Return a question as it was asked, without what was added to it on the way."""
    return {key: value for key, value in asked.value.items() if key != REMOTE} if asked.remote else asked.value


def _left(asked: Asked) -> float | None:
    """Return the seconds until nobody needs to answer any more; `None` where there is no such limit."""
    if asked.until is None:
        return None
    try:
        return (datetime.fromisoformat(asked.until) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def _end(asked: Asked) -> str:
    return (asked.until or "")[:19].replace("T", " ") + "Z"


def folded(text: str, width: int) -> list[str]:
    """Return a line of text on as many lines as it needs; its indentation stays."""
    flat = clean_lines(text)
    indent = " " * min(len(flat) - len(flat.lstrip(" ")), max(0, width - 16))
    return textwrap.wrap(flat.lstrip(" "), max(width, 12), initial_indent=indent, subsequent_indent=indent) or [""]


def indented(lines: Sequence[str]) -> list[str]:
    """Return lines that stand two characters further in."""
    return [f"  {line}" for line in lines]
