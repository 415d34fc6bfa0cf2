"""One invocation of a run: its thread, its options, and how it talks."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..state import RunContext
from .options import DEFAULT_DB


@dataclass(frozen=True)
class Job:
    """What a command needs to know to run, or go on with, a run."""

    thread_id: str
    db: str = DEFAULT_DB
    context: RunContext = field(default_factory=RunContext)
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    trace_dir: str | None = None
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
            ),
            json=options["as_json"],
            quiet=options["quiet"],
            verbose=options["verbose"],
            trace_dir=options["trace_dir"],
            specialist_sources=options["specialist_sources"],
        )

    def command(self, name: str) -> str:
        """Return the command line that does something with this run, to be copied."""
        parts = ["fanwise", name, self.thread_id]
        if self.thread_id.startswith("-"):
            parts.insert(2, "--")
        options: list[Any] = []
        if self.db != DEFAULT_DB:
            options += ["--db", self.db]
        if name == "resume":
            for source in self.specialist_sources:
                options += ["--specialists", source]
        return " ".join(shlex.quote(str(part)) for part in [*parts[:2], *options, *parts[2:]])
