"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..runs.setup import EMBEDDINGS
from .kinds import (
    address,
    log_path,
    positive_amount,
    positive_seconds,
    role_and_model,
    some_seconds,
    thread_id,
    with_environment,
)
from .streamed import event_lines

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DB = ".fanwise/runs.db"

GRACE_S = 30.0
"""Seconds that running tasks have to come to their end when the run is stopped."""


def stack(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Return several options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value on standard output, nothing else.")

output_options = stack(
    json_option,
    click.option("-q", "--quiet", is_flag=True, help="No progress and no notes, only the result and errors."),
    click.option(
        "-v",
        "--verbose",
        count=True,
        help="Progress as plain lines, with every step; tracebacks of internal errors. -vv: the log too.",
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
    metavar="FILE|MODULE",
    help="Python code whose specialists and reducers tasks can name, or a YAML file that describes one specialist; "
    "may be given again.",
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

log_option = click.option("--log-json", is_flag=True, help="The log on standard error, as JSON lines.")

progress_option = click.option(
    "--progress",
    type=click.Choice(["jsonl"]),
    callback=event_lines,
    help="Each event as a line of JSON on standard output, and at last the report.",
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

metrics_options = stack(
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

size_options = stack(
    click.option("--max-tasks", type=click.IntRange(min=1), metavar="N", help="Accept plans of up to N tasks [10000]."),
    click.option(
        "--max-bytes", type=click.IntRange(min=1), metavar="N", help="Accept files of up to N bytes [16 MiB]."
    ),
)

model_option = click.option(
    "--model",
    "models",
    type=role_and_model,
    multiple=True,
    callback=with_environment,
    metavar="[ROLE=]NAME",
    help="A chat model, such as openai:gpt-4.1-mini, for planning, specialists and the summary, or for one ROLE of "
    "planner, specialists, summary. May be given again. FANWISE_MODEL says it for roles that are not given.",
)

embeddings_option = click.option(
    "--embeddings",
    envvar=EMBEDDINGS,
    metavar="NAME",
    help="An embedding model, such as openai:text-embedding-3-small, that finds memories by meaning. "
    "FANWISE_EMBEDDINGS says it where it is not given.",
)

folder = click.Path(exists=True, file_okay=False, resolve_path=True)
file = click.Path(exists=True, dir_okay=False, resolve_path=True)

events_option = click.option(
    "--events",
    type=log_path,
    metavar="PATH|URL",
    help="The event log that is asked about: a file, a folder, splunk://HOST?index=NAME, or a file *.events.yaml that "
    "says where events are.",
)

setup_options = stack(
    model_option,
    embeddings_option,
    click.option("--workspace", type=folder, metavar="DIR", help="The folder that coding specialists read and write."),
    click.option("--notes", type=folder, metavar="DIR", help="A folder with your notes."),
    click.option("--mcp-config", type=file, metavar="FILE", help="MCP servers whose tools specialists may use."),
    click.option("--prices", type=file, metavar="FILE", help="What models cost, per million tokens."),
    click.option(
        "--allow-command",
        "commands",
        multiple=True,
        metavar="NAME",
        help="A command that agents may run in the workspace, besides python, pytest and ruff. May be given again.",
    ),
    click.option("--no-approval", is_flag=True, help="Let agents run those commands without asking a person."),
)

limit_options = stack(
    click.option(
        "--max-rounds",
        type=click.IntRange(min=1),
        metavar="N",
        help="Rounds: after each but the last, the model may add tasks [1].",
    ),
    click.option(
        "--max-tokens", type=click.IntRange(min=1), metavar="N", help="Tokens of models that the run may use."
    ),
    click.option("--max-cost", type=positive_amount, metavar="X", help="What they may cost, as --prices has it."),
)

run_options = stack(
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
    log_option,
    progress_option,
    trace_option,
    metrics_options,
    limit_options,
    events_option,
    setup_options,
    specialists_option,
    size_options,
)

going_on_options = stack(
    output_options,
    db_option,
    max_parallel_option,
    deadline_option,
    interactive_option,
    grace_option,
    log_option,
    progress_option,
    trace_option,
    metrics_options,
    events_option,
    setup_options,
    specialists_option,
)
"""Options of what goes on with a run."""
