"""`analyst`: answers questions about an event log with read-only SQL, its own or one that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ....models.chat import model_name
from ....models.faults import worth_another_attempt
from ....schema.plan import Task
from ....schema.results import TaskResult
from ...held import LOG
from ...specialist import Specialist, specialist
from ..equipment import NO_MODEL, Equipment
from ..inputs import read_input
from .policy import RETRY

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangChain takes
    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

NO_EVENTS = "it needs an event log: give --events PATH, or `Equipment(events=...)`"
"""What an analyst is told that has no log."""


class AnalystInput(BaseModel):
    """What is asked of the log."""

    model_config = ConfigDict(extra="forbid")

    question: str | None = Field(
        None, description="the question; the task's description if neither this nor sql is given"
    )
    sql: str | None = Field(None, description="a DuckDB SELECT over the view `events`; by itself it needs no model")
    events: str | None = Field(None, description="path of the log, where it is another than the run's")


def analyst(equipment: Equipment) -> Specialist:
    """Return the specialist `analyst`; a task with `sql` alone needs no model."""

    @specialist(
        "analyst",
        description="Answers a question about the run's event log by querying it with SQL: counts, rates, rankings,"
        " comparisons over time. With `sql` in its input it runs that query.",
        retry_on=worth_another_attempt,
        retry=RETRY,
        pure=True,
        input_schema=AnalystInput,
    )
    async def work(
        task: Task,
        results: Mapping[str, TaskResult],
        runtime: Runtime[Any],
        config: RunnableConfig,
        comment: str,
        previous: Any,
    ) -> dict[str, Any]:
        asked = read_input(AnalystInput, task)
        path = asked.events or getattr(runtime.context, "events", None) or equipment.events
        if not path:
            raise ValueError(f"`analyst`: {NO_EVENTS}")
        from .analysis import Notebook, ask, output

        book = await Notebook.open(path)
        if asked.sql is not None:
            await book.query(asked.sql)
        if asked.sql is not None and not asked.question and not comment:
            return output("", book, None)
        question = asked.question or task.description
        if not question:
            raise ValueError("input of `analyst`: give 'question' or 'sql', or the task a description")
        if equipment.model is None:
            raise ValueError(f"`analyst` with a question: {NO_MODEL}; with 'sql' alone it needs none")
        asking = task.model_copy(update={"description": question, "input": None})
        return await ask(equipment.model, book, asking, results, config, comment, previous)

    model = equipment.model
    if equipment.events is None:  # then each task has to name its log
        work = replace(work, input_schema={**(work.input_schema or {}), "required": ["events"]})
    log = replace(LOG, values=(equipment.events,) if equipment.events else (), workspace=equipment.workspace)
    return replace(work, model=model_name(model) if model else None, held={"events": log})
