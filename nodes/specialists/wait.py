"""`wait`: a specialist that does no work, for rehearsals and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ...schema.plan import Task
from ...schema.results import TaskResult
from ..specialist import specialist


class WaitFailed(Exception):
    """What `wait` raises when it was told to fail; worth another attempt."""


class WaitInput(BaseModel):
    """What `wait` can be told."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)
    output: JsonValue = None
    fail_times: int = Field(0, ge=0)
    fail: str | None = None
    hang: bool = False


@specialist("wait", description="Sleeps, then returns what it is told to: a stand-in for real work.", pure=True)
async def wait(task: Task, results: Mapping[str, TaskResult], attempt: int) -> Any:
    """Sleep `seconds`, then return `output` (default: the task's id and the ids of its dependencies' results)."""
    try:
        given = WaitInput.model_validate(task.input or {})
    except ValidationError as error:
        raise ValueError(f"input of `wait`: {_told(error)}") from None
    if given.hang:
        await asyncio.Event().wait()
    await asyncio.sleep(given.seconds)
    if given.fail is not None:
        raise WaitFailed(given.fail)
    if attempt <= given.fail_times:
        raise WaitFailed(f"attempt {attempt} was told to fail")
    if isinstance(task.input, dict) and "output" in task.input:
        return given.output
    return {"task_id": task.id, "results": list(results)}


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown field {field!r}; it takes {', '.join(WaitInput.model_fields)}"
    return f"{field}: {first['msg']}" if field else f"expected an object, got {first['input']!r}"
