"""The deployments of a specialist: which is alive, and which has the least work.

What is known of a deployment is the process's: all specialists and runs share it.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .clients import Opened
from .faults import NoneLive

SHORTEST_S, LONGEST_S = 1.0, 30.0
"""Seconds until a deployment that was left out is looked at again; twice as long each time."""

STRANGER_S = 5.0
"""Seconds at most that tasks wait for a deployment that this process has never reached: its address may be wrong."""

FIRST_LOOK_S, LONGEST_LOOK_S = 0.5, 3.0
"""Seconds between looks at a deployment that tasks wait for; each half as long again as the one before."""


@dataclass(slots=True)
class Deployment:
    """One server, as this process knows it."""

    url: str
    outstanding: int = 0
    """Tasks that are at work there now."""
    why: str | None = None
    """Why it is left out; `None` while it is not."""
    look_at: float = 0.0
    """When it is to be looked at again, on the monotonic clock."""
    times: int = 0
    """How often it was found dead since it was alive."""
    was_reached: bool = False
    """Whether it was ever reached from this process."""
    gone_at: float = 0.0
    """When it was left out, on the monotonic clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_live(self) -> bool:
        """Whether it is given work."""
        return self.why is None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a task that is at work there."""
        with self._lock:
            self.outstanding += 1
        try:
            yield
        finally:
            with self._lock:
                self.outstanding -= 1

    def leave_out(self, why: str, wait_s: float = 0.0) -> bool:
        """Give it no more work for a while; tell whether it was in until now."""
        now = time.monotonic()
        with self._lock:
            was_live, self.why = self.why is None, why
            self.gone_at = now if was_live else self.gone_at
            if was_live or now >= self.look_at:  # else somebody else has just found the same
                self.look_at = now + max(wait_s, min(LONGEST_S, SHORTEST_S * 2**self.times))
                self.times += 1
            return was_live

    def take_back(self) -> bool:
        """Give it work again; tell whether it was left out until now."""
        with self._lock:
            was_out, self.why, self.times = self.why is not None, None, 0
            self.was_reached = True
            return was_out

    def waited_for_s(self, most_s: float) -> float:
        """Return the seconds that tasks wait for it from the moment when it was left out, if nobody else is there."""
        return most_s if self.was_reached else min(most_s, STRANGER_S)


_KNOWN: dict[str, Deployment] = {}
_LOCK = threading.Lock()


def deployment_at(url: str) -> Deployment:
    """Return what this process knows of a deployment."""
    with _LOCK:
        return _KNOWN.setdefault(url, Deployment(url))


Tell = Callable[[Deployment], None]
"""Is told of a deployment that was left out, or taken back."""


class Pool:
    """The deployments that serve one graph."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.deployments = [deployment_at(url) for url in urls]

    @property
    def live(self) -> list[Deployment]:
        """Those that are given work."""
        return [item for item in self.deployments if item.is_live]

    async def least(self, key: str, clients: Opened, tell: Tell) -> Deployment:
        """Return the deployment with the least work; of equal ones the key decides, always the same for one key.

        Those that were left out are looked at when their time has come, and all of them where nobody else is there.

        Raises:
            NoneLive: none can be reached.
        """
        await self._look(clients, tell, time.monotonic())
        if not self.live:
            await self.look_at_all(clients, tell)
        if not self.live:
            told = "; ".join(f"{item.url}: {item.why}" for item in self.deployments)
            raise NoneLive(told if len(self.deployments) == 1 else f"none of the deployments is there: {told}")
        return min(self.live, key=lambda item: (item.outstanding, _drawn(key, item.url)))

    def waits_s(self, most_s: float) -> float:
        """Return the seconds that tasks wait where none can be reached, from the moment when the last one went."""
        return max(item.waited_for_s(most_s) for item in self.deployments)

    def next_look_s(self, most_s: float) -> float | None:
        """Return the seconds until it is worth looking again where none can be reached; `None` when that is over.

        The moments depend on nothing but when the last deployment went, so that all tasks that wait look at once, and
        share one answer.
        """
        now, gone_at = time.monotonic(), max(item.gone_at for item in self.deployments)
        until = max(item.gone_at + item.waited_for_s(most_s) for item in self.deployments)
        look_at, pause = gone_at, FIRST_LOOK_S
        while look_at <= now:
            look_at, pause = look_at + pause, min(1.5 * pause, LONGEST_LOOK_S)
        return None if now >= until else min(look_at, until) - now

    async def look_at_all(self, clients: Opened, tell: Tell) -> None:
        """Look at all that are left out now."""
        await self._look(clients, tell, float("inf"))

    async def _look(self, clients: Opened, tell: Tell, now: float) -> None:
        due = [item for item in self.deployments if not item.is_live and item.look_at <= now]
        for item, trouble in zip(due, await asyncio.gather(*(clients.trouble(item.url) for item in due)), strict=True):
            if trouble:
                item.leave_out(trouble)
            elif item.take_back():
                tell(item)


def _drawn(key: str, url: str) -> bytes:
    """Draw lots: rendezvous hashing (Thaler and Ravishankar, 1998)."""
    return hashlib.blake2b(f"{key}\n{url}".encode(), digest_size=8).digest()
