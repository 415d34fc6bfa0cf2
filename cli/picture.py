"""A plan as a person sees it: a table of phases, or a Mermaid flowchart."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping, Sequence

from ..graph.explain import Explanation
from ..nodes.summary.text import clean, seconds
from ..schema.plan import Plan
from ..schema.words import counted, name_text
from .output import line_width, wrapped_line

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
            waits = ", ".join(name_text(need) for need in task.depends_on)
            rows.append([task_id, task.title, str(number), task.specialist, seconds(expected[task_id]), mark, waits])
        if len(phase) > TASKS:
            rows.append([f"… and {len(phase) - TASKS} more", "", str(number), "", "", "", ""])
    width = _width()
    notes = [piece for note in found.notes for piece in wrapped_line(clean(f"note: {note}", 2000), width)]
    totals = [*_totals(found, width), *_deadline(found)]
    return "\n".join([*_laid_out(rows, width), "", *totals, *([""] if notes else []), *notes])


PIPED = 100
"""Characters of a line where nothing says how wide one is."""

LINES = 4
"""Lines that one cell is broken into, at most."""

HEADS = ("task", "title", "phase", "specialist", "expected", "*", "depends on")
RIGHT = ("phase", "expected")
LEAST = {"task": 16, "title": 12, "specialist": 10, "depends on": 16}
"""How narrow columns become before a line gets longer than the terminal is wide."""


def _width() -> int:
    if sys.stdout.isatty():
        return line_width()
    given = os.environ.get("COLUMNS", "")
    return max(40, int(given)) if given.isdecimal() else PIPED


def _laid_out(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return rows as aligned columns whose text is broken onto further lines where it does not fit."""
    from rich.cells import cell_len

    cells = [[clean(cell, 2000) for cell in row] for row in rows]
    kept = [place for place, head in enumerate(HEADS) if head != "title" or any(row[place] for row in cells)]
    heads = [HEADS[place] for place in kept]
    table = [heads, *([row[place] for place in kept] for row in cells)]
    sizes = [max(cell_len(row[place]) for row in table) for place in range(len(heads))]
    room = width - 2 * (len(heads) - 1)
    while sum(sizes) > room:
        excess, place = max((sizes[n] - LEAST.get(head, sizes[n]), n) for n, head in enumerate(heads))
        if excess <= 0:
            break
        sizes[place] -= 1
    return [line for row in table for line in _lines(row, heads, sizes)]


def _lines(row: Sequence[str], heads: Sequence[str], sizes: Sequence[int]) -> list[str]:
    from rich.cells import cell_len, set_cell_size

    broken = [
        textwrap.wrap(cell, max(size, 4), max_lines=LINES, placeholder=" …", break_on_hyphens=False) or [""]
        for cell, size in zip(row, sizes, strict=True)
    ]
    lines = []
    for number in range(max(map(len, broken))):
        parts = []
        for pieces, head, size in zip(broken, heads, sizes, strict=True):
            text = pieces[number] if number < len(pieces) else ""
            text = text if cell_len(text) <= size else set_cell_size(text, size)
            gap = " " * (size - cell_len(text))
            parts.append(gap + text if head in RIGHT else text + gap)
        lines.append("  ".join(parts).rstrip())
    return lines


def _deadline(found: Explanation) -> list[str]:
    over = found.expected_makespan_s - (found.deadline_s or 0.0)
    if found.deadline_s is None or over <= 0:
        return []
    return [f"deadline         {seconds(found.deadline_s)}: {seconds(over)} too early, what is left then is cancelled"]


def _totals(found: Explanation, width: int) -> list[str]:
    slots = "no limit on slots" if found.slots is None else f"{found.slots} slot{'s' if found.slots != 1 else ''}"
    path = " > ".join(clean(task, 60) for task in found.critical_path)
    lines = [
        f"critical path *  {path}",
        f"                 {seconds(found.critical_path_s)} of {seconds(found.total_s)} work in "
        f"{counted(found.tasks, 'task')}",
        f"expected         {seconds(found.expected_makespan_s)} with {slots}, speedup {found.speedup:g}",
        f"phase by phase   {seconds(found.phased_makespan_s)}",
        f"lower bound      {seconds(found.lower_bound_s)}",
    ]
    broken = [
        textwrap.wrap(
            line, width, subsequent_indent=" " * 17, max_lines=2 * LINES, placeholder=" …", break_on_hyphens=False
        )
        for line in lines
    ]
    return [piece for pieces in broken for piece in pieces]


def mermaid_text(plan: Plan, found: Explanation, expected: Mapping[str, float]) -> str:
    """Return the plan as a Mermaid flowchart; ids and labels are safe whatever the plan holds."""
    node = {task.id: f"t{number}" for number, task in enumerate(plan.tasks)}
    lines = ["flowchart LR"]
    for task in plan.tasks:
        words = (task.id, task.title, f"{task.specialist}, {seconds(expected[task.id])}")
        label = "<br/>".join(_escaped(text) for text in words if text)
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
