"""Trace files, as the command writes them: what goes wrong is told on standard error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..nodes.summary.text import clean_lines
from ..tracing.files import Traces as Files
from .output import say


class Traces(Files):
    """Writes each task's trace as it ends, and the index at the run's end."""

    def __init__(self, thread_id: str, folder: str | None = None, plan: Mapping[str, Any] | None = None) -> None:
        """Prepare to write; `tracing.files.Traces` tells what is given.

        Raises:
            FanwiseError: the folder can't be made or written to.
        """
        super().__init__(thread_id, folder, plan, warn=lambda text: say(clean_lines(f"warning: {text}")))
