"""A plan as a person sees it: a table of phases, or a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.explain import Explanation
from ..nodes.summary.text import clean
from ..schema.plan import Plan
from .output import Column, line_width, seconds, table, wrapped

TASKS = 200
"""Tasks of one phase that the table lists."""


def plan_text(plan: Plan, found: Explanation, expected: Mapping[str, float]) -> str:
    """Return phases, critical path and times as text; `expected` are the seconds of each task."""
    by_id = {task.id: task for task in plan.tasks}
    critical = set(found.critical_path)
    rows: list[list[str]] = []
    for number, phase in enumerate(found.phases, 1):
        for task_id in phase[:TASKS]:
            task = by_id[task_id]
            mark = "*" if task_id in critical else ""
            waits = ", ".join(task.depends_on)
            rows.append([task_id, str(number), task.specialist, seconds(expected[task_id]), mark, waits])
        if len(phase) > TASKS:
            rows.append([f"… and {len(phase) - TASKS} more", str(number), "", "", "", ""])
    columns = [
        Column("task"),
        Column("phase", right=True),
        Column("specialist", optional=True),
        Column("expected", right=True),
        Column("critical"),
        Column("depends on", optional=True),
    ]
    return "\n".join([table(columns, rows), "", *map(wrapped, _totals(found))])


def _totals(found: Explanation) -> list[str]:
    slots = "no limit on slots" if found.slots is None else f"{found.slots} slot{'s' if found.slots != 1 else ''}"
    path = " > ".join(clean(task, 60) for task in found.critical_path)
    width = max(line_width(), 40) - 17
    return [
        f"critical path    {clean(path, width)}",
        f"                 {seconds(found.critical_path_s)} of {seconds(found.total_s)} work in {found.tasks} tasks",
        f"expected         {seconds(found.expected_makespan_s)} with {slots}, speedup {found.speedup:g}",
        f"phase by phase   {seconds(found.phased_makespan_s)}",
        f"lower bound      {seconds(found.lower_bound_s)}",
    ]


def mermaid_text(plan: Plan, found: Explanation, expected: Mapping[str, float]) -> str:
    """Return the plan as a Mermaid flowchart; ids and labels are safe whatever the plan holds."""
    node = {task.id: f"t{number}" for number, task in enumerate(plan.tasks)}
    lines = ["flowchart LR"]
    for task in plan.tasks:
        label = "<br/>".join((_escaped(task.id), _escaped(f"{task.specialist}, {seconds(expected[task.id])}")))
        lines.append(f'    {node[task.id]}["{label}"]')
    steps = set(zip(found.critical_path, found.critical_path[1:], strict=False))
    edges = [(need, task.id) for task in plan.tasks for need in task.depends_on]
    lines += [f"    {node[a]} {'==>' if (a, b) in steps else '-->'} {node[b]}" for a, b in edges]
    lines.append("    classDef critical stroke:#c0392b,stroke-width:3px")
    lines.append(f"    class {','.join(node[task] for task in found.critical_path)} critical")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Return a label in which only letters, digits and a few marks stand for themselves."""
    return "".join(c if c.isalnum() or c in " ._-,:/" else f"#{ord(c)};" for c in clean(text, 80))
