"""Options that several commands share, and the kinds of values that they take."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DB = ".fanwise/runs.db"

GRACE_S = 30.0
"""Seconds that running tasks have to come to their end when the run is stopped."""


def positive_seconds(value: str) -> float:
    """Return a positive, finite number of seconds; anything else is bad usage."""
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number of seconds") from None
    if not math.isfinite(number) or number <= 0:
        raise click.BadParameter(f"{value!r} is not a positive, finite number of seconds")
    return number


def address(value: str) -> str:
    """Return a port, or a host and a port; anything else is bad usage."""
    if not re.fullmatch(r"([^\s:]+:)?\d{1,5}", value) or int(value.rpartition(":")[2]) > 65535:
        raise click.BadParameter(f"{value[:80]!r} is no PORT or HOST:PORT")
    return value


def some_seconds(value: str) -> float:
    """Return a finite number of seconds that is not negative; anything else is bad usage."""
    return 0.0 if value.strip() == "0" else positive_seconds(value)


class Age(NamedTuple):
    """A duration as it was given."""

    text: str
    duration: timedelta


def age(value: str) -> Age:
    """Return a duration such as `30d`, `12h` or `90m`; anything else is bad usage."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])", value.strip().lower())
    try:
        if found is not None:
            return Age(found[0], timedelta(**{_UNITS[found[2]]: float(found[1])}))
    except OverflowError:
        pass
    raise click.BadParameter(f"{value[:40]!r} is no duration: write it as 30d, 12h, 90m, 45s or 2w")


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def thread_id(value: str) -> str:
    """Return the name of a run; an empty, long or unprintable one is bad usage."""
    if not re.fullmatch(r"\S(.{0,198}\S)?", value) or not value.isprintable():
        raise click.BadParameter(f"{value[:80]!r} can't name a run: give 1 to 200 printable characters")
    return value


def name_and_value(text: str) -> tuple[str, Any]:
    """Return a parameter, `NAME=VALUE`; the value is JSON where it reads as JSON, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name.strip(), json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return name.strip(), value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _stack(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value on standard output, nothing else.")

output_options = _stack(
    json_option,
    click.option("-q", "--quiet", is_flag=True, help="No progress and no notes, only the result and errors."),
    click.option(
        "-v", "--verbose", is_flag=True, help="Progress as plain lines, with every step; tracebacks of internal errors."
    ),
)

db_option = click.option(
    "--db",
    default=DEFAULT_DB,
    show_default=True,
    metavar="PATH|URL",
    help="Where runs are kept: a SQLite file, postgresql://USER:PASSWORD@HOST/NAME, or `memory` (not kept).",
)

specialists_option = click.option(
    "--specialists",
    "specialist_sources",
    multiple=True,
    metavar="FILE.py|MODULE",
    help="Python code whose specialists tasks can name; may be given again.",
)

workflows_option = click.option(
    "--workflows", "folders", multiple=True, metavar="DIR", help="A folder of your own workflow files."
)

max_parallel_option = click.option(
    "--max-parallel", type=click.IntRange(min=1), metavar="N", help="Tasks that work at the same time."
)

deadline_option = click.option(
    "--deadline",
    type=positive_seconds,
    metavar="S",
    help="Seconds for the run, from now; what is left then is cancelled.",
)

trace_option = click.option(
    "--trace-dir", metavar="DIR", help="Write a JSON trace of each task, and an index, into this folder."
)

interactive_option = click.option(
    "-i",
    "--interactive",
    is_flag=True,
    help="Ask in this terminal what a person has to decide, while other tasks go on.",
)

grace_option = click.option(
    "--grace",
    type=some_seconds,
    default=str(int(GRACE_S)),
    metavar="S",
    help=f"Seconds that running tasks have to end when the run is stopped [{GRACE_S:g}].",
)

metrics_options = _stack(
    click.option(
        "--metrics-port",
        type=address,
        metavar="[HOST:]PORT",
        help="Serve metrics for Prometheus while the run goes on.",
    ),
    click.option(
        "--metrics-file", metavar="PATH", help="Write metrics into this file, for Prometheus' textfile collector."
    ),
)

size_options = _stack(
    click.option("--max-tasks", type=click.IntRange(min=1), metavar="N", help="Accept plans of up to N tasks [10000]."),
    click.option(
        "--max-bytes", type=click.IntRange(min=1), metavar="N", help="Accept files of up to N bytes [16 MiB]."
    ),
)

run_options = _stack(
    output_options,
    db_option,
    click.option("--thread", type=thread_id, metavar="ID", help="Name of the run; a new one if not given."),
    max_parallel_option,
    click.option(
        "--timeout", type=positive_seconds, metavar="S", help="Seconds for each attempt; a task's own goes first."
    ),
    deadline_option,
    click.option("--schedule", type=click.Choice(["dataflow", "phased"]), help="When a task may start."),
    click.option("--review-plan", is_flag=True, help="Let a person look at the plan before anything runs."),
    interactive_option,
    grace_option,
    trace_option,
    metrics_options,
    specialists_option,
    size_options,
)

going_on_options = _stack(
    output_options,
    db_option,
    max_parallel_option,
    deadline_option,
    interactive_option,
    grace_option,
    trace_option,
    metrics_options,
    specialists_option,
)
"""Options of what goes on with a run."""
