"""`fanwise run` and `fanwise ask`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .kinds import name_and_value
from .options import run_options, workflows_option

if TYPE_CHECKING:
    from ..runs.user_code import OwnCode
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
    from ..nodes.summary.text import clean_lines
    from .output import say
    from .planning import conflicts_told, validated

    job, own = _prepared({**options, "plan": plan})
    loaded = validated(plan, own, options["max_tasks"], options["max_bytes"], job.setup.equipment)
    if not job.quiet:
        for text in conflicts_told(loaded):
            say(clean_lines(f"warning: {text}"))
    return _started(job, own, {"plan": loaded.to_state()}, options, plan=loaded)


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
@click.option(
    "--cache-plan", is_flag=True, help="Give a request the plan that the same model made of it before, if there is one."
)
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
        named["events"] = events
    if not text.strip() and workflow is None:
        raise click.UsageError("nothing is asked: give a TEXT, or --workflow NAME", click.get_current_context())
    job, own = _prepared({**options, "events": named.get("events")})
    if not job.setup.plans:
        _check_has_log(workflow, named, folders)
        _say_what_a_model_would_add(job, workflow)
    given = {"request": text, "workflow": workflow, "params": named}
    started_with = {name: value for name, value in given.items() if value}
    return _started(job, own, started_with, options, folders=folders)


def load_plan(plan: str, max_tasks: int | None = None, max_bytes: int | None = None) -> Plan:
    """Read a plan that is to be looked at, not run: its tasks may name specialists that are not here.

    Raises:
        PlanError: it is refused; every problem has its line or field.
    """
    from ..schema.checks import MAX_TASKS
    from ..schema.plan import Plan
    from ..schema.source import MAX_BYTES

    max_tasks, max_bytes = max_tasks or MAX_TASKS, max_bytes or MAX_BYTES
    if plan == "-":
        text = sys.stdin.buffer.read(max_bytes + 1)
        return Plan.load(text, name=STDIN, max_tasks=max_tasks, max_bytes=max_bytes)
    return Plan.load(Path(plan), max_tasks=max_tasks, max_bytes=max_bytes)


def _named(params: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in params:
        if name in named:
            raise click.UsageError(f"--param {name} is given twice", click.get_current_context())
        named[name] = value
    return named


def _say_what_a_model_would_add(job: Job, workflow: str | None) -> None:
    from .output import say

    if job.quiet or job.json:
        return
    planned = "" if workflow else "plan any request and "
    say(f"note: without a model, rules do the work; --model NAME (or FANWISE_MODEL) would {planned}write the summary")


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
        if workflow is None:
            message += "; or let a model answer, which needs none: --model NAME (or FANWISE_MODEL)"
        raise click.UsageError(message, click.get_current_context())


def _check_is_log(events: Any) -> None:
    """Refuse a log that is not there, or a server that can't be asked, before anything else is done.

    Raises:
        EventsError: there is nothing that could be one.
    """
    from ..events.backends import is_local
    from ..schema.errors import EventsError

    if not is_local(str(events)) or not os.path.exists(str(events)):
        from ..events.open import open_events

        open_events(str(events))
        if is_local(str(events)):
            raise EventsError(f"there is no event log {events}")


def _prepared(options: Mapping[str, Any]) -> tuple[Job, OwnCode]:
    from ..graph.going_on import new_thread_id
    from .job import Job
    from .output import results_only
    from .resuming import NO_TERMINAL
    from .terminal import is_there

    job = Job.of(options["thread"] or new_thread_id(), options)
    if options.get("max_cost") is not None and job.setup.models and job.setup.prices is None:
        how = "what models cost, per million tokens; --max-tokens needs none"
        raise click.UsageError(f"--max-cost needs --prices FILE: {how}", click.get_current_context())
    if job.interactive and not is_there():
        how = "leave -i out, and the run stops with what it asks, to be answered later"
        raise click.UsageError(f"{NO_TERMINAL}: {how}", click.get_current_context())
    if job.interactive and options.get("plan") == "-":
        raise click.UsageError("-i reads answers from standard input: give the plan as a file")
    if options.get("events"):
        _check_is_log(options["events"])
    with results_only():
        own = job.setup.load_code()
    return job, own


def _started(
    job: Job,
    own: OwnCode,
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
        report = asyncio.run(start(job, own, given, plan=plan, folders=folders, max_tasks=options["max_tasks"]))
    return finish(report, job)
