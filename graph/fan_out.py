"""The edge that fans out: state in, a list of `Send` out, or the synthesizer's name when nothing is left. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from langgraph.types import Send

from ..schema.aggregate import branch_terms
from ..schema.conflicts import goes_behind, touching
from ..schema.dag import is_topological, releasable, topological
from ..schema.policy import PlanConfig
from ..schema.results import standing
from .budget import budget_of
from .estimates import estimated_seconds, known_seconds
from .names import BATCH, SYNTHESIZER
from .ranks import start_ranks
from .rules import FAILED, verdict

BATCH_SIZE = 100
"""Tasks in one level of `Send`; above it, batches fan out again.

LangGraph rebuilds its list of pending writes for each task that finishes (`PregelLoop.put_writes`), which is quadratic
in the tasks of one superstep of one graph. A batch is a sub-graph with a list of its own.
"""

TASK_DEFAULTS = ("timeout_s", "retry")
"""What a task takes from the plan's configuration if it does not set it."""

LIMITS = ("max_parallel", "starts_per_s", "pools", "specialist_slots", "memory_mb", "rates")
"""What of the plan's configuration limits the tasks that work at the same time."""

REVIEW_DEFAULTS = ("review_timeout_s", "review_default")
"""The same for a task that is reviewed."""


def fan_out(state: Mapping[str, Any], *, phased: bool = False, batch_size: int = BATCH_SIZE) -> list[Send] | str:
    """Return a `Send` for each task that is to run in the next superstep.

    All unfinished tasks are sent at once, in topological order, and wait for each other on the board. With `phased`,
    or where the plan says so, only those are sent that can start or must be skipped now.

    Args:
        state: the graph's state, with the plan and the results so far.
        phased: whether to send only what is ready, whatever the plan says.
        batch_size: above this many, tasks are sent in batches of this size.
    """
    plan, results = state["plan"], state.get("results") or {}
    left = {task["id"]: task for task in plan["tasks"] if task["id"] not in results}
    if not left:
        return SYNTHESIZER
    config = effective_config(plan)
    graph = {task_id: task.get("depends_on", ()) for task_id, task in left.items()}
    chosen = list(left) if is_topological(graph) else topological(graph)  # results stand in the order of the sends
    known = known_seconds(state.get("estimates"))
    tasks = {task["id"]: task for task in plan["tasks"]}
    seconds = {task_id: estimated_seconds(task, known) for task_id, task in left.items()}
    ranks = start_ranks(tasks, graph, seconds, chosen)
    order = {task["id"]: index for index, task in enumerate(plan["tasks"])}
    if phased or config["schedule"] == "phased":
        statuses = {task_id: standing(result) for task_id, result in results.items()}
        chosen = [t for t in chosen if _is_decided(left[t], statuses)]
    groups = state.get("groups") or {}
    written = {task_id: task.get("depends_on", ()) for task_id, task in tasks.items()}
    behind = goes_behind(touching([left[task_id] for task_id in chosen], written))
    sends = [
        {
            "task": _with_defaults(left[task_id], config),
            "results": {need: results[need] for need in graph[task_id] if need in results},
            "rank": round(ranks[task_id], 6),
            "order": order[task_id],
            **({"group": groups[task_id]} if task_id in groups else {}),
            **({"after": behind[task_id]} if task_id in behind else {}),
            **({"behind_group": earlier} if (earlier := _earlier_group(left[task_id], tasks)) else {}),
            **(_combining(left[task_id], graph, tasks) if "aggregate" in left[task_id] else {}),
        }
        for task_id in chosen
    ]
    return _packed(sends, _shared(state, config, results), batch_size)


def _earlier_group(task: Mapping[str, Any], tasks: Mapping[str, Any]) -> list[int]:
    """Return the number of the group behind which a task stands, and where in its dependencies that begins."""
    own, needs = task.get("parallel_group"), task.get("depends_on", ())
    earlier = tasks[needs[-1]].get("parallel_group") if own is not None and needs else None
    if earlier is None or earlier >= own:
        return []
    first = len(needs)
    while first and tasks[needs[first - 1]].get("parallel_group") == earlier:
        first -= 1
    return [earlier, first]


def _combining(task: Mapping[str, Any], graph: Mapping[str, Sequence[str]], tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a task that combines others is told of them."""
    return {"alone": releasable(graph, task["id"]), "branches": branch_terms(task, tasks)}


def fan_out_batch(state: Mapping[str, Any]) -> list[Send]:
    """Return a `Send` for each task of a batch."""
    return [Send(send["task"]["specialist"], {**send, **state["shared"]}) for send in state["sends"]]


def effective_config(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan's configuration with every default filled in."""
    return {**_CONFIG_DEFAULTS, **(plan.get("config") or {})}


_CONFIG_DEFAULTS: dict[str, Any] = PlanConfig().model_dump(mode="json")


def _with_defaults(task: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    names = (*TASK_DEFAULTS, *REVIEW_DEFAULTS) if task.get("review") else TASK_DEFAULTS
    return {**{name: config[name] for name in names}, **task}


def _is_decided(task: Mapping[str, Any], statuses: Mapping[str, str]) -> bool:
    rule = "all_done" if "aggregate" in task else task.get("run_if", "all_success")
    return verdict(rule, task.get("depends_on", ()), statuses).action != "wait"


def _shared(state: Mapping[str, Any], config: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every branch of the superstep is told about the run."""
    starts = [result["started_at"] for result in results.values() if result.get("started_at")]
    run = {
        **{name: config[name] for name in LIMITS if config[name]},
        "estimates": _estimates(state),
        "budget": budget_of(config, results, state.get("usage"), state.get("currency")),
        **(_failing_fast(state["plan"], results) if config["on_failure"] == "fast" else {}),
        "deadline_at": state.get("deadline_at"),
        "last_start": datetime.fromisoformat(max(starts)).timestamp() if starts else None,
        "total": len(state["plan"]["tasks"]),
        "completed": len(results),
    }
    return {
        "superstep": f"{state['run_id']}:{state.get('superstep', 0)}",
        "run": {name: value for name, value in run.items() if value is not None},
    }


def _estimates(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is known of the specialists whose time-outs or hedges follow it."""
    following = {t["specialist"] for t in state["plan"]["tasks"] if t.get("adaptive_timeout") or t.get("hedge")}
    known = state.get("estimates") or {}
    return {name: known[name] for name in sorted(following) if name in known} or None


def _failing_fast(plan: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the branches of a run are told that its first failure ends."""
    optional = [task["id"] for task in plan["tasks"] if not task.get("required", True)]
    return {"on_failure": "fast", "optional": optional, "failed": first_failed(plan, results)}


def first_failed(plan: Mapping[str, Any], results: Mapping[str, Any]) -> str | None:
    """Return the first required task that has failed."""
    required = (task["id"] for task in plan["tasks"] if task.get("required", True))
    return next((task_id for task_id in required if results.get(task_id, {}).get("status") in FAILED), None)


def _packed(sends: Sequence[dict[str, Any]], shared: dict[str, Any], batch_size: int) -> list[Send]:
    if len(sends) <= batch_size:
        return [Send(send["task"]["specialist"], {**send, **shared}) for send in sends]
    return [
        Send(BATCH, {"sends": list(sends[start : start + batch_size]), "shared": shared})
        for start in range(0, len(sends), batch_size)
    ]
