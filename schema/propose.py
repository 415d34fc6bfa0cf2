"""What a specialist returns to propose further tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Propose:
    """A specialist's output, and tasks that should be run because of it.

    They are added to the plan when nothing of it is left to run, if the plan allows another round (`max_rounds`) and
    they fit it; else a warning says why not.
    """

    output: Any = None
    """The task's output, as it would be returned without this."""
    tasks: Sequence[Mapping[str, Any] | Any] = ()
    """Tasks, as `Task`s or as in a plan file; they may depend on each other and on tasks of the plan."""
