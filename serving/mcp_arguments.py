"""What clients say, made into what a run is started with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..nodes.fitting import fitted, used_names
from ..nodes.specialists import built_in
from ..nodes.specialists.readers import READERS
from ..plans.registry import Workflow, find_workflow
from ..runs.names import checked_name
from ..schema.checks import Rules
from ..schema.errors import EventsError, FanwiseError, PlanError, Problem
from ..schema.plan import Plan
from .mcp_runs import Runs

_AGO = re.compile(r"-(\d{1,6})\s*(s|m|min|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def plan_of(runs: Runs, given: Mapping[str, Any], max_tasks: int) -> Plan:
    """Return the plan that a client gives, fit to be run here.

    Raises:
        PlanError: it is refused; every problem has its place.
    """
    rules = Rules(max_tasks=max_tasks, may_be_empty=False, specialists=runs.known)
    config = given.get("config")
    if isinstance(config, Mapping) and config.get("unknown_specialist") == "skip":
        rules = Rules(max_tasks=max_tasks, may_be_empty=False)
    plan = Plan.model_validate(dict(given), context=rules.as_context())
    here = {item.name: item for item in runs.own.specialists}
    known = {**built_in(runs.setup.equipment, used_names(plan) - set(here)), **here}
    fitted(plan, known, runs.own.functions)
    if problems := list(_forbidden(plan, runs)):
        raise PlanError(problems)
    return plan


def _forbidden(plan: Plan, runs: Runs) -> Iterator[Problem]:
    """Yield the logs that tasks name and that may not be read; those that come from results are seen when they run."""
    for number, task in enumerate(plan.tasks):
        named = task.input.get("events") if isinstance(task.input, Mapping) else None
        if task.specialist in READERS and isinstance(named, str) and "{{" not in named:
            try:
                runs.logs.allowed(named)
            except EventsError as error:
                yield Problem(str(error), f"tasks[{number}].input.events")


def to_look_at(given: Mapping[str, Any], max_tasks: int) -> Plan:
    """Return a plan that is to be looked at, not run: its tasks may name specialists that are not here.

    Raises:
        PlanError: it is refused; every problem has its place.
    """
    return Plan.model_validate(dict(given), context=Rules(max_tasks=max_tasks).as_context())


def request_of(
    runs: Runs, workflows: Mapping[str, Workflow], problem: str, workflow: str | None, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the graph's input for a problem.

    Args:
        runs: the server's runs.
        workflows: those that there are, by name.
        problem: what is asked.
        workflow: the workflow that is asked for; the problem's words choose one if not given.
        params: its parameters; those that are `None` are left out.

    Raises:
        FanwiseError: there is nothing to do, no such workflow, or a log may not be read.
    """
    if not problem.strip() and not workflow:
        raise FanwiseError("nothing is asked: give a `problem` in words, or a `workflow`")
    told = {name: value for name, value in params.items() if value is not None}
    found = find_workflow(workflow, workflows) if workflow else None
    if found is None or "events" in found.params:
        told["events"] = _log(runs, told.get("events"), is_needed=_needs_log(runs, found))
        told = {name: value for name, value in told.items() if value is not None}
    if found is not None:
        found.plan(told)
    given = {"request": problem.strip(), "workflow": workflow, "params": told}
    return {name: value for name, value in given.items() if value}


def _needs_log(runs: Runs, found: Workflow | None) -> bool:
    """Tell whether nothing can be done without a log; a model can plan requests that are about something else."""
    return not runs.setup.plans if found is None else found.params["events"].required


def _log(runs: Runs, named: Any, *, is_needed: bool) -> str | None:
    if named is None and runs.logs.own is None and not is_needed:
        return None
    return runs.logs.allowed(named)


def moment_of(name: str, text: str | None) -> str | None:
    """Return a moment as workflows take it: ISO 8601; `now`, and `-24h` and the like, count from the present.

    Raises:
        FanwiseError: it is neither.
    """
    if text is None or not text.strip():
        return None
    given = text.strip()
    now = datetime.now(UTC).replace(microsecond=0)
    if given == "now":
        return now.isoformat()
    if ago := _AGO.fullmatch(given):
        try:
            return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
        except OverflowError:
            pass
    else:
        try:
            datetime.fromisoformat(given)
            return given
        except ValueError:
            pass
    raise FanwiseError(f"{name} {given[:60]!r} is no moment: give ISO 8601 (2025-03-01T14:00:00Z), `now`, or `-24h`")


def thread_of(given: str | None) -> str | None:
    """Return the name for a run.

    Raises:
        RunError: it can't name one.
    """
    return None if given is None else checked_name(given)


def check_size(given: Any, limit: int) -> None:
    """Refuse arguments that are too large.

    Raises:
        FanwiseError: they are; the message tells the limit.
    """
    size = len(json.dumps(given, ensure_ascii=False))
    if size > limit:
        raise FanwiseError(f"the arguments have {size:,} characters, more than the limit of {limit:,}; send less")
