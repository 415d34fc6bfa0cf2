"""What flows through the graph, and the public names of plans and results."""

from __future__ import annotations

from .schema.errors import EventsError, FanwiseError, PlanError, Problem, RunError
from .schema.plan import Fallback, Plan, PlanConfig, Retry, Task, TaskPolicy
from .schema.results import (
    CheckReport,
    Finding,
    Metrics,
    Report,
    Summary,
    TaskResult,
    TaskStatus,
)

__all__ = [
    "CheckReport",
    "EventsError",
    "Fallback",
    "FanwiseError",
    "Finding",
    "Metrics",
    "Plan",
    "PlanConfig",
    "PlanError",
    "Problem",
    "Report",
    "Retry",
    "RunError",
    "Summary",
    "Task",
    "TaskPolicy",
    "TaskResult",
    "TaskStatus",
]
