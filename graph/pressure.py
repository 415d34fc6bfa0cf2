"""How many CPU-bound tasks may work: as many as there are cores that other processes leave free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

from ..nodes.fitting import CPU

__all__ = ["CPU", "CpuWatch", "cores", "free_cores"]

SAMPLE_S = 1.0
"""Seconds between two looks at the load."""

SMOOTHING = 0.5
"""Weight of the latest look; what lasts for a moment only changes little."""


def cores() -> int:
    """Return how many cores there are."""
    return psutil.cpu_count() or 1


def free_cores(total: int, busy: float, own: float) -> int:
    """Return the cores that others leave free, at least one.

    Args:
        total: cores of the machine.
        busy: cores at work for anybody.
        own: cores at work for this process and its children.
    """
    return max(1, min(total, round(total - max(0.0, busy - own))))


class CpuWatch:
    """Looks at the load as long as somebody holds it, and tells when the number of free cores has changed."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        """Begin to watch.

        Args:
            tell: is told of each change.
        """
        self._tell = tell
        self._total = cores()
        self._others = 0.0
        self._free = self._total
        self._own = psutil.Process()
        self._family: dict[int, psutil.Process] = {}
        self._look()  # the first look has no earlier one to compare with
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._tick)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _tick(self) -> None:
        busy, own = self._look()
        self._others += SMOOTHING * (max(0.0, busy - own) - self._others)
        free = free_cores(self._total, self._others, 0.0)
        if free != self._free:
            self._free = free
            self._tell(free)
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._tick)

    def _look(self) -> tuple[float, float]:
        """Return the cores at work for anybody, and for this process and its children, since the last look."""
        busy = psutil.cpu_percent() / 100 * self._total
        return busy, self._share(self._own) + sum(self._share(child) for child in self._children())

    def _children(self) -> list[psutil.Process]:
        try:
            found = {child.pid: child for child in self._own.children(recursive=True)}
        except psutil.Error:
            return []
        self._family = {pid: self._family.get(pid, child) for pid, child in found.items()}
        return list(self._family.values())

    @staticmethod
    def _share(process: psutil.Process) -> float:
        try:
            return float(process.cpu_percent()) / 100
        except psutil.Error:  # it has ended
            return 0.0
