"""The work of `researcher`: an agent with the tools that read a workspace, and the check of what it cites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, Field

from ....schema.plan import Task
from ....schema.results import TaskResult
from ...call import in_thread
from ...tools.file_search import search_tools
from ...tools.files import reading_tools
from ...tools.workspace import Workspace
from ..equipment import Equipment
from .agent import Agent, task_text
from .citations import Finding, checked

MAX_MODEL_CALLS = 30

PROMPT = """You answer a question from the files of a workspace, which you can list, search and read, and not change.
Search first, with several words and spellings at the same time; then read the places that matter.
Every finding cites the file and the lines that show it, and quotes a few words of them exactly as they stand there.
State nothing that the files do not show. What they do not answer belongs into `open_questions`."""


class Research(BaseModel):
    """The answer, with what shows it."""

    answer: str = Field(description="the answer in a few sentences")
    findings: list[Finding] = Field(description="what the files show, each with the places that show it")
    open_questions: list[str] = Field(default_factory=list, description="what the files do not answer")


async def research(
    equipment: Equipment,
    question: str,
    folder: str,
    task: Task,
    results: Mapping[str, TaskResult],
    config: RunnableConfig,
    comment: str,
    previous: Any,
) -> dict[str, Any]:
    """Return a `Research` whose citations hold, and what was dropped; there have to be a model and a workspace."""
    assert equipment.model is not None and equipment.workspace is not None
    workspace = Workspace(equipment.workspace)
    where = "" if folder == "." else f"\nIt is about the folder {workspace.locate(folder)!r}."
    asking = task.model_copy(update={"description": question + where, "input": None})
    tools = [*reading_tools(workspace), *search_tools(workspace)]
    agent = Agent("researcher", PROMPT, tools, Research, max_model_calls=MAX_MODEL_CALLS)
    said = await agent.work(equipment.model, task_text(asking, results, comment, previous), config)
    found = Research.model_validate(said)
    kept, dropped = await in_thread(lambda: checked(workspace, found.findings), name="fanwise-citations")
    return {**found.model_dump(), "findings": kept, "dropped": dropped}
