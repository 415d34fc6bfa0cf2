"""What a specialist's node needs of the scheduler; the board in `graph` gives it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..schema.progress import ProgressEvent

if TYPE_CHECKING:
    from .head_start import HeadStart

Admission = Literal["start", "skip", "cancel", "suspend"]
"""What the scheduler says to a branch that waits."""


class Seat(Protocol):
    """One branch's place in the schedule."""

    reason: str
    """Why, with `skip`, `cancel` and `suspend`."""
    ready_at: float | None
    """When it was queued last: the dependencies were there, or a pause was over; on the event loop's clock."""
    cut: str
    """Why the work was cut short from outside; empty if it was not."""
    unneeded: bool
    """Whether it was because what needed the task went on without it."""
    no_occasion: bool
    """Whether it is skipped since there is nothing for it to do: it is for failures, and nothing failed."""
    ahead: HeadStart | None
    """The task's first attempt, where that began before its branch; whoever takes it ends it or awaits it."""
    estimates: Mapping[str, Mapping[str, Any]]
    """What attempts took before: specialist -> `p50` and `p95` in seconds, and `n`, how many were seen."""

    async def admitted(self) -> Admission:
        """Wait for the dependencies and a slot."""

    async def changed(self) -> Admission | None:
        """Wait until another dependency has ended; return `None` then, or what is to be done instead."""

    def open(self) -> list[str]:
        """Return the dependencies that have no result yet."""

    def cancel(self, tasks: Collection[str], reason: str) -> list[str]:
        """End the work, or the wait, of tasks that nobody else needs, and of what only they need; return which."""

    async def pause(self, seconds: float) -> Admission:
        """Wait between two attempts, then for a slot."""

    def results(self) -> dict[str, Mapping[str, Any]]:
        """Return the dependencies' results, in the order in which the task names them."""

    def working(self, end: Callable[[], None] | None) -> None:
        """Tell how to end the work that goes on, so that the deadline can; `None` when it is over."""

    def give_up(self, reason: str) -> None:
        """End the whole run: no other task would fare better."""

    def refused(self, wait_s: float) -> None:
        """Tell that a server had too many requests, and the seconds that it asks to wait."""

    def spent(self, usage: Mapping[str, Any]) -> None:
        """Tell what an attempt used: tokens and cost."""

    def passed(self) -> None:
        """Tell that an attempt succeeded."""

    def take_more(self) -> bool:
        """Take what the task holds once more, if it is free now."""

    def give_more(self) -> None:
        """Give that back."""

    def release(self) -> None:
        """Give the slot back."""

    def settle(self, result: Mapping[str, Any]) -> tuple[int, int]:
        """Publish the result; return how many tasks of the run have one now, and how many there are."""

    def vacate(self) -> None:
        """Leave without a result."""

    def emit(self, event: ProgressEvent) -> None:
        """Put an event on the run's stream."""
