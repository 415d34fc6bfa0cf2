"""`fanwise validate` and `fanwise explain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import db_option, json_option, output_options, size_options, specialists_option
from .running import STDIN, load_plan

if TYPE_CHECKING:
    from ..nodes.specialist import Specialist
    from ..nodes.specialists.equipment import Equipment
    from ..runs.user_code import OwnCode
    from ..schema.errors import Problem
    from ..schema.plan import Plan


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
    from ..nodes.summary.text import clean_lines
    from ..schema.errors import PlanError
    from .exits import REFUSED, SUCCEEDED
    from .failures import problem_object
    from .output import print_json, put, say
    from .setup import load_quietly

    own = load_quietly(specialist_sources)
    try:
        loaded = validated(plan, own, max_tasks, max_bytes)
    except PlanError as error:
        if as_json:
            print_json({"ok": False, "problems": [problem_object(problem) for problem in error.problems]})
        say(f"error: {clean_lines(str(error))}")
        return REFUSED
    warnings = _warnings(loaded, own)
    if as_json:
        print_json({"ok": True, "problems": [], "warnings": warnings, "tasks": len(loaded.tasks)})
        return SUCCEEDED
    for text in warnings:
        say(clean_lines(f"warning: {text}"))
    if not quiet:
        put(clean_lines(f"ok: {_counts(loaded)}"))
    return SUCCEEDED


def validated(
    plan: str, own: OwnCode, max_tasks: int | None, max_bytes: int | None, equipment: Equipment | None = None
) -> Plan:
    """Return the plan in a file, or on standard input, that can run with the user's own code.

    Args:
        plan: the file, or `-`.
        own: the user's own code.
        max_tasks: the largest number of tasks; the usual limit if not given.
        max_bytes: the largest size of the file; the usual limit if not given.
        equipment: what the built-in specialists have; if not given, it does not matter what they lack.

    Raises:
        PlanError: it is refused; every problem has its line or field.
    """
    from ..nodes.fitting import fitted
    from ..nodes.specialists import known_names
    from ..schema.checks import MAX_TASKS
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
        loaded = Plan.from_document(document, max_tasks=limit, specialists=known_names(own.specialists))
    except PlanError as error:
        too_many = len(_tasks(document.data)) > limit
        unknown = [] if too_many else document.located(check_written_functions(document.data, own.functions), root=root)
        problems = dict.fromkeys((*error.problems, *unknown))
        raise PlanError(map(_with_source, sorted(problems, key=_line)), document.source) from None
    try:
        fitted(loaded, _asked(loaded, own, equipment), own.functions)
    except PlanError as error:
        raise PlanError(document.located(error.problems, root=root), document.source) from None
    return loaded


def _with_source(problem: Problem) -> Problem:
    """Return a problem with where specialists come from that are not built in."""
    from dataclasses import replace

    from ..schema.checks import UNKNOWN_SPECIALIST

    if not problem.message.startswith(UNKNOWN_SPECIALIST):
        return problem
    return replace(problem, message=f"{problem.message} (one of your own comes with --specialists FILE)")


def _asked(plan: Plan, own: OwnCode, equipment: Equipment | None) -> dict[str, Specialist]:
    """Return the specialists that a plan may ask for; without equipment, as if they lacked nothing."""
    from dataclasses import replace

    from ..nodes.fitting import used_names
    from ..nodes.specialists import built_in
    from ..nodes.specialists.equipment import NOTHING

    found = {**built_in(equipment or NOTHING, used_names(plan)), **{item.name: item for item in own.specialists}}
    return found if equipment is not None else {name: replace(item, lacks="") for name, item in found.items()}


def _tasks(data: Any) -> Any:
    tasks = data.get("tasks", data.get("subtasks")) if isinstance(data, dict) else data
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


def _warnings(plan: Plan, own: OwnCode) -> list[str]:
    """Return what the plan lets pass: tasks that are skipped, or need something, files that two tasks touch at once."""
    from ..nodes.fitting import used_names
    from ..nodes.specialists import known_names
    from ..nodes.specialists.equipment import NOTHING
    from ..schema.checks import check_specialists
    from ..schema.idle import without_effect

    skipped = [f"{problem}; the task is skipped" for problem in check_specialists(plan, known_names(own.specialists))]
    asked = _asked(plan, own, NOTHING)
    lacking = {name: item.lacks for name, item in asked.items() if item.lacks and name in used_names(plan)}
    needing = [f"specialist {name!r} needs something when the plan is run: {lacks}" for name, lacks in lacking.items()]
    idle = list(without_effect(plan, {name for name, item in asked.items() if item.exclusive}))
    return [
        *skipped,
        *needing,
        *_capped(idle, "warnings of what has no effect"),
        *conflicts_told(plan, WRITTEN_OUT),
        *_deadline_told(plan),
    ]


WRITTEN_OUT = 20
"""Warnings of one kind that are written out."""


def _capped(texts: list[str], of: str, most: int = WRITTEN_OUT) -> list[str]:
    return texts if len(texts) <= most else [*texts[:most], f"and {len(texts) - most} more {of}"]


def conflicts_told(plan: Plan, most: int = 3) -> list[str]:
    """Return in words which tasks touch the same files though neither depends on the other; so many pairs at most."""
    from ..schema.conflicts import unordered

    touching = [
        f"{first!r} and {second!r} both touch {path!r}, and neither depends on the other: {first!r} goes first"
        for first, second, path in unordered(plan.to_state()["tasks"])
    ]
    return _capped(touching, "such pairs of tasks", most)


def _deadline_told(plan: Plan) -> list[str]:
    """Return a warning where what the plan says of its own times does not fit into its deadline."""
    deadline = plan.config.deadline_s
    if deadline is None:
        return []
    from ..graph.explain import certain_seconds
    from ..nodes.summary.text import seconds

    if (takes := certain_seconds(plan)) <= deadline:
        return []
    told = f"the critical path alone takes {seconds(takes)}, and deadline_s is {deadline:g}"
    return [f"{told}: what is left then is cancelled (`fanwise explain` shows the path)"]


@click.command("explain")
@click.argument("plan", metavar="PLAN|-")
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Tasks at the same time; the plan's own limit.")
@click.option("--mermaid", is_flag=True, help="Print the plan as a Mermaid flowchart, its critical path highlighted.")
@json_option
@db_option
@specialists_option
@size_options
def explain_command(
    plan: str,
    slots: int | None,
    mermaid: bool,
    as_json: bool,
    db: str,
    specialist_sources: tuple[str, ...],
    max_tasks: int | None,
    max_bytes: int | None,
) -> int:
    """Show what would run when: phases, critical path, expected times and speedup.

    Tasks that do not say how long they take are expected to take what the history of the runs in --db says.
    --specialists tells which of your own work alone or keep a core busy; they are not called.
    """
    if mermaid and as_json:
        raise click.UsageError("--mermaid and --json exclude each other", click.get_current_context())
    from ..graph.explain import expected_seconds, explain
    from ..nodes.summary.text import clean_lines
    from .output import print_json, put, say
    from .picture import mermaid_text, plan_text
    from .setup import load_quietly

    loaded, own = load_plan(plan, max_tasks, max_bytes), load_quietly(specialist_sources)
    known = _known(loaded, db)
    found = explain(loaded, slots, known, specialists=own.specialists)
    for text in conflicts_told(loaded):
        say(clean_lines(f"warning: {text}"))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        expected = expected_seconds(loaded, known)
        put(mermaid_text(loaded, found, expected) if mermaid else plan_text(loaded, found, expected))
    return 0


def _known(plan: Any, db: str) -> dict[str, float]:
    """Return what the history knows of the specialists' times; a history that can't be read is worth a note."""
    from ..graph.estimates import known_seconds
    from ..graph.history import estimates, name_of
    from ..graph.history_places import open_history
    from ..nodes.summary.text import clean_lines
    from ..schema.errors import RunError
    from .output import say

    try:
        with open_history(db) as history:
            names = {task.specialist for task in plan.tasks}
            return known_seconds(estimates(history, names, name_of(plan.to_state())))
    except RunError as error:
        say(clean_lines(f"note: the times are without history: {error}"))
        return {}
