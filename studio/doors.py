"""What a client of the server's own `/mcp` is shown of a run.

That door gives the client one text, the state's values as Python writes them, and of an error its kind alone; it keeps
no thread, so that nothing which a run asks could be answered there. So the last values of such a run are made for
reading: what was found, what each task came to, what was wrong, and where a run that asks can be answered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Interrupt

from ..runs.question_text import whole_text
from ..runs.questions import Asked
from ..schema.errors import FanwiseError
from .stream_items import item_of, told

MCP = "mcp-protocol-version"
"""The header that MCP's clients send with their calls; `langgraph.json` has it handed to the graph."""

ASKS = "__interrupt__"
"""Where a stream tells of questions."""

ELSEWHERE = (
    "The run waits for a person, and can't go on from here: /mcp keeps no thread. Start it again over /a2a or "
    "LangGraph's API, and answer there; or use the server that `fanwise mcp` starts, which puts questions to the user."
)


def is_mcp(config: RunnableConfig | None) -> bool:
    """Tell whether a run was asked for over `/mcp`."""
    return MCP in ((config or {}).get("configurable") or {})


async def for_mcp(stream: AsyncGenerator[Any, None], *, subgraphs: bool) -> AsyncIterator[Any]:
    """Yield what a run streams, and last the values that the client is given; a refusal is told in words."""
    values: dict[str, Any] = {}
    questions: dict[str, Interrupt] = {}
    try:
        async with aclosing(stream) as items:
            async for item in items:
                mode, value = told(item)
                if isinstance(value, Mapping) and ASKS in value:
                    questions |= {question.id: question for question in value[ASKS]}
                    continue  # the server would take it for the run's values
                if mode == "values":
                    values = value
                yield item
    except FanwiseError as error:
        yield item_of("values", {"status": "refused", "problem": str(error)}, subgraphs=subgraphs)
        return
    yield item_of("values", legible(values, questions.values()), subgraphs=subgraphs)


def legible(values: Mapping[str, Any], questions: Collection[Interrupt]) -> dict[str, Any]:
    """Return the values of a run as its client reads them: what says nothing is left out.

    Args:
        values: the state's.
        questions: what the run waits for a person to answer.
    """
    summary = {name: value for name, value in (values.get("summary") or {}).items() if value}
    tasks = {name: _outcome(result) for name, result in (values.get("results") or {}).items()}
    shown = {
        "status": "paused" if questions else values.get("status"),
        "next": ELSEWHERE if questions else "",
        "questions": [whole_text(Asked.of(question.value)) for question in questions],
        "summary": summary,
        "tasks": tasks,
        "warnings": values.get("warnings"),
    }
    return {name: value for name, value in shown.items() if value}


def _outcome(result: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: result.get(name) for name in ("status", "output", "error")}
    return {name: value for name, value in known.items() if value is not None}
