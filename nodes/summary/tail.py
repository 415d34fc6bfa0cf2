"""What a person needs to know below a model's text, where the model did not say it."""

from __future__ import annotations

from collections.abc import Sequence

from ...schema.results import Summary
from .reading import read_block, readings
from .render import not_checked, not_done
from .text import sentence, shorten
from .views import View

MOST = 10
"""Warnings that are named; more are counted."""


def tail(tasks: Sequence[View], facts: Summary, cited: frozenset[str], warnings: Sequence[str]) -> str:
    """Return what failed, was skipped or could not be checked, the run's warnings, and what was read of a log.

    Args:
        tasks: as the summary sees them.
        facts: the deterministic summary of the same results.
        cited: ids, as they are shown, of tasks that the text speaks of; what failed, timed out or was cancelled is
            told all the same, since the text may tell it as a success.
        warnings: of the run.
    """
    unsaid = [task for task in tasks if task.task_id not in cited or _ended_badly(task)]
    lacking = not_checked(unsaid)
    head = "Not checked:" if any(task.report for task in tasks) else "Not done:"
    warned = [shorten(text, 300) for text in dict.fromkeys(warnings)]
    read = "\n".join(read_block(readings(tasks), facts.findings))
    failed = "\n".join([head, *not_done(lacking, sum(task.failed for task in unsaid))]) if lacking else ""
    return "\n\n".join(block for block in (failed, _listed("Warnings:", warned), read) if block)


def _ended_badly(task: View) -> bool:
    return task.failed or (task.status == "cancelled" and not task.by_choice)


def _listed(head: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = [f"… and {len(lines) - MOST} more."] if len(lines) > MOST else []
    return "\n".join([head, *(f"- {sentence(line)}" for line in lines[:MOST]), *more])
