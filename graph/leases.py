"""A run belongs to one process at a time: leases in the database that show a sign of life while they are held.

The signs come from a thread, so that a specialist which blocks the event loop does not lose the run. A lease is free
again when its holder gives it back, when the holder is known to be dead, or when it gave no sign for too long.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from ..schema.errors import RunError
from .processes import Process, is_dead, this_process

BEAT_S = 5.0
"""Seconds between two signs of life."""

STALE_S = 20.0
"""Seconds without a sign of life after which a lease is free."""


class HeldError(RunError):
    """The run belongs to another process."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a run."""

    thread_id: str
    process: Process
    token: str
    """One taking of the lease: what the same process takes later is another."""
    taken_at: float
    """When it was taken; seconds since 1970, by the database's clock."""
    age_s: float
    """Seconds since the last sign of life."""

    @property
    def since(self) -> str:
        """When it was taken, in UTC."""
        return datetime.fromtimestamp(self.taken_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def __str__(self) -> str:
        return f"process {self.process.pid} on {self.process.host}, since {self.since}"


class Leases(ABC):
    """Who works on which run of a database."""

    errors: tuple[type[Exception], ...] = ()
    """What the database raises when it can't be reached or written."""

    def __init__(self, beat_s: float = BEAT_S, stale_s: float = STALE_S) -> None:
        self.beat_s = beat_s
        self.stale_s = stale_s

    @asynccontextmanager
    async def hold(self, thread_id: str) -> AsyncIterator[Holder]:
        """Hold the lease of a run for the time of a block.

        When the lease is lost, the block is cancelled, and the error says so.

        Raises:
            HeldError: another process holds it.
            RunError: it was lost.
        """
        holder = await self._taken(thread_id)
        task = asyncio.current_task()
        assert task is not None
        before, lost = task.cancelling(), [""]
        loop = asyncio.get_running_loop()

        def lose(reason: str) -> None:
            if not lost[0] and not heart.stopping.is_set():
                lost[0] = reason
                task.cancel()

        def watch() -> None:
            """Notice silence even where the thread hangs, as with a server that takes requests and never answers."""
            if reason := heart.silence():
                lose(reason)
            elif not heart.stopping.is_set():
                loop.call_later(self.beat_s, watch)

        heart = Heart(self, holder, lambda reason: loop.call_soon_threadsafe(lose, reason))
        heart.start()
        watch()
        try:
            yield holder
            heart.stopping.set()
        except BaseException as error:
            heart.stopping.set()
            if not lost[0]:
                raise
            outside = task.uncancel() > before  # somebody else wants the block to end as well
            if outside or not isinstance(error, asyncio.CancelledError):
                raise
            raise RunError(lost[0]) from None
        finally:
            heart.stopping.set()
            await asyncio.shield(asyncio.to_thread(self._given_back, heart))
        if lost[0]:
            task.uncancel()
            raise RunError(lost[0])

    async def live(self) -> dict[str, Holder]:
        """Return who works on which run, by the run's thread."""
        holders = await asyncio.to_thread(self.holders)
        return {holder.thread_id: holder for holder in holders if not self.is_free(holder)}

    def is_free(self, holder: Holder) -> bool:
        """Tell whether a lease may be taken from who held it."""
        return holder.age_s > self.stale_s or is_dead(holder.process)

    async def _taken(self, thread_id: str) -> Holder:
        taking = asyncio.ensure_future(asyncio.to_thread(self._take_or_refuse, thread_id))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:  # the thread goes on, and what it takes would be held for ever
            with suppress(RunError, *self.errors):
                await asyncio.to_thread(self.release, await taking)
            raise

    def _take_or_refuse(self, thread_id: str) -> Holder:
        before = self.holder(thread_id)
        dead = before.token if before is not None and is_dead(before.process) else ""
        mine = Holder(thread_id, this_process(), uuid4().hex, time.time(), 0)
        if self.take(mine, dead):
            return mine
        raise HeldError(self._refusal(thread_id, self.holder(thread_id)))

    def _refusal(self, thread_id: str, holder: Holder | None) -> str:
        if holder is None:
            return f"the run {thread_id!r} was just let go by another process; try again"
        left = max(1, round(self.stale_s - holder.age_s))
        return (
            f"the run {thread_id!r} is being worked on already, by {holder}, last sign of life {holder.age_s:.0f} s "
            f"ago: wait for it, or stop it there (if it is dead, the run is free in {left} s)"
        )

    def _given_back(self, heart: Heart) -> None:
        """Give a lease back; where the database is gone or hangs it goes stale by itself."""
        heart.join(self.beat_s)
        if not heart.is_alive():
            with suppress(*self.errors):
                self.release(heart.holder)

    def holder(self, thread_id: str) -> Holder | None:
        """Return who holds, or held, the lease of a run."""
        return next((holder for holder in self.holders() if holder.thread_id == thread_id), None)

    @abstractmethod
    def holders(self) -> Sequence[Holder]:
        """Return all leases, the free ones too."""

    @abstractmethod
    def take(self, mine: Holder, dead: str) -> bool:
        """Take a lease that nobody holds, that is stale, or that has the token `dead`; tell whether it was taken."""

    @abstractmethod
    def renew(self, mine: Holder) -> bool:
        """Give a sign of life; tell whether the lease is still held."""

    @abstractmethod
    def release(self, mine: Holder) -> None:
        """Give a lease back; one that is held by others by now is left alone."""


class Heart(threading.Thread):
    """Gives signs of life for one lease, and tells when it was taken."""

    def __init__(self, leases: Leases, holder: Holder, on_lost: Callable[[str], object]) -> None:
        super().__init__(name=f"fanwise-lease-{holder.thread_id}", daemon=True)
        self.holder = holder
        self.stopping = threading.Event()
        self._leases = leases
        self._on_lost = on_lost
        self._seen = time.monotonic()
        self._trouble = ""

    def run(self) -> None:
        """Beat until told to stop, or until the lease is gone."""
        while not self.stopping.wait(self._pause()):
            if reason := self._beat():
                with suppress(RuntimeError):  # the event loop is closed: nobody is left to be told
                    self._on_lost(reason)
                return

    def _pause(self) -> float:
        """Return the seconds to the next beat: few after one that failed, since others count from the last good one."""
        return min(self._leases.beat_s, 0.5) if self._trouble else self._leases.beat_s

    def _beat(self) -> str:
        """Give one sign of life; return by whom the lease was taken, if it was."""
        sent = time.monotonic()
        try:
            held = self._leases.renew(self.holder)
        except self._leases.errors as error:
            self._trouble = " ".join(str(error).split()) or type(error).__name__
            return ""
        self._seen, self._trouble = sent, ""
        return "" if held else self._taken()

    def silence(self) -> str:
        """Return why the lease is lost, if the last sign of life is too old."""
        if time.monotonic() - self._seen < self._leases.stale_s:
            return ""
        return (
            f"the run {self.holder.thread_id!r} was stopped here: the database took no sign of life for "
            f"{self._leases.stale_s:g} s ({self._trouble or 'it does not answer'}), so another process may go on with "
            "it; what was saved is kept: resume the run once the database can be written"
        )

    def _taken(self) -> str:
        by = ""
        with suppress(*self._leases.errors):
            now = self._leases.holder(self.holder.thread_id)
            by = f" by {now}" if now is not None else ""
        return (
            f"the run {self.holder.thread_id!r} was stopped here: it was taken over{by}, since this process gave no "
            f"sign of life for {self._leases.stale_s:g} s, or its lease was deleted: look how it stands before you "
            "resume it"
        )
