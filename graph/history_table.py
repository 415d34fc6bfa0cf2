"""History in three tables of a database."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .history import OWN_END, AttemptRow, EventRow, History, RunRow

Statement = tuple[str, Sequence[Mapping[str, Any]]]
"""A statement with `:name` places, and the values that it is run with, one after another."""

TABLES = (
    """
CREATE TABLE IF NOT EXISTS fanwise_runs (
    thread_id TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL,
    schedule TEXT NOT NULL, strategy TEXT NOT NULL, tasks INTEGER NOT NULL, succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL, timed_out INTEGER NOT NULL, makespan_s DOUBLE PRECISION NOT NULL,
    sequential_s DOUBLE PRECISION NOT NULL, speedup DOUBLE PRECISION, parallel_share DOUBLE PRECISION NOT NULL,
    started TEXT NOT NULL, finished TEXT, details TEXT NOT NULL, PRIMARY KEY (thread_id, run_id)
)""",
    """
CREATE TABLE IF NOT EXISTS fanwise_attempts (
    thread_id TEXT NOT NULL, run_id TEXT NOT NULL, plan TEXT NOT NULL, task_id TEXT NOT NULL, specialist TEXT NOT NULL,
    attempt INTEGER NOT NULL, status TEXT NOT NULL, error TEXT, queued_s DOUBLE PRECISION NOT NULL,
    duration_s DOUBLE PRECISION NOT NULL, usage TEXT, started TEXT NOT NULL,
    PRIMARY KEY (thread_id, task_id, attempt, started)
)""",
    """
