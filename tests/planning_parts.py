"""What tests of planning with a model share: specialists, answers, and a planner that asks a scripted server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from openai_server import OpenAIServer

from fanwise.nodes.planning import ModelPlanner
from fanwise.nodes.specialist import Specialist, specialist
from fanwise.plans.registry import Workflow

MakePlanner = Callable[..., tuple[ModelPlanner, OpenAIServer]]


@specialist(
    "fetch",
    description="Counts the rows of a page",
    pure=True,
    input_schema={
        "type": "object",
        "properties": {"page": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
        "required": ["page"],
        "additionalProperties": False,
    },
)
def fetch(task: Any) -> Any:
    """Never called here."""


@specialist("report", description="Writes a report")
def report(task: Any) -> Any:
    """Never called here."""


def coder(task: Any) -> Any:
    """Never called here."""


SPECIALISTS = {
    "fetch": fetch,
    "report": report,
    "coder": Specialist("coder", coder, "Writes code", lacks="it needs a workspace: give --workspace"),
}


NIGHTLY = Workflow.model_validate(
    {
        "name": "nightly",
        "aliases": ["night"],
        "description": "Looks at last night.",
        "params": {"page": {"description": "the page", "required": True}, "host": {"default": None}},
        "config": {"max_parallel": 3},
        "tasks": [
            {"id": "get", "specialist": "fetch", "input": {"page": "{{params.page}}"}},
            {"id": "sum", "specialist": "report", "depends_on": ["get"], "run_if": "all_done"},
        ],
    }
)


def planned(*tasks: Mapping[str, Any], **more: Any) -> str:
    """Return an answer with some tasks, which are of `report` where they do not say otherwise."""
    full = [{"specialist": "report", "description": "Do it", "input": {}, "depends_on": [], **task} for task in tasks]
    return json.dumps({"workflow": None, "params": {}, "tasks": full, "reply": "", **more})
