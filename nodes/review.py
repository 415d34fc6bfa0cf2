"""Asking a person: in the same process where somebody listens, else by a pause of the run.

A question that nobody answers at once is LangGraph's `interrupt`: the branch ends, the run stops when nothing else is
to be done, and the branch runs again when it is resumed with an answer. A wrong answer is refused, and the question is
asked again with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from langgraph.config import get_config
from langgraph.types import interrupt

from ..schema.results import Decision
from ..schema.review import AnswerError, Question, answer_schema, as_args, make_question, read_answer
from .steps import has_answer

Asker = Callable[[Question], Coroutine[Any, Any, Any]]
"""Asks a person who is there; returns the answer, or `None` to let the run pause."""

ASKER: ContextVar[Asker | None] = ContextVar("fanwise_asker", default=None)
"""Who is asked in this process; nobody, unless `execute` is told."""

PATIENCE = 3
"""Answers that may be wrong before whoever is there is not asked any more, and the run pauses."""

Make = Callable[[Sequence[str]], Question]
"""Makes the question, given what was wrong with the answer before."""


def moment(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


async def ask(
    make: Make, read: Callable[[Decision], None], in_person: Callable[[Asker, Question], Awaitable[Any]]
) -> Decision:
    """Ask until the answer is a decision that will do, and return it.

    Args:
        make: makes the question.
        read: looks at a decision; raises `AnswerError` where it will not do.
        in_person: asks a person who is there, holding no slot; may return `None`.

    Raises:
        GraphInterrupt: nobody is there to answer: the run pauses.
    """
    problems: tuple[str, ...] = ()
    patience = PATIENCE
    while True:
        question, asker = make(problems), ASKER.get() if patience else None
        answer = None
        if asker is not None and not has_answer(get_config()):
            patience -= 1
            answer = await in_person(asker, question)
        if answer is None:
            answer = interrupt(question, response_schema=answer_schema(question["review"]))
        try:
            decision = read_answer(answer, question["review"])
            read(decision)
        except AnswerError as error:
            problems = tuple(str(problem) for problem in error.args)
        else:
            return decision


def task_question(
    when: str, task: Mapping[str, Any], value: Any, expires_at: str | None, problems: Sequence[str], told: str = ""
) -> Question:
    """Return the question about a task: about its input `before` it runs, or about its output `after`.

    Args:
        when: `before` or `after`.
        task: the task.
        value: its input or output.
        expires_at: when nobody needs to answer any more.
        problems: what was wrong with the answer before.
        told: what else the person should know, in a line.
    """
    if when == "before":
        text = "May this task run? approve it, edit its input, respond to skip it, or reject it"
    else:
        text = "Is this output right? approve it, edit it, respond with a comment for another attempt, or reject it"
    words = [task[name] for name in ("title", "description") if task.get(name)]
    described = ": ".join((task["id"], "\n".join(words))) if words else task["id"]
    return make_question(
        "before" if when == "before" else "after",
        task["specialist"],
        as_args(value, "input" if when == "before" else "output"),
        "\n".join(line for line in (described, told, f"{text}.") if line),
        task_id=task["id"],
        expires_at=expires_at,
        default=task.get("review_default", "reject"),
        problems=problems,
    )
