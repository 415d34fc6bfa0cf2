"""Errors as a message on standard error, an object on standard output where JSON was asked for, and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

import click

from ..nodes.summary.text import clean_lines
from ..schema.errors import FanwiseError, PlanError, Problem
from .exits import FAILED, INTERRUPTED, REFUSED
from .output import print_json, say


class StoppedError(FanwiseError):
    """A run was stopped before it had a plan; the message says how to go on."""


def tell(error: Exception, args: Sequence[str]) -> int:
    """Tell a person, and a script where it asked for JSON, what went wrong; return the exit code.

    The object is `{"error": {"kind", "message", "problems"}}`; `kind` is `usage`, `plan`, `events`, `run`, `stopped`,
    `error` or `internal`, and `problems` is there for a refused plan.
    """
    options = args[: args.index("--")] if "--" in args else args
    if "--json" in options:
        print_json({"error": as_object(error)})
    if isinstance(error, click.ClickException):
        _tell_usage(error)
        return REFUSED
    if isinstance(error, StoppedError):
        say(clean_lines(str(error)))
        return INTERRUPTED
    if isinstance(error, FanwiseError):
        say(f"error: {clean_lines(str(error))}")
        return REFUSED
    verbose = "--verbose" in options or any(o[:1] == "-" and o[:2] != "--" and "v" in o for o in options)
    if verbose:
        say("".join(traceback.format_exception(error)).rstrip())
    say(clean_lines(f"internal error: {_one_line(error)}") + ("" if verbose else " (-v shows where)"))
    return FAILED


def as_object(error: Exception) -> dict[str, Any]:
    """Return an error as the object that `--json` prints."""
    kind = type(error).__name__.removesuffix("Error").lower()
    if isinstance(error, click.ClickException):
        return {"kind": "usage", "message": error.format_message()}
    if isinstance(error, PlanError):
        problems = [problem_object(problem) for problem in error.problems]
        return {"kind": "plan", "message": str(error), "source": error.source, "problems": problems}
    if isinstance(error, FanwiseError):
        return {"kind": kind if kind in ("events", "run", "stopped") else "error", "message": str(error)}
    return {"kind": "internal", "message": _one_line(error)}


def problem_object(problem: Problem) -> dict[str, Any]:
    """Return one problem of a plan as JSON."""
    return {"message": problem.message, "path": problem.path, "line": problem.line, "column": problem.column}


def _tell_usage(error: click.ClickException) -> None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return
    if context is not None:
        say(context.get_usage())
    say(f"error: {clean_lines(error.format_message())}")
    if context is not None and context.command.get_help_option(context):
        say(f"`{context.command_path} --help` tells more")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
