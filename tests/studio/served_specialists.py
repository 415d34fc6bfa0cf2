"""Specialists that the tests' server has beside the built-in ones."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from langgraph.types import interrupt

from fanwise.graph import specialist


@specialist("deploy", description="Asks when")
async def deploy(task):
    return {"deployed": interrupt({"question": f"When is {task.id} to be deployed?"})}


@specialist("patient", description="Works for long, and notes where it is cancelled")
async def patient(task):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.to_thread(Path(task.input["note"]).write_text, "cancelled")
        raise


@specialist("blocker", description="Blocks the event loop")
async def blocker(task):
    os.write(os.open(os.devnull, os.O_WRONLY), b"x")


class OwnError(Exception):
    """An error that servers do not know."""


@specialist("thrower", description="Raises an error of its own")
async def thrower(task):
    raise OwnError("the wheel is missing")
