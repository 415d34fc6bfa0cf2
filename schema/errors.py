"""The errors that callers handle.

    FanwiseError                 base of all; a RuntimeError, so that servers pass its message on
    ├── PlanError                a plan was refused before anything ran; lists every problem
    ├── EventsError              an event log could not be opened or read
    └── RunError                 a run could not be found, opened or continued

All of them survive pickling, and their text is meant to be shown to a person as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class FanwiseError(RuntimeError):
    """Base of every error that a caller of Fanwise may want to handle."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a plan: what, where, and what to do."""

    message: str
    """One sentence that says what came, what was expected, and the remedy."""
    path: str = ""
    """The field, written like `tasks[2].depends_on[0]`; empty for the plan as a whole."""
    line: int | None = None
    """Line in the source text, counted from 1, where the source has lines."""
    column: int | None = None
    """Column in that line, counted from 1."""
    see: str = ""
    """Path of a second field that the message names, such as the first of two equal ids."""

    def __str__(self) -> str:
        place = self.path
        if self.line is not None:
            place = f"line {self.line}"
            if self.path:
                place += f" ({self.path})"
            elif self.column is not None:
                place += f", column {self.column}"
        return f"{place}: {self.message}" if place else self.message


class PlanError(FanwiseError):
    """A plan was refused; `problems` lists all of them, `source` names the file where there is one."""

    def __init__(self, problems: Iterable[Problem], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self.problems, source)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source or 'the plan'}: {count} problem{'s' if count != 1 else ''}"
        return "\n".join([head, *(f"  - {problem}" for problem in self.problems)])


class EventsError(FanwiseError):
    """An event log could not be opened or read; the message names it and says what to do."""


class RunError(FanwiseError):
    """A run (a thread in the checkpoint database) could not be found, opened or continued."""
