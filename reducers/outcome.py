"""What a finished run amounts to: its status and its metrics, from the results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..schema.dag import upward_ranks
from ..schema.results import Metrics, RunStatus
from .usage import added

Results = Mapping[str, Mapping[str, Any]]
"""Task id -> `TaskResult` as a dict."""


def run_status(tasks: Sequence[Mapping[str, Any]], results: Results, config: Mapping[str, Any]) -> RunStatus:
    """Return how a finished run ended.

    *succeeded* if every task did (a fallback counts, and what was skipped or cancelled by choice); *partial* if every
    required one did, or, with `on_failure: soft`, at least `min_success` did; else *failed*.
    """
    ended = {task["id"]: results.get(task["id"], {}) for task in tasks}
    succeeded = {task_id for task_id, result in ended.items() if result.get("status") == "succeeded"}
    good = succeeded | {task_id for task_id, result in ended.items() if result.get("by_choice")}
    if len(good) == len(tasks):
        return "succeeded"
    if all(task["id"] in good for task in tasks if task.get("required", True)):
        return "partial"
    enough = config.get("min_success")
    if config.get("on_failure") == "soft" and len(succeeded) >= (enough or 1):
        return "partial"
    return "failed"


def needed(tasks: Sequence[Mapping[str, Any]], results: Results) -> dict[str, Sequence[str]]:
    """Return the dependencies of a run's tasks, without the tasks that were cancelled or skipped by choice."""
    return {
        task["id"]: task.get("depends_on", ()) for task in tasks if not results.get(task["id"], {}).get("by_choice")
    }


def run_usage(results: Results, own: Mapping[str, Any] | None = None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return what a run used, and who: the graph's own nodes and specialists, by name."""
    by: dict[str, Any] = {name: dict(usage) for name, usage in (own or {}).items() if usage}
    for result in results.values():
        if result.get("usage"):
            by[result["specialist"]] = added(by.get(result["specialist"]), result["usage"])
    return added(*by.values()), by


def run_metrics(
    tasks: Sequence[Mapping[str, Any]],
    results: Results,
    supersteps: int,
    own: Mapping[str, Any] | None = None,
    currency: str | None = None,
) -> Metrics:
    """Count results by status and measure the run: makespan, sequential time, speedup, critical path, usage.

    Args:
        tasks: the plan's tasks.
        results: what became of them.
        supersteps: supersteps in which specialists ran.
        own: what the graph's own nodes have used, by their names.
        currency: what costs are in.
    """
    usage, usage_by = run_usage(results, own)
    counts = Counter(result["status"] for result in results.values())
    durations = {task["id"]: float(results.get(task["id"], {}).get("duration_s") or 0.0) for task in tasks}
    sequential = sum(durations.values())
    makespan = _makespan_s(results)
    return Metrics(
        tasks=len(tasks),
        **{name: counts[name] for name in ("succeeded", "failed", "timed_out", "skipped", "cancelled")},
        makespan_s=round(makespan, 6),
        sequential_s=round(sequential, 6),
        speedup=round(sequential / makespan, 3) if makespan > 0 else None,
        critical_path_s=round(max(upward_ranks(needed(tasks, results), durations).values(), default=0.0), 6),
        supersteps=supersteps,
        usage=usage,
        usage_by=usage_by,
        currency=currency or "",
    )


def _makespan_s(results: Results) -> float:
    starts = [r["started_at"] for r in results.values() if r.get("started_at")]
    ends = [r["finished_at"] for r in results.values() if r.get("started_at") and r.get("finished_at")]
    if not starts or not ends:
        return 0.0
    return (datetime.fromisoformat(max(ends)) - datetime.fromisoformat(min(starts))).total_seconds()
