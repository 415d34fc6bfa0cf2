"""Durable steps inside a branch: what LangGraph's `task` gives to functional graphs, used one after another in a node.

A step's return value is saved the moment it is there. When the branch runs again (resumed after a question or a
crash), a step that has ended returns what is saved and does not run. Each step has a namespace of its own, so that the
questions asked in it, and their answers, are told apart from those of other steps. Steps of one branch follow one
another in the same order each time, which is what matching by the order of calls asks for.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.func import task
from langgraph.types import interrupt

T = TypeVar("T")

SCRATCHPAD = "__pregel_scratchpad"
"""Where LangGraph counts the questions that a node has asked; a private name."""


async def durable(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run a piece of the branch's work as a step of its own, or return what it returned before."""

    async def step() -> Any:
        return await work()

    saved: T = await task(name=name)(step)()  # type: ignore[arg-type]  # its overloads lose the types of `step`
    return saved


async def in_line(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run a piece of work as part of the branch, for graphs that can't have steps."""
    return await work()


def has_answer(config: RunnableConfig) -> bool:
    """Tell whether the next question is answered already."""
    scratchpad: Any = config["configurable"][SCRATCHPAD]
    waiting = scratchpad.get_null_resume(False) is not None
    return waiting or len(scratchpad.resume) > questions_asked(config)


def questions_asked(config: RunnableConfig) -> int:
    """Return how many questions this step, or this branch outside of steps, has asked so far."""
    asked: int = config["configurable"][SCRATCHPAD].interrupt_counter()
    rewind_questions(config, asked)
    return asked


def rewind_questions(config: RunnableConfig, asked: int) -> None:
    """Let the next question be the one after the first `asked`, so that another attempt is given the same answers.

    LangGraph matches answers by the order of the questions in a node, and an attempt that is made again asks anew.
    """
    scratchpad: Any = config["configurable"][SCRATCHPAD]
    scratchpad.interrupt_counter._counter = itertools.count(asked).__next__


def skip_answers(config: RunnableConfig, asked: int) -> None:
    """Let the next question be the one after the first `asked`, whose answers went elsewhere already.

    Where fewer answers were given here, somebody else gave the others, and the next one here is the next question's.
    """
    scratchpad: Any = config["configurable"][SCRATCHPAD]
    rewind_questions(config, min(asked, len(scratchpad.resume)))


def use_up_answers(config: RunnableConfig, asked: int) -> int:
    """Take the answers that are there beyond the first `asked` as given, and return how many these are.

    For work that begins anew: they were for questions that nobody asks any more, and hold for no other question.
    """
    scratchpad: Any = config["configurable"][SCRATCHPAD]
    if scratchpad.get_null_resume(False) is not None:
        rewind_questions(config, len(scratchpad.resume))
        interrupt(None)  # returns it
    if (there := len(scratchpad.resume)) > asked:
        rewind_questions(config, there - 1)
        interrupt(None)  # returns the last of them, and notes that all of them came to use
    return max(0, there - asked)
