"""What the specialists of `processes.py` noted, and what must hold for it, whoever was killed when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

Key = tuple[str, str]
"""A run and a task of it."""


@dataclass(slots=True)
class Execution:
    """One time that a task was worked on."""

    pid: int
    started: float
    ended: float | None = None
    word: str = ""
    """How it ended: `end`, or `cancelled`; empty while it works, or where its process was killed."""


class Kill(NamedTuple):
    """One process that was killed, and what stood in the database after it was dead and before another went on."""

    pid: int
    at: float
    read: float
    """When what is saved was read."""
    saved: frozenset[Key]


@dataclass
class Notes:
    """The lines of the file, read as they come."""

    path: Path
    executions: dict[Key, list[Execution]] = field(default_factory=dict)
    of_run: dict[str, list[Execution]] = field(default_factory=dict)
    """The same by run, in the order of their begin."""
    _at: int = 0

    def read(self) -> Notes:
        """Read the whole lines that are new."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._at)
                found = file.read()
            whole = found[: found.rfind(b"\n") + 1]
            self._at += len(whole)
            for line in whole.decode().splitlines():
                self._take(*line.split())
        return self

    def _take(self, word: str, run: str, task_id: str, pid: str, at: str) -> None:
        known = self.executions.setdefault((run, task_id), [])
        if word == "start":
            known.append(Execution(int(pid), float(at)))
            self.of_run.setdefault(run, []).append(known[-1])
            return
        mine = next(execution for execution in reversed(known) if execution.pid == int(pid))
        mine.word, mine.ended = word, float(at)

    def at_work(self) -> list[tuple[Key, Execution]]:
        """Return what has begun and not ended; some of it in processes that are gone."""
        return [(key, known[-1]) for key, known in self.executions.items() if not known[-1].word]

    def executing(self, run: str) -> int:
        """Return the process that began a task of a run last; 0 where none did."""
        return self.of_run[run][-1].pid if run in self.of_run else 0

    def went_on(self, run: str, kill: Kill) -> float | None:
        """Return when another process began a task of a run after a kill, if it did."""
        begun = self.of_run.get(run, [])
        return next((one.started for one in begun if one.started > kill.at and one.pid != kill.pid), None)

    @property
    def again(self) -> int:
        """How many executions there are beyond the first of each task."""
        return sum(len(known) - 1 for known in self.executions.values())


def unsaved(notes: Notes, kill: Kill, runs: Iterable[str]) -> list[float]:
    """Return for tasks of runs that had ended, and were not saved when their process was killed, since when."""
    runs = set(runs)
    return [
        kill.at - known[-1].ended
        for key, known in notes.executions.items()
        if key[0] in runs
        and known[-1].pid == kill.pid
        and known[-1].word == "end"
        and known[-1].ended is not None
        and key not in kill.saved
    ]


def violations(notes: Notes, kills: Iterable[Kill]) -> list[str]:
    """Return what was done that must not be: saved and begun again, or begun again without a kill or before it."""
    kills = list(kills)
    wrong = [
        f"{key} was saved, and began again {execution.started - kill.read:.3f} s later"
        for kill in kills
        for key in sorted(kill.saved)
        for execution in notes.executions.get(key, [])
        if execution.started > kill.read
    ]
    for key, known in notes.executions.items():
        for before, after in pairwise(known):
            if before.word == "cancelled" and before.ended is not None and before.ended <= after.started:
                continue  # somebody asked for it
            if not any(kill.pid == before.pid and before.started <= kill.at <= after.started for kill in kills):
                wrong.append(
                    f"{key} began again in {after.pid} though {before.pid}, which had it, was not killed between"
                )
    return wrong