CREATE TABLE IF NOT EXISTS fanwise_events (
    thread_id TEXT NOT NULL, run_id TEXT NOT NULL, task_id TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
    details TEXT NOT NULL, PRIMARY KEY (thread_id, run_id, task_id, kind, at)
)""",
    "CREATE INDEX IF NOT EXISTS fanwise_attempts_specialist ON fanwise_attempts (specialist, started)",
    "CREATE INDEX IF NOT EXISTS fanwise_attempts_plan ON fanwise_attempts (plan, started)",
)


def _insert(table: str, fields: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({', '.join(f':{name}' for name in fields)})"


_CHANGED = ", ".join(
    f"{name} = excluded.{name}" for name in RunRow._fields if name not in ("thread_id", "run_id", "started")
)
_PUT_RUN = f"{_insert('fanwise_runs', RunRow._fields)} ON CONFLICT (thread_id, run_id) DO UPDATE SET {_CHANGED}"
_PUT_ATTEMPT = f"{_insert('fanwise_attempts', AttemptRow._fields)} ON CONFLICT DO NOTHING"
_PUT_EVENT = f"{_insert('fanwise_events', EventRow._fields)} ON CONFLICT DO NOTHING"
_EVENTS = (
    f"SELECT {', '.join(EventRow._fields)} FROM fanwise_events "
    "WHERE thread_id = :thread_id AND run_id = :run_id ORDER BY at"
)
_RUNS = f"SELECT {', '.join(RunRow._fields)} FROM fanwise_runs WHERE started >= :since ORDER BY started"
_ATTEMPTS = f"SELECT {', '.join(AttemptRow._fields)} FROM fanwise_attempts WHERE"
_ENDED = f"status IN ({', '.join(repr(status) for status in OWN_END)}) ORDER BY started DESC LIMIT :most"


class SqlHistory(History):
    """History in SQL; the tables are made when the first row is written."""

    def write(self, runs: Sequence[RunRow], attempts: Sequence[AttemptRow]) -> None:
        """Add rows, in one transaction."""
        statements: list[Statement] = []
        if runs:
            statements.append((_PUT_RUN, [{**run._asdict(), "details": json.dumps(run.details)} for run in runs]))
        if attempts:
            statements.append((_PUT_ATTEMPT, [{**row._asdict(), "usage": _text(row.usage)} for row in attempts]))
        if statements:
            self.change(statements)

    def note(self, events: Sequence[EventRow]) -> None:
        """Add events, in one transaction."""
        if events:
            self.change([(_PUT_EVENT, [{**row._asdict(), "details": json.dumps(row.details)} for row in events])])

    def events(self, thread_id: str, run_id: str) -> list[EventRow]:
        """Return the events of a run, oldest first; none from a history that was begun before there were any."""
        rows = self.query(_EVENTS, {"thread_id": thread_id, "run_id": run_id}, table="fanwise_events")
        return [EventRow._make((*row[:-1], json.loads(row[-1]))) for row in rows]

    def attempts_of(self, thread_id: str, run_id: str) -> list[AttemptRow]:
        """Return the attempts of a run, oldest first."""
        statement = f"{_ATTEMPTS} thread_id = :thread_id AND run_id = :run_id ORDER BY started"
        return [_attempt(row) for row in self.query(statement, {"thread_id": thread_id, "run_id": run_id})]

    def runs(self, since: str = "") -> list[RunRow]:
        """Return runs, oldest first."""
        return [RunRow._make((*row[:-1], json.loads(row[-1]))) for row in self.query(_RUNS, {"since": since})]

    def attempts(self, since: str = "", specialist: str | None = None) -> list[AttemptRow]:
        """Return attempts, oldest first."""
        of = "" if specialist is None else "specialist = :specialist AND "
        rows = self.query(f"{_ATTEMPTS} {of}started >= :since ORDER BY started", _given(since, specialist))
        return [_attempt(row) for row in rows]

    def latest(self, specialists: Collection[str], most: int) -> list[AttemptRow]:
        """Return the latest attempts of each specialist."""
        statement = f"{_ATTEMPTS} specialist = :specialist AND {_ENDED}"
        return [
            _attempt(row)
            for name in specialists
            for row in reversed(self.query(statement, {"specialist": name, "most": most}))
        ]

    def latest_of_plan(self, plan: str, most: int) -> list[AttemptRow]:
        """Return the latest attempts of a plan's tasks."""
        rows = self.query(f"{_ATTEMPTS} plan = :plan AND {_ENDED}", {"plan": plan, "most": most})
        return [_attempt(row) for row in reversed(rows)]

    def prune(self, before: str) -> tuple[int, int]:
        """Delete old rows."""
        tables = ("fanwise_runs", "fanwise_attempts")
        given = {"before": before}
        old = [self.query(f"SELECT count(*) FROM {table} WHERE started < :before", given) for table in tables]
        counts = [rows[0][0] if rows else 0 for rows in old]
        if any(counts):
            self.change([(f"DELETE FROM {table} WHERE started < :before", [given]) for table in tables])
        if self.query("SELECT 1 FROM fanwise_events WHERE at < :before LIMIT 1", given, table="fanwise_events"):
            self.change([("DELETE FROM fanwise_events WHERE at < :before", [given])])
        return counts[0], counts[1]

    @abstractmethod
    def change(self, statements: Sequence[Statement]) -> None:
        """Run statements in one transaction; the tables are made before it where they are not there."""

    @abstractmethod
    def query(
        self, statement: str, values: Mapping[str, Any], *, table: str = "fanwise_attempts"
    ) -> Sequence[tuple[Any, ...]]:
        """Return the rows that a statement finds; none where its table is not there yet."""


def _text(usage: Mapping[str, Any] | None) -> str | None:
    return None if usage is None else json.dumps(usage)


def _attempt(row: tuple[Any, ...]) -> AttemptRow:
    if row[_USAGE] is None:
        return AttemptRow._make(row)
    return AttemptRow._make((*row[:_USAGE], json.loads(row[_USAGE]), *row[_USAGE + 1 :]))


_USAGE = AttemptRow._fields.index("usage")


def _given(since: str, specialist: str | None) -> dict[str, Any]:
    return {"since": since} if specialist is None else {"since": since, "specialist": specialist}
