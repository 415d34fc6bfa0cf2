"""A client that listens to a run, and joins it again through another server where the one that it used is killed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from processes_servers import Aegra
    from processes_trial import Trial

MODES = ["values", "updates", "custom"]

OVER = ("success", "error", "interrupted")

SILENT_S = 15.0
"""Seconds of silence after which the run's status is asked for; longer than a run takes to go on elsewhere."""


class Stream:
    """What a run tells, from its begin to its end."""

    def __init__(self, trial: Trial, thread_id: str, run_id: str) -> None:
        self._trial, self._thread_id, self._run_id = trial, thread_id, run_id
        self.server: Aegra = trial.other()
        self.parts = 0
        """Parts that came over the connection that is open."""
        self.joins = 0
        self.ended = ""
        """The status that came at the end."""
        self.is_told = True
        """Whether the stream told the end, or it had to be asked for."""
        self.results: set[str] = set()
        """Tasks whose results came one by one."""
        self._last: str | None = None

    async def listen(self) -> None:
        """Listen until the end, over as many connections as that takes."""
        while not self.ended:
            self.parts, self.joins = 0, self.joins + 1
            with suppress(httpx.HTTPError, TimeoutError, StopAsyncIteration):
                await self._join()
            if not self.ended:
                await asyncio.sleep(0.1)
                if self._trial.servers.up:
                    self.server = self._trial.other()
                    with suppress(httpx.HTTPError):
                        await self._ask()

    async def _join(self) -> None:
        client = self._trial.client(self.server)
        joined = client.runs.join_stream(self._thread_id, self._run_id, stream_mode=MODES, last_event_id=self._last)
        async with aclosing(joined) as parts:  # type: ignore[type-var]  # the SDK calls its generator an iterator
            while not self.ended:
                async with asyncio.timeout(SILENT_S):
                    self._take(await anext(parts))

    async def _ask(self) -> None:
        """Ask how the run stands: where its process dies just after its end was written, no stream ever tells of it."""
        run = await self._trial.client(self.server).runs.get(self._thread_id, self._run_id)
        if run["status"] in OVER:
            self.ended, self.is_told = str(run["status"]), False

    def _take(self, part: Any) -> None:
        self.parts += 1
        self._last = part.id or self._last
        if part.event == "end":
            self.ended = str((part.data or {}).get("status"))
        elif part.event == "updates":
            for update in part.data.values():
                if isinstance(update, dict):  # not what waits for a person
                    self.results |= (update.get("results") or {}).keys()
