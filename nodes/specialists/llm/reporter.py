"""`reporter`: writes a report over the results that it depends on, for a stated reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ....models.chat import model_name
from ....models.faults import worth_another_attempt
from ....schema.plan import Task
from ....schema.results import TaskResult
from ...specialist import Specialist, specialist
from ..equipment import Equipment
from ..inputs import read_input
from .policy import RETRY

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangChain takes
    from langchain_core.runnables import RunnableConfig

PROMPT = """You write a report in Markdown over the results of other tasks, for the reader that you are told of.
Begin with what the reader needs most: the answer, or the decision that is to be made. Then what it rests on, in the
reader's own terms. Take every fact and number from the results as it stands there, and name the task that it comes from
in brackets, such as [orders]. Where results contradict each other, say so. Where a task has no result, say what is
missing because of it. Add nothing of your own. Write the report alone, without a word about it."""

READER = "the person who asked"


class ReporterInput(BaseModel):
    """Whom the report is for, and how it is to be."""

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(READER, max_length=500, description="who reads it, such as: the head of sales")
    title: str | None = Field(None, max_length=300, description="its heading")
    instructions: str | None = Field(None, max_length=5_000, description="length, language, what to dwell on")


def reporter(equipment: Equipment) -> Specialist:
    """Return the specialist `reporter`; without a model the deterministic summarizer writes."""

    @specialist(
        "reporter",
        description="Writes a report in Markdown over the results of the tasks that it depends on, for a stated reader;"
        " comes last.",
        retry_on=worth_another_attempt,
        retry=RETRY,
        pure=True,
        input_schema=ReporterInput,
    )
    async def work(
        task: Task, results: Mapping[str, TaskResult], config: RunnableConfig, comment: str, previous: Any
    ) -> dict[str, Any]:
        asked = read_input(ReporterInput, task)
        if not results:
            raise ValueError("`reporter` has nothing to report on: name tasks in its 'depends_on'")
        title = asked.title or task.title or task.description
        if equipment.model is None:
            from ...call import in_thread

            text = await in_thread(lambda: _by_rule(results, title), name="fanwise-report")
        else:
            from .agent import Agent, task_text

            told = task.model_copy(update={"description": _order(asked, title), "input": None})
            agent = Agent("reporter", PROMPT)
            text = await agent.work(equipment.model, task_text(told, results, comment, previous), config)
        missing = {need: result.error or result.status for need, result in results.items() if not result.ok}
        return {
            "report": _with_missing(text, missing),
            "reader": asked.reader,
            "sources": [need for need, result in results.items() if result.ok],
            "missing": missing,
        }

    model = equipment.model
    return replace(work, model=None if model is None else model_name(model))


def _order(asked: ReporterInput, title: str) -> str:
    lines = [f"Write a report for this reader: {asked.reader}"]
    lines += [f"Its subject: {title}"] if title else []
    lines += [f"How it is to be: {asked.instructions}"] if asked.instructions else []
    return "\n".join(lines)


def _by_rule(results: Mapping[str, TaskResult], title: str) -> str:
    from ...summary import summarize

    summary = summarize(results, request=title)
    return f"# {title}\n\n{summary.text}" if title else summary.text


def _with_missing(text: str, missing: Mapping[str, str]) -> str:
    """Add what the text does not tell of tasks without a result, so that no gap goes unsaid."""
    untold = [f"- {need}: {' '.join(why.split())[:300]}" for need, why in missing.items() if need not in text]
    return "\n".join([text.rstrip(), "", "## Missing", "", *untold]) if untold else text
