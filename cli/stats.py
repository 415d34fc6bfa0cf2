"""`fanwise stats`: metrics over the runs in a database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from .kinds import Age, age
from .options import db_option, json_option

if TYPE_CHECKING:
    from ..graph.stats import Spread, Stats

BAR = 40
"""Characters of the histogram's longest bar."""


@click.command("stats")
@click.option("--specialist", metavar="S", help="Only this specialist's attempts, and the runs in which it worked.")
@click.option("--since", type=age, metavar="AGE", help="Only runs that started since then: 7d, 12h, 90m.")
@click.option("--prune", is_flag=True, help="Delete what is old from the history, not the runs; needs --older-than.")
@click.option("--older-than", type=age, metavar="AGE", help="What started longer ago: 30d, 12h, 90m.")
@json_option
@db_option
def stats_command(
    specialist: str | None, since: Age | None, prune: bool, older_than: Age | None, as_json: bool, db: str
) -> int:
    """Show what runs and their attempts took, what tasks queued for, and what would shorten the runs.

    The history outlives the runs: `fanwise runs --prune` leaves it.
    """
    from ..graph.history_places import open_history
    from ..graph.stats import stats
    from .output import print_json, put, say

    if prune != (older_than is not None):
        raise click.UsageError("--prune and --older-than go together", click.get_current_context())
    with open_history(db, must_exist=True) as history:
        if older_than is not None:
            return _prune(history, older_than.duration, as_json=as_json)
        found = stats(history, specialist=specialist, since=since.duration if since is not None else None)
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif not found.runs and not found.attempts:
        of = f" of {specialist!r}" if specialist else ""
        say(f"no runs{of} were noted {'in that time' if since else 'yet'}")
    else:
        put(stats_text(found))
    return 0


def _prune(history: object, older_than: timedelta, *, as_json: bool) -> int:
    from datetime import UTC, datetime

    from ..graph.history import History
    from .output import print_json, put

    assert isinstance(history, History)
    runs, attempts = history.prune((datetime.now(UTC) - older_than).isoformat())
    if as_json:
        print_json({"runs": runs, "attempts": attempts})
    else:
        put(f"{runs} run{'s' * (runs != 1)} and {attempts} attempt{'s' * (attempts != 1)} deleted from the history")
    return 0


def stats_text(found: Stats) -> str:
    """Return metrics as text: totals, a histogram, specialists, critical tasks, bottlenecks."""
    parts = [_totals(found), _histogram(found), _specialists(found), _critical(found), _bottlenecks(found)]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _totals(found: Stats) -> list[str]:
    from ..nodes.summary.text import seconds
    from ..schema.words import counted

    ended = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in found.by_status.items())
    lines = [
        f"runs        {found.runs}: {ended}",
        f"parallel    {_percent(found.parallel_runs)} of the runs, {_percent(found.parallel_share)} of their time; "
        f"mean speedup {'-' if found.mean_speedup is None else f'{found.mean_speedup:g}'}",
        f"attempts    {found.attempts} of {counted(found.tasks, 'task')}; {_percent(found.error_rate)} failed, "
        f"{_percent(found.timeout_rate)} timed out",
        f"worked      {_spread(found.duration_s)}",
        f"queued      {_spread(found.queued_s)}",
    ]
    if found.waits:
        causes = [f"{wait.cause} {seconds(wait.seconds)} ({wait.share:.0%})" for wait in found.waits[:5]]
        lines.append(f"queued for  {', '.join(causes)}")
    if found.usage:
        lines.append(f"used        {_usage(found.usage)}")
    lines += [f"{'  ' + name:<12}{_usage(usage)}" for name, usage in found.own_usage.items()]
    return lines


def _histogram(found: Stats) -> list[str]:
    filled = [index for index, bucket in enumerate(found.histogram) if bucket.count]
    if not filled:
        return []
    most = max(bucket.count for bucket in found.histogram)
    lines = ["attempts by what they took"]
    for bucket in found.histogram[filled[0] : filled[-1] + 1]:
        label = "more" if bucket.le_s is None else f"up to {bucket.le_s:g} s"
        bar = "#" * max(round(BAR * bucket.count / most), bool(bucket.count))
        lines.append(f"  {label:>12}  {bucket.count:>6}  {bar}".rstrip())
    return lines


def _specialists(found: Stats) -> list[str]:
    from ..nodes.summary.text import seconds
    from .output import Column, table

    titles = ("attempts", "succeeded", "timed out", "p50", "p95", "queued p95", "work")
    columns = [Column("specialist"), *(Column(title, right=True) for title in titles)]
    columns += [Column("errors", optional=True), Column("used", optional=True)]
    rows = [
        [
            one.specialist,
            str(one.attempts),
            _percent(one.success_rate),
            str(one.timed_out),
            *map(seconds, (one.duration_s.p50, one.duration_s.p95, one.queued_s.p95, one.work_s)),
            ", ".join(f"{count} {kind}" for kind, count in list(one.errors.items())[:3]),
            _usage(one.usage),
        ]
        for one in found.specialists
    ]
    return [table(columns, rows)] if rows else []


def _critical(found: Stats) -> list[str]:
    from ..nodes.summary.text import seconds
    from .output import Column, table

    columns = [
        Column("on the critical path"),
        Column("plan", optional=True),
        Column("runs", right=True),
        Column("time", right=True),
        Column("of the runs' time", right=True),
    ]
    rows = [
        [task.task_id, task.plan, f"{task.runs}/{task.of_runs}", seconds(task.seconds), _percent(task.share)]
        for task in found.critical
    ]
    return [table(columns, rows)] if rows else []


def _bottlenecks(found: Stats) -> list[str]:
    from ..nodes.summary.text import clean_lines
    from .output import wrapped

    if not found.bottlenecks:
        return []
    return ["what would shorten the runs", *(wrapped(clean_lines(f"- {text}")) for text in found.bottlenecks)]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}" if share in (0, 1) or share >= 0.1 else f"{share:.1%}"


def _spread(found: Spread) -> str:
    from ..nodes.summary.text import seconds

    return f"p50 {seconds(found.p50)}, p95 {seconds(found.p95)}, max {seconds(found.max)}"


def _usage(usage: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in usage.items())
