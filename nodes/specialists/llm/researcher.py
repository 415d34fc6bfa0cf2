"""`researcher`: answers a question from the files of the workspace, and cites the lines that say so.

What it cites is looked up afterwards: a place that does not exist, or that does not hold what is quoted, is left out of
the findings, and said.
"""

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
from ..equipment import NO_MODEL, Equipment
from ..inputs import read_input
from .policy import RETRY

if TYPE_CHECKING:  # to name the specialist must not take the time that importing LangChain takes
    from langchain_core.runnables import RunnableConfig


class ResearchInput(BaseModel):
    """What is to be found out."""

    model_config = ConfigDict(extra="forbid")

    question: str | None = Field(None, description="the question; the task's description if not given")
    folder: str = Field(".", description="a folder of the workspace that the search is about")


def researcher(equipment: Equipment) -> Specialist:
    """Return the specialist `researcher`; it needs a model and a workspace, and writes nothing."""

    @specialist(
        "researcher",
        description="Answers a question from the user's own files (the workspace): searches and reads them, and"
        " returns findings that cite file and lines.",
        retry_on=worth_another_attempt,
        retry=RETRY,
        pure=True,
        input_schema=ResearchInput,
    )
    async def work(
        task: Task, results: Mapping[str, TaskResult], config: RunnableConfig, comment: str, previous: Any
    ) -> dict[str, Any]:
        asked = read_input(ResearchInput, task)
        if lacks or equipment.model is None or equipment.workspace is None:
            raise ValueError(f"`researcher`: {lacks}")
        question = asked.question or task.description
        if not question:
            raise ValueError("input of `researcher`: 'question' is missing, and the task has no description")
        from .research import research

        return await research(equipment, question, asked.folder, task, results, config, comment, previous)

    model = equipment.model
    lacks = NO_MODEL if model is None else _no_workspace(equipment)
    return replace(work, model=None if model is None else model_name(model), lacks=lacks)


def _no_workspace(equipment: Equipment) -> str:
    from ...tools.workspace import NO_WORKSPACE

    return NO_WORKSPACE if equipment.workspace is None else ""
