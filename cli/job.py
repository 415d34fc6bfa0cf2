"""One invocation of a run: its thread, its options, and how it talks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..state import RunContext
from .options import DEFAULT_DB, GRACE_S

NEEDS_SPECIALISTS = ("resume", "review", "retry")
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
    metrics_port: str | None = None
    """Where metrics are served while the run goes on."""
    metrics_file: str | None = None
    """What they are written to."""
    specialist_sources: tuple[str, ...] = ()

    @classmethod
    def of(cls, thread_id: str, options: Mapping[str, Any]) -> Self:
        """Return the job that a command's options ask for; its context wins over the plan's configuration."""
        return cls(
            thread_id=thread_id,
            db=options["db"],
            context=RunContext(
                max_parallel=options.get("max_parallel"),
                timeout_s=options.get("timeout"),
                deadline_s=options.get("deadline"),
                schedule=options.get("schedule"),
                review="plan" if options.get("review_plan") else None,
            ),
            json=options["as_json"],
            quiet=options.get("quiet", False),
            verbose=options.get("verbose", False),
            interactive=options.get("interactive", False),
            grace=options.get("grace", GRACE_S),
            trace_dir=options.get("trace_dir"),
            metrics_port=options.get("metrics_port"),
            metrics_file=options.get("metrics_file"),
            specialist_sources=options.get("specialist_sources", ()),
        )

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing is kept of the run when the command ends."""
        return self.db in ("memory", ":memory:")

    def command(self, name: str, *more: str) -> str:
        """Return the command line that does something with this run, to be copied; a password is left out of it."""
        options: list[Any] = []
        if self.db != DEFAULT_DB:
            options += ["--db", without_password(self.db)]
        if name in NEEDS_SPECIALISTS:
            for source in self.specialist_sources:
                options += ["--specialists", source]
        thread = ["--", self.thread_id] if self.thread_id.startswith("-") else [self.thread_id]
        parts = ["fanwise", name, *options, *(() if thread[1:] else thread), *more, *(thread if thread[1:] else ())]
        return " ".join(shlex.quote(str(part)) for part in parts)


def without_password(db: str) -> str:
    """Return a database's address as it may be shown."""
    scheme, mark, rest = db.partition("://")
    if not mark:
        return db
    place, slash, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    shown = f"{user.partition(':')[0]}{at}{host}{slash}{path}"
    return f"{scheme}://" + re.sub(r"([?&])(?:ssl)?password=[^&]*&?", r"\1", shown).rstrip("?&")
