"""Answers that are given on the command line: which question each is for, and whether it fits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import click

from ..runs.answers import check_edit, fitted, question_of, questions_named
from ..runs.questions import Asked
from ..schema.errors import RunError
from ..schema.review import AnswerError
from .values import read_value


class Given(NamedTuple):
    """An answer as it was given, not yet held against the questions."""

    name: str
    """The question: its id or the start of it, a task, or `plan`."""
    value: Any
    is_json: bool


def given_answer(text: str) -> Given:
    """Return an answer, `ID=JSON|@FILE`.

    Raises:
        BadParameter: it has another form, or its file can't be read.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"--answer {text[:80]!r} is not ID=JSON, ID=WORD or ID=@FILE")
    return Given(name.strip(), *read_value(value, f"--answer {name.strip()}"))


def matched(
    given: Sequence[Given],
    questions: Sequence[Asked],
    known: Collection[str],
    *,
    answered: Sequence[Asked] = (),
    resume: str = "fanwise resume",
) -> dict[str, Any]:
    """Return the answers by question id, as their questions want them.

    Args:
        given: the answers as they were given.
        questions: what is open.
        known: specialists that an edited plan may name.
        answered: what is not open any more, its answer being kept.
        resume: the command that goes on with the run.

    Raises:
        UsageError: one is for no question, for several, given twice, or does not fit.
    """
    answers: dict[str, Any] = {}
    for item in given:
        if not questions_named(item.name, questions) and questions_named(item.name, answered):
            raise click.UsageError(f"{item.name} is answered already, the answer is kept; `{resume}` goes on")
        asked = meant(item.name, questions, "--answer")
        if asked.id in answers:
            raise click.UsageError(f"the question {asked.name} is answered twice")
        try:
            answers[asked.id] = fitted(asked, item.value, is_json=item.is_json)
            check_edit(asked, answers[asked.id], known)
        except AnswerError as error:
            problems = "; ".join(map(str, error.args))
            raise click.UsageError(f"--answer {item.name}: {problems}; the question stays open") from None
    return answers


def meant(name: str, questions: Sequence[Asked], option: str) -> Asked:
    """Return the question that an option names.

    Raises:
        UsageError: the name stands for none, or for several.
    """
    try:
        return question_of(name, questions, option)
    except RunError as error:
        raise click.UsageError(str(error)) from None
