"""When a task may start, given how its dependencies stand: Airflow's trigger rules as a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple


class Verdict(NamedTuple):
    """What a rule says: wait, run, or skip and why."""

    action: Literal["wait", "run", "skip"]
    reason: str = ""


WAIT = Verdict("wait")
RUN = Verdict("run")


def verdict(run_if: str, depends_on: Sequence[str], statuses: Mapping[str, str]) -> Verdict:
    """Tell whether a task waits, runs or is skipped.

    `all_success`: every dependency succeeded. `all_done`: every one has ended, in any way. `one_success`,
    `one_failed`: at least one did, and the others are not waited for. `none_failed`: every one has ended, none failed
    (skipped ones do not count as failed). `always`: at once, whatever they do.

    Args:
        run_if: the task's rule.
        depends_on: ids of its dependencies.
        statuses: how those that have ended did, by id.

    Returns:
        `wait` while the rule is open; `skip` with the dependency at fault as soon as it can't be met any more.
    """
    if run_if == "always" or not depends_on:
        return RUN
    open_ = [need for need in depends_on if need not in statuses]
    if run_if == "all_done":
        return WAIT if open_ else RUN
    if run_if == "one_success":
        return _at_least_one("succeeded", "succeeded", depends_on, statuses, open_)
    if run_if == "one_failed":
        return _at_least_one("failed", "failed", depends_on, statuses, open_)
    for need in depends_on:
        status = statuses.get(need)
        if status is None or status == "succeeded" or (run_if == "none_failed" and status == "skipped"):
            continue
        return Verdict("skip", f"dependency {need!r} {_TOLD.get(status, status)}")
    return WAIT if open_ else RUN


FAILED = frozenset({"failed", "timed_out"})
"""Statuses that count as a failure."""

_TOLD = {"failed": "failed", "timed_out": "timed out", "skipped": "was skipped", "cancelled": "was cancelled"}


def _at_least_one(
    wanted: str, word: str, depends_on: Sequence[str], statuses: Mapping[str, str], open_: Sequence[str]
) -> Verdict:
    accepted = FAILED if wanted == "failed" else {wanted}
    if any(statuses.get(need) in accepted for need in depends_on):
        return RUN
    if open_:
        return WAIT
    return Verdict(
        "skip",
        f"no dependency {word}: {', '.join(f'{n!r} {_TOLD.get(statuses[n], statuses[n])}' for n in depends_on[:5])}",
    )
