"""`fanwise run` and `fanwise ask`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    name_and_value,
    run_options,
    workflows_option,
)

if TYPE_CHECKING:
    from ..nodes.specialist import Specialist
    from ..schema.plan import Plan
    from .job import Job

STDIN = "standard input"


@click.command("run")
@click.argument("plan", metavar="PLAN|-")
@run_options
def run_command(plan: str, **options: Any) -> int:
    """Run a plan file (YAML, JSON or TOML), or one from standard input.

    Options that are given here win over the plan's own configuration.
    """
    job, specialists = _prepared({**options, "plan": plan})
    loaded = load_plan(plan, specialists, options["max_tasks"], options["max_bytes"])
    return _started(job, specialists, {"plan": loaded.to_state()}, options, plan=loaded)


@click.command("ask")
@click.argument("text", required=False, default="")
@click.option("--workflow", metavar="NAME", help="The workflow to run; by default the request's words choose it.")
@click.option(
    "--param",
    "params",
    type=name_and_value,
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the workflow; JSON where it reads as JSON, else text. May be given again.",
)
@click.option("--events", metavar="PATH", help="The event log that is asked about: a file or a folder.")
@workflows_option
@run_options
def ask_command(
    text: str,
    workflow: str | None,
    params: tuple[tuple[str, Any], ...],
    events: str | None,
    folders: tuple[str, ...],
    **options: Any,
) -> int:
    """Plan a request, run it, and print the summary."""
    named = _named(params)
    if events is not None:
        named["events"] = os.path.abspath(events) if events and "://" not in events else events
    if not text.strip() and workflow is None:
        raise click.UsageError("nothing is asked: give a TEXT, or --workflow NAME", click.get_current_context())
    _check_has_log(workflow, named, folders)
    job, specialists = _prepared(options)
    given = {"request": text, "workflow": workflow, "params": named}
    started_with = {name: value for name, value in given.items() if value}
    return _started(job, specialists, started_with, options, folders=folders)


def load_plan(
    plan: str, specialists: list[Specialist] | None, max_tasks: int | None = None, max_bytes: int | None = None
) -> Plan:
    """Read a plan whose tasks may name the given specialists and the built-in ones; any others too with `None`.

    Raises:
        PlanError: it is refused; every problem has its line or field.
    """
    from ..nodes.specialists import known_names
    from ..schema.checks import MAX_TASKS
    from ..schema.plan import Plan
    from ..schema.source import MAX_BYTES

    max_tasks, max_bytes = max_tasks or MAX_TASKS, max_bytes or MAX_BYTES
    known = None if specialists is None else known_names(specialists)
    if plan == "-":
        text = sys.stdin.buffer.read(max_bytes + 1)
        return Plan.load(text, specialists=known, name=STDIN, max_tasks=max_tasks, max_bytes=max_bytes)
    return Plan.load(Path(plan), specialists=known, max_tasks=max_tasks, max_bytes=max_bytes)


def _named(params: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in params:
        if name in named:
            raise click.UsageError(f"--param {name} is given twice", click.get_current_context())
        named[name] = value
    return named


def _check_has_log(workflow: str | None, params: Mapping[str, Any], folders: tuple[str, ...]) -> None:
    """Refuse a request about a log where no log is named, and say how to come by one."""
    from ..plans.registry import find_workflow, load_workflows

    workflows = load_workflows(*folders)
    if workflow is not None:
        wanted = find_workflow(workflow, workflows).params.get("events")
        if wanted is None or not wanted.required:
            return
    if not params.get("events"):
        message = (
            "no event log to answer from: give one with --events PATH (a file or a folder); "
            "`fanwise sample DIR` writes a sample log, then --events DIR"
        )
        raise click.UsageError(message, click.get_current_context())


def _prepared(options: Mapping[str, Any]) -> tuple[Job, list[Specialist]]:
    from ..graph.run import new_thread_id
    from .job import Job
    from .output import results_only
    from .resuming import NO_TERMINAL
    from .terminal import is_there
    from .user_code import load_specialists

    job = Job.of(options["thread"] or new_thread_id(), options)
    if job.interactive and not is_there():
        how = "leave -i out, and the run stops with what it asks, to be answered later"
        raise click.UsageError(f"{NO_TERMINAL}: {how}", click.get_current_context())
    if job.interactive and options.get("plan") == "-":
        raise click.UsageError("-i reads answers from standard input: give the plan as a file")
    with results_only():
        specialists = load_specialists(options["specialist_sources"])
    return job, specialists


def _started(
    job: Job,
    specialists: list[Specialist],
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    plan: Plan | None = None,
    folders: tuple[str, ...] = (),
) -> int:
    """Run what was given on a new thread, and print what came of it."""
    import asyncio

    from .finish import finish
    from .output import results_only
    from .starting import start

    with results_only():
        report = asyncio.run(start(job, specialists, given, plan=plan, folders=folders, max_tasks=options["max_tasks"]))
    return finish(report, job)
