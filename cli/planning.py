"""`fanwise validate` and `fanwise explain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .options import db_option, json_option, output_options, size_options, specialists_option
from .running import STDIN, load_plan


@click.command("validate")
@click.argument("plan", metavar="PLAN|-")
@output_options
@specialists_option
@size_options
def validate_command(
    plan: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    specialist_sources: tuple[str, ...],
    max_tasks: int | None,
    max_bytes: int | None,
) -> int:
    """Refuse or accept a plan, listing every problem."""
    from ..schema.errors import PlanError
    from .exits import REFUSED, SUCCEEDED
    from .failures import problem_object
    from .output import clean_lines, print_json, put, results_only, say
    from .user_code import load_specialists

    with results_only():
        specialists = load_specialists(specialist_sources)
    try:
        loaded = _validated(plan, specialists, max_tasks, max_bytes)
    except PlanError as error:
        if as_json:
            print_json({"ok": False, "problems": [problem_object(problem) for problem in error.problems]})
        say(f"error: {clean_lines(str(error))}")
        return REFUSED
    warnings = _warnings(loaded, specialists)
    if as_json:
        print_json({"ok": True, "problems": [], "warnings": warnings, "tasks": len(loaded.tasks)})
        return SUCCEEDED
    for text in warnings:
        say(clean_lines(f"warning: {text}"))
    if not quiet:
        put(clean_lines(f"ok: {_counts(loaded)}"))
    return SUCCEEDED


def _validated(plan: str, specialists: Any, max_tasks: int | None, max_bytes: int | None) -> Any:
    """Return a plan that `fanwise run` would take: the command has no functions of its own to combine outputs.

    Raises:
        PlanError: it is refused; every problem has its line or field.
    """
    from ..nodes.specialists import known_names
    from ..schema.checks import MAX_TASKS, check_exclusives
    from ..schema.document import read_document
    from ..schema.errors import PlanError
    from ..schema.plan import Plan
    from ..schema.source import MAX_BYTES
    from ..schema.task_checks import check_written_functions

    size = max_bytes or MAX_BYTES
    source, name = (sys.stdin.buffer.read(size + 1), STDIN) if plan == "-" else (Path(plan), None)
    document = read_document(source, max_bytes=size, name=name)
    root = ("tasks",) if isinstance(document.data, list) else ()
    limit = max_tasks or MAX_TASKS
    try:
        loaded = Plan.from_document(document, max_tasks=limit, specialists=known_names(specialists))
    except PlanError as error:
        too_many = len(_tasks(document.data)) > limit
        unknown = [] if too_many else document.located(check_written_functions(document.data), root=root)
        problems = dict.fromkeys((*error.problems, *unknown))
        raise PlanError(sorted(problems, key=_line), document.source) from None
    unknown = check_written_functions(document.data)
    unknown += check_exclusives(loaded, {item.name for item in specialists if item.exclusive})
    if unknown:
        raise PlanError(document.located(unknown, root=root), document.source)
    return loaded


def _tasks(data: Any) -> Any:
    tasks = data.get("tasks") if isinstance(data, dict) else data
    return tasks if isinstance(tasks, list) else ()


def _line(problem: Any) -> tuple[int, int]:
    return (problem.line or 0, problem.column or 0) if problem.line else (0, 0)


def _counts(plan: Any) -> str:
    from ..schema.dag import phases

    needs = sum(len(task.depends_on) for task in plan.tasks)
    levels = len(phases({task.id: task.depends_on for task in plan.tasks}))
    names = len({task.specialist for task in plan.tasks})
    counted = ((len(plan.tasks), "task"), (names, "specialist"), (levels, "phase"))
    words = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted]
    return f"{', '.join(words)}, {needs} dependenc{'y' if needs == 1 else 'ies'}"


def _warnings(plan: Any, specialists: Any) -> list[str]:
    """Return what the plan lets pass: tasks that are skipped, files that two tasks touch without one waiting."""
    from ..nodes.specialists import known_names
    from ..schema.checks import check_specialists
    from ..schema.conflicts import unordered

    skipped = [f"{problem}; the task is skipped" for problem in check_specialists(plan, known_names(specialists))]
    touching = [
        f"{first!r} and {second!r} both touch {path!r}, and neither depends on the other: {first!r} goes first"
        for first, second, path in unordered(plan.to_state()["tasks"])
    ]
    more = f"and {len(touching) - CONFLICTS} more such pairs of tasks"
    return [*skipped, *touching[:CONFLICTS], *([more] if len(touching) > CONFLICTS else [])]


CONFLICTS = 20
"""Conflicts that are written out."""


@click.command("explain")
@click.argument("plan", metavar="PLAN|-")
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Tasks at the same time; the plan's own limit.")
@click.option("--mermaid", is_flag=True, help="Print the plan as a Mermaid flowchart, its critical path highlighted.")
@json_option
@db_option
@size_options
def explain_command(
    plan: str, slots: int | None, mermaid: bool, as_json: bool, db: str, max_tasks: int | None, max_bytes: int | None
) -> int:
    """Show what would run when: phases, critical path, expected times and speedup.

    Tasks that do not say how long they take are expected to take what the history of the runs in --db says.
    """
    if mermaid and as_json:
        raise click.UsageError("--mermaid and --json exclude each other", click.get_current_context())
    from ..graph.explain import expected_seconds, explain
    from .output import print_json, put
    from .picture import mermaid_text, plan_text

    loaded = load_plan(plan, None, max_tasks, max_bytes)
    known = _known(loaded, db)
    found = explain(loaded, slots, known)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        expected = expected_seconds(loaded, known)
        put(mermaid_text(loaded, found, expected) if mermaid else plan_text(loaded, found, expected))
    return 0


def _known(plan: Any, db: str) -> dict[str, float]:
    """Return what the history knows of the specialists' times; a history that can't be read is worth a note."""
    from ..graph.estimates import known_seconds
    from ..graph.history import estimates
    from ..graph.history_places import open_history
    from ..schema.errors import RunError
    from .output import clean_lines, say

    try:
        with open_history(db) as history:
            return known_seconds(estimates(history, {task.specialist for task in plan.tasks}, plan.name))
    except RunError as error:
        say(clean_lines(f"note: the times are without history: {error}"))
        return {}
