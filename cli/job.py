"""One invocation of a run: its thread, its options, and how it talks."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..runs.setup import Setup
from ..state import RunContext
from ..tracing.log import set_up
from .options import DEFAULT_DB, GRACE_S
from .setup import options_of, setup_of
from .streamed import EventLines

NEEDS_SETUP = ("resume", "review", "retry")
"""Commands that run tasks."""


@dataclass(frozen=True)
class Job:
    """What a command needs to know to run, or go on with, a run."""

    thread_id: str
    db: str = DEFAULT_DB
    context: RunContext = field(default_factory=RunContext)
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    interactive: bool = False
    """Whether questions are asked in the terminal at once."""
    grace: float = GRACE_S
    """Seconds that running tasks have to come to their end when the run is stopped."""
    trace_dir: str | None = None
    events: EventLines | None = None
    """Where each event is written for programs."""
    metrics_port: str | None = None
    """Where metrics are served while the run goes on."""
    metrics_file: str | None = None
    """What they are written to."""
    setup: Setup = field(default_factory=Setup)
    """What the run works with beside its plan."""

    @classmethod
    def of(cls, thread_id: str, options: Mapping[str, Any]) -> Self:
        """Return the job that a command's options ask for; its context wins over the plan's configuration."""
        log_as(options)
        return cls(
            thread_id=thread_id,
            db=options["db"],
            context=RunContext(
                max_parallel=options.get("max_parallel"),
                timeout_s=options.get("timeout"),
                deadline_s=options.get("deadline"),
                schedule=options.get("schedule"),
                review="plan" if options.get("review_plan") else None,
                max_rounds=options.get("max_rounds"),
                max_tokens=options.get("max_tokens"),
                max_cost=options.get("max_cost"),
                cache_plan=options.get("cache_plan", False),
                events=options.get("events"),
            ),
            json=options["as_json"],
            quiet=options.get("quiet", False),
            verbose=bool(options.get("verbose")),
            interactive=options.get("interactive", False),
            grace=options.get("grace", GRACE_S),
            trace_dir=options.get("trace_dir"),
            events=options.get("progress"),
            metrics_port=options.get("metrics_port"),
            metrics_file=options.get("metrics_file"),
            setup=setup_of(options),
        )

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing is kept of the run when the command ends."""
        return self.db in ("memory", ":memory:")

    def command(self, name: str, *more: str) -> str:
        """Return the command line that does something with this run, to be copied; a password is left out of it."""
        from ..graph.checkpoints import without_password

        options: list[Any] = []
        if self.db != DEFAULT_DB:
            options += ["--db", without_password(self.db)]
        if name in NEEDS_SETUP:
            options += options_of(self.setup)
        thread = ["--", self.thread_id] if self.thread_id.startswith("-") else [self.thread_id]
        parts = ["fanwise", name, *options, *(() if thread[1:] else thread), *more, *(thread if thread[1:] else ())]
        return " ".join(shlex.quote(str(part)) for part in parts)


def log_as(options: Mapping[str, Any]) -> None:
    """Set up the log: warnings, unless more is asked for."""
    as_json, verbose = bool(options.get("log_json")), int(options.get("verbose") or 0)
    level = logging.DEBUG if verbose > 1 else logging.INFO if as_json else logging.WARNING
    set_up(logging.ERROR if options.get("quiet") and not as_json else level, as_json=as_json)
