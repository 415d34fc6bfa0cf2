"""`debugger`: a specialist that finds out why something does not work, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ConfigDict, field_validator

from ....models.chat import model_name
from ....models.faults import worth_another_attempt
from ....schema.plan import Task
from ....schema.results import TaskResult
from ...specialist import Specialist, specialist
from ...tools.workspace import NO_WORKSPACE
from ..equipment import NO_MODEL, Equipment
from ..inputs import read_input
from .fields import also, input_schema
from .policy import RETRY

Depth = Literal["quick", "normal", "deep"]
"""How long it looks."""


class DebuggerInput(BaseModel):
    """What `debugger` can be told."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    problem: str = also("problem", "problem_description", default="")
    """What goes wrong; the task's description if not given."""
    files: list[str] = also("files", "affected_files", default=[])
    """Files of the workspace that it begins with."""
    traces: list[str] = also("traces", "error_traces", default=[])
    """Stack traces, log lines, output of tests."""
    depth: Depth = also("depth", "analysis_depth", default="normal")
    """How long it looks: `quick` up to 8 calls of the model, `normal` 20, `deep` 40."""
    hypothesis: str = ""
    """What somebody suspects; it is checked like any other."""

    @field_validator("depth", mode="before")
    @classmethod
    def _other_name(cls, given: Any) -> Any:
        return "normal" if given == "standard" else given


def debugger(equipment: Equipment) -> Specialist:
    """Return the specialist `debugger` with its equipment; its output is a `debugging.Findings`."""

    @specialist(
        "debugger",
        description="Finds the root cause of a problem in the workspace's code, with evidence, and says what to "
        "change; changes nothing itself.",
        input_schema=_schema(),
        retry_on=worth_another_attempt,
        retry=RETRY,
    )
    async def work(
        task: Task, results: Mapping[str, TaskResult], config: RunnableConfig, comment: str, previous: Any
    ) -> Any:
        from .debugging import debug

        return await debug(equipment, task, read_input(DebuggerInput, task), results, config, comment, previous)

    model = equipment.model
    lacks = NO_MODEL if model is None else NO_WORKSPACE if equipment.workspace is None else ""
    return replace(work, model=None if model is None else model_name(model), lacks=lacks)


def _schema() -> dict[str, Any]:
    schema = input_schema(DebuggerInput)
    depth = {**schema["properties"]["depth"], "enum": ["quick", "normal", "deep", "standard"]}
    return {**schema, "properties": {**schema["properties"], "depth": depth}}
