"""The last node: the run's status, its metrics and the one summary that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.types import Overwrite

from ..reducers.outcome import run_metrics, run_status
from ..schema.results import Summary
from ..state import State
from .summary import Summarizer
from .summary.text import sentence


def synthesize(state: State, whole: Mapping[str, Any], lost: Sequence[str], summarizer: Summarizer) -> dict[str, Any]:
    """Return the update that ends a run.

    Args:
        state: the run's state.
        whole: its results, with their large outputs.
        lost: what is to be said of outputs that are not there any more.
        summarizer: writes the summary.
    """
    plan, results = state["plan"], state.get("results") or {}
    tasks = plan["tasks"]
    ordered = {task["id"]: results[task["id"]] for task in tasks if task["id"] in results}
    rejected = state.get("rejected")
    if rejected is not None:
        return {"status": "cancelled", "summary": _nothing_ran(rejected), "metrics": _metrics(tasks, ordered, state)}
    warnings = [*(state.get("warnings") or ()), *lost]
    read = {task_id: whole[task_id] for task_id in ordered}
    summary = summarizer(read, request=state.get("request") or "", plan=plan, warnings=warnings)
    update: dict[str, Any] = {
        "status": run_status(tasks, ordered, plan.get("config") or {}),
        "summary": summary.model_dump(mode="json"),
        "metrics": _metrics(tasks, ordered, state),
    }
    if list(ordered) != list(results):
        update["results"] = Overwrite(ordered)
    return update


def _nothing_ran(reason: str) -> dict[str, Any]:
    return Summary(text=f"{sentence(reason[:1].upper() + reason[1:])} Nothing was run.").model_dump(mode="json")


def _metrics(tasks: Sequence[Mapping[str, Any]], results: Mapping[str, Any], state: State) -> dict[str, Any]:
    return run_metrics(tasks, results, state.get("superstep", 0)).model_dump(mode="json")
