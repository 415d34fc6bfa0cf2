"""The command's group: subcommands that are imported when they are used, and what becomes of errors."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from .exits import INTERRUPTED, has_begun

COMMANDS = {
    "run": ("running", "Run a plan file, or one from standard input."),
    "ask": ("running", "Plan a request, run it, print the summary."),
    "resume": ("resuming", "Go on with a run after a stop, a crash or an answer."),
    "review": ("resuming", "Decide in the terminal what a run asks."),
    "retry": ("changing", "Run failed tasks once more."),
    "edit": ("changing", "Change a task's input or output."),
    "fork": ("changing", "Copy a run, to try something else."),
    "validate": ("planning", "Refuse or accept a plan, listing every problem."),
    "explain": ("planning", "Show what would run when, and how long it would take."),
    "rehearse": ("rehearsing", "Play a plan through without its specialists: what it would take and cost."),
    "show": ("showing", "Show the state and the results of a run."),
    "timeline": ("timeline", "Draw a run: a chart by task and by slot, and the task graph."),
    "runs": ("runs", "List the runs in the database, or delete old ones."),
    "mcp": ("mcp", "Serve runs, plans and troubleshooting to MCP clients."),
    "stats": ("stats", "Show what runs took and waited for, and what would shorten them."),
    "serve": ("serve", "Serve the graphs for Studio, chat UIs and LangGraph's clients."),
    "specialists": ("listing", "List the specialists that tasks can name."),
    "workflows": ("listing", "List the named workflows and their parameters."),
    "sample": ("listing", "Write a sample event log with known faults."),
}
"""Module and one-line help of each subcommand."""

EPILOG = (
    "Exit codes: 0 all required work succeeded, 1 the run failed, 2 bad usage or a refused plan (nothing ran), "
    "3 paused for a person, 4 finished in part, 130 interrupted (`fanwise resume` goes on)."
)


class LazyGroup(click.Group):
    """A group that imports the module of a subcommand when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which the help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the subcommand; name the nearest one where there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"no such command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fanwise", message="%(package)s %(version)s")
def fanwise() -> None:
    """Run a goal as a graph of tasks: planned, fanned out, merged, and answered in one summary."""


def run_cli(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. Every error ends as a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if args is None else args)
    code = _code_of(given)
    is_sent = _traces_are_sent()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _discard(stream)
    if not is_sent:  # a thread of LangSmith's client may wait for a server that does not answer
        os._exit(code)
    sys.exit(code)


def _code_of(args: list[str]) -> int:
    try:
        result = fanwise.main(args=args, prog_name="fanwise", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        return 0
    except (KeyboardInterrupt, click.Abort):
        from .output import say

        say(_interrupted(args))
        return INTERRUPTED
    except Exception as error:
        from .failures import tell

        return tell(error, args)


def _traces_are_sent() -> bool:
    """Wait a little until what was traced is sent; tell whether it was."""
    relays = sys.modules.get(f"{__package__.rpartition('.')[0]}.tracing.relays")
    try:
        return relays is None or bool(relays.close_all())
    except KeyboardInterrupt:
        return False


CHANGE_NOTHING = ("run", "ask", "resume", "validate", "explain", "rehearse", "show", "specialists", "workflows")
"""Subcommands that have changed nothing before tasks run."""


def _interrupted(args: Sequence[str]) -> str:
    """Return what is said where Ctrl-C came before anything took care of it, such as while a command starts."""
    is_harmless = bool(args) and args[0] in CHANGE_NOTHING and not has_begun()
    return "interrupted; nothing was changed" if is_harmless else "interrupted"


def _discard(stream: Any) -> None:
    """Point a stream that nobody reads any more at nothing, so that the exit does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
