"""The last node: the run's status, its metrics and the one summary that a person reads."""

from __future__ import annotations

from typing import Any

from langgraph.types import Overwrite

from ..reducers.outcome import run_metrics, run_status
from ..state import State
from .summary import Summarizer


def synthesize(state: State, summarizer: Summarizer) -> dict[str, Any]:
    """Return the update that ends a run."""
    plan, results = state["plan"], state.get("results") or {}
    tasks = plan["tasks"]
    ordered = {task["id"]: results[task["id"]] for task in tasks if task["id"] in results}
    summary = summarizer(ordered, request=state.get("request") or "", plan=plan, warnings=state.get("warnings") or ())
    update: dict[str, Any] = {
        "status": run_status(tasks, ordered, plan.get("config") or {}),
        "summary": summary.model_dump(mode="json"),
        "metrics": run_metrics(tasks, ordered, state.get("superstep", 0)).model_dump(mode="json"),
    }
    if list(ordered) != list(results):
        update["results"] = Overwrite(ordered)
    return update
