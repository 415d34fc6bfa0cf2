"""One question in a person's terminal: shown, decided by a letter, edited in their editor."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

import click

from ..nodes.summary.text import clean_lines
from ..runs.question_text import about, action_lines, body
from ..runs.questions import Action, Asked
from .editing import Check, edit
from .output import bold, line_width, rule, say
from .terminal import edited, forget_typed, read_line

LINES = 24
"""Lines of a value that a question shows before `v` shows all of it."""

KEYS = {"approve": "a", "edit": "e", "reject": "r"}
RESPOND = {"before": "s", "after": "c"}
"""The letter for `respond`, which means another thing to each: skip, comment, or an answer in a tool's place."""


class NoAnswer(Enum):
    """What a person says instead of an answer."""

    LATER = "later"
    QUIT = "quit"


async def ask(asked: Asked, place: str, check: Check) -> Any:
    """Ask until there is an answer that will do, and return it.

    Args:
        asked: the question.
        place: which of how many it is, in words; may be empty.
        check: looks at an answer.

    Returns:
        The answer, or a `NoAnswer`.
    """
    forget_typed()
    width = line_width(sys.stderr)
    say(rule(place, width))
    say(bold(about(asked)))
    for line in body(asked, width, LINES, "v", menu=True):
        say(line)
    try:
        return await (_own(asked) if asked.kind == "own" else _reviewed(asked, check))
    except EOFError:
        say("")
        return NoAnswer.QUIT


async def _reviewed(asked: Asked, check: Check) -> Any:
    """Collect a decision for each action."""
    decisions: list[dict[str, Any]] = []
    while len(decisions) < len(asked.actions):
        number = len(decisions) + 1
        if len(asked.actions) > 1:
            say(f"{number} of {len(asked.actions)}: {clean_lines(asked.actions[number - 1].name)}")
        decision = await _decided(asked, number, check)
        if isinstance(decision, NoAnswer):
            return decision
        decisions.append(decision)
    return asked.answer(decisions)


async def _decided(asked: Asked, number: int, check: Check) -> dict[str, Any] | NoAnswer:
    action = asked.actions[number - 1]
    choices = _choices(asked, action)
    while True:
        word = await _chosen(choices)
        if word in ("later", "quit"):
            return NoAnswer(word)
        if word == "view":
            for line in action_lines(asked, number, line_width(sys.stderr), None):
                say(line)
        elif word == "edit":
            if (change := await edit(asked, action, check)) is not None:
                return change
        elif (decision := await _worded(asked, word)) is not None:
            return decision


async def _worded(asked: Asked, word: str) -> dict[str, Any] | None:
    """Return a decision that takes a text; `None` where the text is needed and missing."""
    if word == "approve":
        return {"type": "approve"}
    needed = word == "respond" and asked.kind != "before"
    title = "comment" if asked.kind == "after" else "answer"
    text = await read_line(f"{title}: " if needed else "reason (Enter for none): ")
    if needed and not text:
        say("nothing was said: choose again")
        return None
    return {"type": word, "message": text} if text or needed else {"type": word}


async def _own(asked: Asked) -> Any:
    """Take the answer to a specialist's own question: text, or JSON where it reads as JSON."""
    choices = {"a": "answer", "e": "edit", "v": "view", "l": "later", "q": "quit"}
    while True:
        word = await _chosen(choices)
        if word in ("later", "quit"):
            return NoAnswer(word)
        if word == "view":
            for line in body(asked, line_width(sys.stderr), None, menu=True):
                say(line)
            continue
        text = await (_written() if word == "edit" else read_line("answer (text, or JSON): "))
        if text:
            return _value(text)
        say("nothing was said: choose again")


async def _written() -> str:
    try:
        return (await edited("", ".txt") or "").strip()
    except click.ClickException as error:
        say(f"error: {clean_lines(error.format_message())}")
        return ""


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _choices(asked: Asked, action: Action) -> dict[str, str]:
    """Return what each letter does, the decisions first."""
    letters = {}
    for word in action.allowed:
        key = KEYS.get(word) or RESPOND.get(asked.kind, "w")
        letters[key] = word
    return {**letters, "v": "view", "l": "later", "q": "quit"}


async def _chosen(choices: Mapping[str, str]) -> str:
    """Return what a person chooses by its letter, or by its word."""
    named = {key: _told(key, word) for key, word in choices.items()}
    menu = "  ".join(f"[{key}] {word}" for key, word in named.items())
    width = line_width(sys.stderr)
    while True:
        for line in _menu(menu.split("  "), width):
            say(line)
        given = (await read_line("> ")).lower()
        found = [key for key, word in named.items() if given in (key, word, choices[key])]
        if found:
            return choices[found[0]]
        if given:
            say(f"{clean_lines(given)[:40]!r} is none of these")


def _told(key: str, word: str) -> str:
    """Return the word that a menu shows for a decision."""
    return {"s": "skip", "c": "comment", "w": "write its answer"}.get(key, word) if word == "respond" else word


def _menu(parts: list[str], width: int) -> list[str]:
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + 2 + len(part) > width:
            lines.append("")
        lines[-1] += f"  {part}" if lines[-1] else part
    return lines
