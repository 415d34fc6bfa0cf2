"""Specialists that note each time that they are at work, so that work done twice is seen."""

from __future__ import annotations

import asyncio
from pathlib import Path

from langgraph.types import interrupt

from fanwise.graph import specialist


def _note(task):
    """Note that a task is at work; return how often it was before."""
    with Path(task.input["notes"]).open("a+") as notes:
        notes.seek(0)
        before = notes.read().split().count(task.id)
        notes.write(f"{task.id}\n")
        return before


@specialist("noted", description="Notes that it is at work, and takes its time when it is for the first time")
async def noted(task):
    before = await asyncio.to_thread(_note, task)
    await asyncio.sleep(0 if before else task.input.get("seconds", 0))
    return "x" * task.input.get("bytes", 1)


@specialist("asks", description="Asks when")
async def asks(task):
    return {"when": interrupt({"question": "When?"})}
