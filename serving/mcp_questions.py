"""Questions of a run, put to the user through the client (elicitation), and answers that a client gives by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..runs.answers import check_edit, fitted, question_of
from ..runs.questions import REVIEWS, Action, Asked
from ..schema.errors import RunError
from ..schema.review import AnswerError
from .mcp_results import question_text

PATIENCE = 3
"""Answers to one question that may be wrong before the user is not asked again, and the run pauses."""

EDITABLE = ("plan", "before", "after", "tools", "call")


class Reply(NamedTuple):
    """What came back from the user."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any]


Elicit = Callable[[str, dict[str, Any]], Awaitable[Reply]]
"""Shows a text and a form (a JSON schema of plain fields) to the user."""


class User:
    """The user behind a client that can ask: one question at a time, while other tasks go on."""

    def __init__(self, elicit: Elicit, known: Collection[str]) -> None:
        """Prepare to ask.

        Args:
            elicit: asks.
            known: specialists that an edited plan may name.
        """
        self._elicit = elicit
        self._known = known
        self._turn = asyncio.Lock()
        self._put_off: set[tuple[str | None, str]] = set()
        self._gone = False

    async def __call__(self, question: Mapping[str, Any]) -> Any:
        """Answer a review of the run that goes on; `None` lets the run pause for it."""
        return await self.answer(Asked.of(question))

    def unasked(self, questions: Sequence[Asked]) -> list[Asked]:
        """Return the questions that the user did not leave open."""
        return [] if self._gone else [asked for asked in questions if _key(asked) not in self._put_off]

    async def answer(self, asked: Asked, problem: str = "") -> Any:
        """Return the user's answer; `None` where they give none, or none that fits."""
        async with self._turn:
            for _ in range(PATIENCE):
                if self._gone:
                    return None
                given = await self._asked(asked, problem)
                if given is None:
                    break
                try:
                    return checked(asked, given, self._known)
                except AnswerError as error:
                    problem = "; ".join(map(str, error.args))
        self._put_off.add(_key(asked))
        return None

    async def _asked(self, asked: Asked, problem: str) -> Any:
        head = f"The last answer was refused: {problem}\n\n" if problem else ""
        if not asked.actions:
            reply = await self._reply(head + question_text(asked), _text_form())
            return None if reply is None else _value(str(reply.get("answer") or ""))
        decisions = []
        for number, action in enumerate(asked.actions, 1):
            count = (
                f"Decision {number} of {len(asked.actions)}, about {action.name}. " if len(asked.actions) > 1 else ""
            )
            reply = await self._reply(head + count + question_text(asked), _decision_form(asked, action))
            if reply is None:
                return None
            decisions.append(_decision(asked, action, reply))
        return {"decisions": decisions}

    async def _reply(self, text: str, form: dict[str, Any]) -> Mapping[str, Any] | None:
        try:
            reply = await self._elicit(text, form)
        except Exception:  # the client said that it can, and can't; or it is gone
            self._gone = True
            return None
        return reply.content if reply.action == "accept" else None


def checked(asked: Asked, given: Any, known: Collection[str]) -> Any:
    """Return an answer in the form that its question wants.

    Raises:
        AnswerError: it does not fit.
    """
    answer = fitted(asked, given, is_json=not isinstance(given, str))
    check_edit(asked, answer, known)
    return answer


def matched(given: Mapping[str, Any], questions: Sequence[Asked], known: Collection[str]) -> dict[str, Any]:
    """Return answers by question id.

    Args:
        given: answers by question id, the start of one, the task that asks, or `plan`.
        questions: what is open.
        known: specialists that an edited plan may name.

    Raises:
        RunError: one is for no question, for several, or does not fit; nothing is used.
    """
    answers: dict[str, Any] = {}
    for name, value in given.items():
        try:
            asked = question_of(name, questions, "answers:")
            if asked.id in answers:
                raise RunError(f"answers: the question {asked.name} is answered twice")
            answers[asked.id] = checked(asked, value, known)
        except AnswerError as error:
            problems = "; ".join(map(str, error.args))
            raise RunError(f"answers: {name[:80]}: {problems}; the question stays open") from None
    return answers


def _key(asked: Asked) -> tuple[str | None, str]:
    """Return what tells a question from others, whether it has an id yet or not."""
    return (asked.id, "own") if asked.kind not in REVIEWS else (asked.task_id, asked.kind)


def _text_form() -> dict[str, Any]:
    answer = {"type": "string", "title": "Answer", "description": "Text, or JSON"}
    return {"type": "object", "properties": {"answer": answer}, "required": ["answer"]}


def _decision_form(asked: Asked, action: Action) -> dict[str, Any]:
    """Return the form for one decision; forms hold plain fields only, so that an edit is JSON in a text."""
    fields: dict[str, Any] = {
        "decision": {"type": "string", "title": "Decision", "enum": list(action.allowed)},
        "message": {"type": "string", "title": "Message", "description": "A reason or a comment; may be empty"},
    }
    if "edit" in action.allowed and asked.kind in EDITABLE:
        what = {"before": "input", "after": "output", "plan": "plan"}.get(asked.kind, "arguments")
        fields["edited"] = {"type": "string", "title": "Edited", "description": f"With edit: the new {what}, as JSON"}
    return {"type": "object", "properties": fields, "required": ["decision"]}


def _decision(asked: Asked, action: Action, reply: Mapping[str, Any]) -> dict[str, Any]:
    decision: dict[str, Any] = {"type": str(reply.get("decision") or "")}
    if reply.get("message"):
        decision["message"] = str(reply["message"])
    if decision["type"] == "edit":
        value = _value(str(reply.get("edited") or ""))
        is_whole = isinstance(value, dict) and (asked.kind != "plan" or "plan" in value)
        args = value if is_whole else _wrapped(action, value)
        decision["edited_action"] = {"name": action.name, "args": args}
    return decision


def _wrapped(action: Action, value: Any) -> dict[str, Any]:
    """Return a new plan, or a new input or output that is no object, as an edit holds it."""
    names = list(action.args) if isinstance(action.args, Mapping) else []
    return {names[0] if len(names) == 1 else "output": value}


def _value(text: str) -> Any:
    """Return what a text stands for: an object, a list or a number where it is JSON, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
