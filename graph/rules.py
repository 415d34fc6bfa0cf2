"""When a task may start, given how its dependencies stand: Airflow's trigger rules as a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from ..schema.results import NO_OCCASION


class Verdict(NamedTuple):
    """What a rule says: wait, run, or skip and why."""

    action: Literal["wait", "run", "skip"]
    reason: str = ""
    no_occasion: bool = False
    """With `skip`: whether there is nothing to do, so that nothing is at fault."""


WAIT = Verdict("wait")
RUN = Verdict("run")


class Group(NamedTuple):
    """A `parallel_group` that a task stands behind: its members are the last of the task's dependencies."""

    number: int
    first: int
    """Where in the dependencies they begin."""


def verdict(run_if: str, depends_on: Sequence[str], statuses: Mapping[str, str], group: Group | None = None) -> Verdict:
    """Tell whether a task waits, runs or is skipped.

    `all_success`: every dependency succeeded. `all_done`: every one has ended, in any way. `one_success`,
    `one_failed`: at least one did, and the others are not waited for. `none_failed`: every one has ended, none failed
    (skipped ones do not count as failed). `always`: at once, whatever they do.

    A task for failures has no occasion where nothing failed; likewise one whose dependencies all had none.

    Args:
        run_if: the task's rule.
        depends_on: ids of its dependencies.
        statuses: how those that have ended did, by id.
        group: the group behind which the task stands, for the reason.

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
    for place, need in enumerate(depends_on):
        status = statuses.get(need)
        if status in (None, "succeeded", NO_OCCASION) or (run_if == "none_failed" and status == "skipped"):
            continue
        who = f"{need!r} of parallel_group {group.number}" if group and place >= group.first else f"dependency {need!r}"
        return Verdict("skip", f"{who} {_told(status)}")
    if open_:
        return WAIT
    return _idle("nothing to do", depends_on, statuses) if _had_none(depends_on, statuses) else RUN


FAILED = frozenset({"failed", "timed_out"})
"""Statuses that count as a failure."""

_TOLD = {
    "timed_out": "timed out",
    "skipped": "was skipped",
    "cancelled": "was cancelled",
    NO_OCCASION: "had no occasion",
}


def _told(status: str | None) -> str:
    return _TOLD.get(status or "", status or "")


def _had_none(depends_on: Sequence[str], statuses: Mapping[str, str]) -> bool:
    return all(statuses[need] == NO_OCCASION for need in depends_on)


def _idle(why: str, depends_on: Sequence[str], statuses: Mapping[str, str]) -> Verdict:
    return Verdict("skip", f"{why}: {_listed(depends_on, statuses)}", no_occasion=True)


def _listed(depends_on: Sequence[str], statuses: Mapping[str, str]) -> str:
    return ", ".join(f"{need!r} {_told(statuses[need])}" for need in depends_on[:5])


def _at_least_one(
    wanted: str, word: str, depends_on: Sequence[str], statuses: Mapping[str, str], open_: Sequence[str]
) -> Verdict:
    accepted = FAILED if wanted == "failed" else {wanted}
    if any(statuses.get(need) in accepted for need in depends_on):
        return RUN
    if open_:
        return WAIT
    why = f"no dependency {word}"
    fine = {NO_OCCASION, "succeeded"} if wanted == "failed" else {NO_OCCASION}
    if all(statuses[need] in fine for need in depends_on):
        return _idle(why, depends_on, statuses)
    return Verdict("skip", f"{why}: {_listed(depends_on, statuses)}")
