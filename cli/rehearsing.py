"""`fanwise rehearse`: a plan played through without its specialists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .kinds import positive_seconds
from .options import db_option, output_options, size_options, specialists_option
from .running import load_plan

if TYPE_CHECKING:
    from ..graph.history import History
    from ..graph.rehearse import Range, Rehearsal
    from ..runs.user_code import OwnCode
    from ..schema.plan import Plan


@click.command("rehearse")
@click.argument("plan", metavar="PLAN|-")
@click.option("--virtual", is_flag=True, help="In virtual time, many times over; the default without --speed.")
@click.option(
    "--speed", type=positive_seconds, metavar="N", help="In real time, N times faster: the graph runs, with events."
)
@click.option(
    "--draws", type=click.IntRange(1, 100_000), metavar="N", help="Plays in virtual time [200, less if large]."
)
@click.option("--seed", type=int, metavar="N", help="Makes the draws the same every time.")
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Tasks at the same time; the plan's own limit.")
@output_options
@db_option
@specialists_option
@size_options
def rehearse_command(plan: str, **options: Any) -> int:
    """Play a plan through with stand-ins for its specialists: what would it take, what would it cost?

    Times, failures and usage are drawn from the history of the runs in --db; what it lacks, around `estimated_s`.
    --specialists tells which of your own work alone or keep a core busy; they are not called.
    """
    from .output import print_json, put
    from .setup import load_quietly

    if options["virtual"] and options["speed"] is not None:
        raise click.UsageError("--virtual and --speed exclude each other", click.get_current_context())
    if options["draws"] is not None and options["speed"] is not None:
        raise click.UsageError("--draws is for virtual time, without --speed", click.get_current_context())
    loaded = load_plan(plan, options["max_tasks"], options["max_bytes"])
    found = _rehearsed(loaded, load_quietly(options["specialist_sources"]), options)
    if options["as_json"]:
        print_json(found.model_dump(mode="json"))
    else:
        put(rehearsal_text(found))
    return 0


def _rehearsed(plan: Plan, own: OwnCode, options: dict[str, Any]) -> Rehearsal:
    from ..graph.history_places import open_history

    with open_history(options["db"]) as history:
        if options["speed"] is not None:
            return _in_real_time(plan, own, history, options)
        from ..graph.rehearse import rehearse

        draws = options["draws"] or max(10, min(200, 100_000 // max(len(plan.tasks), 1)))
        drawn: dict[str, Any] = {"slots": options["slots"], "seed": options["seed"], "draws": draws}
        return rehearse(plan, history=history, specialists=own.specialists, **drawn)


def _in_real_time(plan: Plan, own: OwnCode, history: History, options: dict[str, Any]) -> Rehearsal:
    import asyncio

    from ..graph.rehearse_real import Stage
    from ..schema.errors import RunError
    from .drive import drive
    from .job import Job
    from .progress import Progress

    job = Job("rehearsal", db="memory", json=options["as_json"], quiet=options["quiet"], verbose=options["verbose"])
    drawn: dict[str, Any] = {name: options[name] for name in ("speed", "slots", "seed")}
    stage = Stage(plan, history=history, specialists=own.specialists, **drawn)
    made = asyncio.run(drive(stage.graph(), stage.given(), job, Progress()))
    if made.status in ("interrupted", "paused"):
        raise RunError("the rehearsal was stopped before its end: nothing is known of it")
    return stage.summed_up(made)


def rehearsal_text(found: Rehearsal) -> str:
    """Return what is to be expected, as text."""
    from ..nodes.summary.text import clean_lines
    from .output import wrapped

    parts = [_totals(found), _specialists(found), _critical(found)]
    if found.notes:
        parts.append([wrapped(clean_lines(f"note: {note}")) for note in found.notes])
    return "\n\n".join("\n".join(part) for part in parts if part)


def _totals(found: Rehearsal) -> list[str]:
    from ..nodes.summary.text import clean_lines, seconds

    how = "in real time" if found.mode == "real" else f"{found.draws} plays in virtual time"
    slots = "no limit on slots" if found.slots is None else f"{found.slots} slot{'s' * (found.slots != 1)}"
    use = "" if found.slot_use is None else f", taken {found.slot_use:.0%} of the time"
    ends = ", ".join(f"{share:.0%} {status}" for status, share in found.statuses.items())
    sources = ", ".join(f"{count} by {source}" for source, count in found.sources.items())
    lines = [
        clean_lines(f"{found.plan}: {found.tasks} task{'s' * (found.tasks != 1)}, {how}"),
        f"takes        {_range(found.makespan_s)}",
        f"work         {seconds(found.work_s)} in all, speedup {found.speedup:g}",
        f"slots        {slots}{use}",
        f"ends         {ends}; {found.failing_tasks:.2g} tasks a run do not succeed",
        f"known        {sources}",
    ]
    lines += [f"{name:<12} {_number(used)}" for name, used in found.usage.items()]
    return lines


def _specialists(found: Rehearsal) -> list[str]:
    from ..nodes.summary.text import seconds
    from .output import Column, table

    columns = [Column("specialist"), *(Column(title, right=True) for title in ("attempts", "failures", "work"))]
    rows = [
        [one.specialist, f"{one.attempts:g}", f"{one.failures:g}", seconds(one.work_s)] for one in found.specialists
    ]
    return [table(columns, rows)] if rows else []


def _critical(found: Rehearsal) -> list[str]:
    from .output import Column, table

    columns = [Column("on the critical path"), Column("specialist", optional=True), Column("of the plays", right=True)]
    rows = [[task.task_id, task.specialist, f"{task.share:.0%}"] for task in found.critical]
    return [table(columns, rows)] if rows and found.mode == "virtual" else []


def _range(found: Range) -> str:
    from ..nodes.summary.text import seconds

    if found.p10 == found.p90:
        return seconds(found.p50)
    return f"{seconds(found.p50)}; one run in ten below {seconds(found.p10)}, one in ten above {seconds(found.p90)}"


def _number(found: Range) -> str:
    return f"{found.p50:g} a run (p10 {found.p10:g}, p90 {found.p90:g})"
