"""The questions that a stopped run asks, and the answers it is given.

LangGraph keeps an answer only when the branch that asked comes to its end, or to its next question. So that an answer
is not lost when the process dies before, it is first written beside the checkpoint that it belongs to; whoever goes on
with the run gives it again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Interrupt, StateSnapshot

from ..schema.errors import RunError
from ..schema.results import PendingInterrupt
from ..schema.review import AnswerError, is_review, read_answer
from .names import BATCH
from .runtime import TASKS

Saver = BaseCheckpointSaver[Any]

ANSWERS = "fanwise:answers"
"""The name under which answers are written. No channel has it, so that LangGraph leaves them alone."""


class Asked(NamedTuple):
    """A question as LangGraph holds it."""

    interrupt: Interrupt
    task_id: str | None
    """The task that asks; `None` for the plan."""


class Questions(NamedTuple):
    """The questions of a stopped run."""

    open: tuple[PendingInterrupt, ...]
    """What waits for a person."""
    answered: tuple[PendingInterrupt, ...]
    """What was answered; the answers did not come to use yet."""
    answers: dict[str, Any]
    """These answers, by question id."""


async def questions_of(saver: Saver, snapshot: StateSnapshot) -> Questions:
    """Return the questions of a stopped run; `snapshot` is its state, with its sub-graphs."""
    asked = [item async for item in _asked(saver, snapshot)]
    given = await _given_answers(saver, snapshot.config) if asked else {}
    found = [PendingInterrupt(id=question.id, task_id=task_id, value=question.value) for question, task_id in asked]
    return Questions(
        open=tuple(question for question in found if question.id not in given),
        answered=tuple(question for question in found if question.id in given),
        answers={question.id: given[question.id] for question in found if question.id in given},
    )


def check_answers(questions: Questions, answers: Mapping[str, Any]) -> None:
    """Refuse answers for which there is no open question, or that don't fit a review.

    Raises:
        RunError: there is one; all questions stay as they are.
    """
    by_id = {question.id: question for question in questions.open}
    kept = {question.id for question in questions.answered}
    for key, answer in answers.items():
        if key in kept:
            raise RunError(
                f"the question {key!r} is answered already; the answer is kept, and used when the run goes on"
            )
        if key not in by_id:
            raise RunError(f"no open question has the id {key!r}; `fanwise show` lists them")
        value = by_id[key].value
        if not is_review(value):
            continue
        try:
            read_answer(answer, value["review"])
        except AnswerError as error:
            about = by_id[key].task_id or "the plan"
            raise RunError(f"the answer about {about} is refused: {error}; the question stays open") from error


async def _asked(saver: Saver, snapshot: StateSnapshot) -> AsyncIterator[Asked]:
    """Yield the questions of the branches that have not ended, those inside batches too.

    A batch is looked into whether or not LangGraph noted questions for it: it does so when the whole batch pauses, and
    the process may have died before.
    """
    waiting = [task for task in snapshot.tasks if task.result is None and (task.interrupts or task.name == BATCH)]
    if not waiting:
        return
    sends = await _sends(saver, snapshot.config)
    for task in waiting:
        if task.name == BATCH and isinstance(task.state, StateSnapshot):
            async for inner in _asked(saver, task.state):
                yield inner
            continue
        for interrupt in task.interrupts:
            yield Asked(interrupt, _task_id(sends, task.path))


async def _sends(saver: Saver, config: RunnableConfig) -> list[Any]:
    """Return what was sent to the branches of a superstep."""
    saved = await saver.aget_tuple(config)
    return [] if saved is None else list(saved.checkpoint["channel_values"].get(TASKS) or ())


def _task_id(sends: list[Any], path: tuple[Any, ...]) -> str | None:
    index = path[1] if isinstance(path[1], int) else None
    if index is None or index >= len(sends):
        return None
    task = sends[index].arg.get("task") or {}
    return task.get("id")


async def _given_answers(saver: Saver, config: RunnableConfig) -> dict[str, Any]:
    """Return the answers that were written in a superstep, by question id; those of questions long over too."""
    saved = await saver.aget_tuple(config)
    entries = [value for _, channel, value in (saved.pending_writes or ()) if channel == ANSWERS] if saved else []
    answers: dict[str, Any] = {}
    for entry in sorted(entries, key=lambda entry: float(entry["at"])):
        answers.pop(entry["id"], None)
        if "answer" in entry:
            answers[entry["id"]] = entry["answer"]
    return answers


async def write_answers(saver: Saver, config: RunnableConfig, answers: Mapping[str, Any]) -> None:
    """Write answers beside the checkpoint that `config` names."""
    await _write(saver, config, [{"id": key, "answer": answer} for key, answer in answers.items()])


async def take_back(saver: Saver, config: RunnableConfig, ids: Iterable[str]) -> None:
    """Take answers back that did not fit their questions."""
    await _write(saver, config, [{"id": key} for key in ids])


async def _write(saver: Saver, config: RunnableConfig, entries: list[dict[str, Any]]) -> None:
    if entries:
        writes = [(ANSWERS, {**entry, "at": time.time()}) for entry in entries]
        await saver.aput_writes(config, writes, str(uuid4()))


def overdue(questions: tuple[PendingInterrupt, ...], now: float) -> dict[str, Any]:
    """Return the default decisions for questions whose time is over, by question id."""
    found = {}
    for question in questions:
        value = question.value if isinstance(question.value, Mapping) else {}
        until = value.get("expires_at")
        if isinstance(until, str) and datetime.fromisoformat(until) <= datetime.fromtimestamp(now, UTC):
            message = f"nobody answered by {until[:19].replace('T', ' ')}Z"
            decision = {"type": value.get("default", "reject"), "message": message, "by_default": True}
            found[question.id] = {"decisions": [decision]}
    return found
