"""The work of `analyst`: a log's notebook of queries, and the agent that fills it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field

from ....events.duckdb_store import DuckDBStore
from ....events.open import open_events
from ....events.protocol import EventStore
from ....schema.errors import EventsError
from ....schema.plan import Task
from ....schema.results import TaskResult
from ...call import in_thread
from ...tools.sql import QueryError, Rows, run_query, schema_text
from ...untrusted import as_data
from .agent import Agent, task_text

MAX_MODEL_CALLS = 20

SHOWN_ROWS = 50
"""Rows of one result that the model is shown."""

PROMPT = """You are a data analyst. You answer a question about an event log, from what queries show and nothing else.
Use the tool `query`: DuckDB SQL, read-only, one statement at a time. First look at what there is, then narrow down.
Aggregate in SQL instead of fetching many rows. Moments are in UTC; `now` is the log's own end, not today.
State numbers exactly as a query showed them. Where the log can't answer, say so and say what is missing.
`rows_of` is the number of the query whose rows best show the answer."""


class Analysis(BaseModel):
    """The answer to the question."""

    answer: str = Field(description="the answer, in a few sentences with the numbers that matter")
    rows_of: int | None = Field(None, description="number of the query whose rows show the answer")


@dataclass
class Notebook:
    """The queries of one task, in their order."""

    store: EventStore
    done: list[Rows | dict[str, str]] = field(default_factory=list)

    @classmethod
    async def open(cls, path: str) -> Self:
        """Return an empty notebook about the log at a path.

        Raises:
            EventsError: there is no log, or it is in no database of this process.
        """
        store: EventStore = await in_thread(lambda: open_events(path), name="fanwise-events")
        if not isinstance(store, DuckDBStore):
            raise EventsError(
                f"{path!r} is asked on its own server, which takes no SQL: use the checks and workflows (health_check, "
                "missing_data, performance), or give the analyst an export as a file"
            )
        return cls(store)

    async def query(self, sql: str) -> tuple[int, Rows]:
        """Run a query and note it, failed ones too; return its number, from 1, in the order in which they were asked.

        Raises:
            QueryError: it is refused, wrong, or takes too long.
        """
        at = len(self.done)
        self.done.append({"sql": sql, "error": "was not finished"})  # its number is its own, whoever ends first
        try:
            rows = await run_query(self.store, sql)
        except QueryError as error:
            self.done[at] = {"sql": sql, "error": str(error)}
            raise
        self.done[at] = rows
        return at + 1, rows

    def told(self) -> list[dict[str, Any]]:
        """Return what was run, with the counts of rows."""
        return [
            {"sql": item.sql, "rows": len(item.rows), "more": item.cut} if isinstance(item, Rows) else dict(item)
            for item in self.done
        ]

    def rows_of(self, number: int | None) -> Rows | None:
        """Return the rows of a query; without a number, of the last one that worked."""
        if number is not None and 0 < number <= len(self.done) and isinstance(found := self.done[number - 1], Rows):
            return found
        return next((item for item in reversed(self.done) if isinstance(item, Rows)), None)


async def ask(
    model: BaseChatModel,
    book: Notebook,
    task: Task,
    results: Mapping[str, TaskResult],
    config: RunnableConfig,
    comment: str,
    previous: Any,
) -> dict[str, Any]:
    """Return what an agent finds out about the question in a task's description."""
    text = f"{task_text(task, results, comment, previous)}\n\n{_facts(book)}"
    agent = Agent("analyst", PROMPT, [query_tool(book)], Analysis, max_model_calls=MAX_MODEL_CALLS)
    found = Analysis.model_validate(await agent.work(model, text, config))
    return output(found.answer, book, found.rows_of)


def query_tool(book: Notebook) -> BaseTool:
    """Return the tool `query` over a notebook's store."""

    @tool
    async def query(sql: str) -> str:
        """Run one read-only DuckDB statement (SELECT) over the view `events`, and return its rows as JSON."""
        number, rows = await book.query(sql)
        shown = rows.rows[:SHOWN_ROWS]
        more = f"; only the first {len(shown)} are shown" if len(shown) < len(rows.rows) or rows.cut else ""
        count = f"at least {len(rows.rows)}" if rows.cut else str(len(rows.rows))
        lines = [json.dumps(row, ensure_ascii=False) for row in shown]
        return "\n".join([f"query {number}: {count} row{'' if count == '1' else 's'}{more}", *lines])

    return query


def facts(store: EventStore) -> dict[str, Any]:
    """Return what a log holds, in a few figures, for a model to begin with."""
    info = store.info()
    named = {"hosts": info.hosts, "sources": info.sources, "sourcetypes": info.sourcetypes}
    return {
        "events": info.events,
        "first": info.start,
        "last": info.end,
        "now": info.now,
        "columns with values": info.fields,
        **{name: {"count": len(values), "some": values[:20]} for name, values in named.items()},
        "files": [
            {"file": f.file, "format": f.format, "unparsed": f.unparsed, "note": f.note} for f in info.files[:20]
        ],
    }


def _facts(book: Notebook) -> str:
    parts = [schema_text(), as_data("the event log", facts(book.store))]
    for number, item in enumerate(book.done, 1):
        if isinstance(item, Rows):
            parts.append(as_data(f"query {number}, given: {item.sql}", [dict(row) for row in item.rows[:SHOWN_ROWS]]))
    return "\n\n".join(parts)


def output(answer: str, book: Notebook, number: int | None) -> dict[str, Any]:
    """Return an answer with what stands behind it; `number` is of the query whose rows show it."""
    rows = book.rows_of(number)
    told: dict[str, Any] = {
        "answer": answer or _counted(rows),
        "queries": book.told(),
        "rows": [dict(row) for row in rows.rows] if rows else [],
        "cut": bool(rows and rows.cut),
    }
    if rows is None:
        told["warning"] = "no query of the log stands behind this answer"
    return told


def _counted(rows: Rows | None) -> str:
    count = len(rows.rows) if rows else 0
    return f"{'more than ' if rows and rows.cut else ''}{count} row{'s' if count != 1 else ''}"
