"""The runs of `processes.py`: given to any server, listened to through another one, disturbed, and checked."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from processes_notes import Kill, Notes, unsaved
from processes_servers import Aegra, Servers
from processes_stream import Stream
from processes_work import noting, random_plan, right_values

from fanwise.graph import build_graph
from fanwise.graph.run import report
from fanwise.state import RunError

GRAPH = "fanwise"

PATIENCE_S = 90.0
"""Seconds that anything may take: what hangs is a violation too."""


@dataclass
class Run:
    """One run, as its client knows it."""

    name: str
    plan: Mapping[str, Any]
    thread_id: str
    run_id: str
    stream: Stream
    listening: asyncio.Task[None]

    @property
    def goes_on(self) -> bool:
        """Whether its end was not told yet."""
        return not self.listening.done()


@dataclass
class Streams:
    """What became of the streams of runs that a kill hit."""

    lived: int = 0
    went_on: int = 0
    rejoined: int = 0
    missed: int = 0
    untold: int = 0


@dataclass
class Trial:
    """Runs on servers, and what was seen of them."""

    servers: Servers
    rng: random.Random
    durability: str | None = None
    runs: list[Run] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    """Seconds from a kill until another process went on, for each run that it hit."""
    unsaved: list[float] = field(default_factory=list)
    """Seconds before a kill at which tasks had ended whose results were not saved."""
    streams: Streams = field(default_factory=Streams)
    streamed: int = 0
    lost: int = 0
    """Tasks without their right result at the end."""
    told: list[str] = field(default_factory=list)
    """What the steps have to say."""
    wrong: list[str] = field(default_factory=list)
    _given: int = 0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _clients: dict[int, LangGraphClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notes = Notes(self.servers.notes)

    async def __aenter__(self) -> Self:
        saver = await self._stack.enter_async_context(AsyncPostgresSaver.from_conn_string(self.servers.database))
        self._graph = build_graph([noting], checkpointer=saver)
        for server in self.servers.all:
            client = get_client(url=server.url, timeout=PATIENCE_S)
            self._clients[server.number] = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(self, *error: object) -> None:
        for run in self.runs:
            run.listening.cancel()
        await asyncio.gather(*(run.listening for run in self.runs), return_exceptions=True)
        await self._stack.aclose()

    @property
    def going(self) -> list[Run]:
        """Runs that are under way."""
        return [run for run in self.runs if run.goes_on]

    @property
    def count(self) -> int:
        """Tasks of all runs."""
        return sum(len(run.plan["tasks"]) for run in self.runs)

    def client(self, server: Aegra) -> LangGraphClient:
        """Return the client of a server."""
        return self._clients[server.number]

    def other(self, *than: int) -> Aegra:
        """Return a server that answers, and is none of some processes."""
        return self.rng.choice([server for server in self.servers.up if server.pid not in than])

    async def give(self, tasks: int) -> None:
        """Give a new run to any server; one that is killed at that moment may have got it or not."""
        self._given += 1
        with suppress(httpx.HTTPError):
            await self.give_plan(random_plan(f"r{self._given}", tasks, (0.2, 1.0)))

    async def give_plan(self, plan: Mapping[str, Any]) -> Run:
        """Give a plan to any server, and listen to its run through any, most often another one."""
        client = self.client(self.other())
        thread_id = (await client.threads.create())["thread_id"]
        run_id = await self.begin(client, thread_id, input={"plan": plan})
        stream = Stream(self, thread_id, run_id)
        run = Run(plan["name"], plan, thread_id, run_id, stream, asyncio.create_task(stream.listen()))
        self.runs.append(run)
        return run

    async def begin(self, client: LangGraphClient, thread_id: str, **given: Any) -> str:
        """Begin a run on a thread, and return its id."""
        if self.durability is not None:
            given["durability"] = self.durability
        made = await client.runs.create(thread_id, GRAPH, stream_mode=["values", "updates", "custom"], **given)
        return made["run_id"]

    async def go_on(self, run: Run, server: Aegra, **given: Any) -> None:
        """Go on with a run through a server, as a new run of its thread, and listen to that one."""
        run.listening.cancel()
        run.run_id = await self.begin(self.client(server), run.thread_id, **given)
        run.stream = Stream(self, run.thread_id, run.run_id)
        run.listening = asyncio.create_task(run.stream.listen())

    async def kill_executing(self) -> None:
        """Kill the process that executes some task now, wait until others went on with its runs, and start it anew."""
        async for _ in self.waiting("some process to execute a task"):
            pids = [one.pid for _, one in self.notes.read().at_work() if self.servers.of(one.pid) is not None]
            if pids:
                return await self.kill(self.rng.choice(pids))

    async def kill(self, pid: int) -> None:
        """Kill a process, wait until others went on with its runs, and start it anew."""
        server = self.servers.of(pid)
        assert server is not None
        going = self.going
        heard = {run.name: (run.stream.joins, run.stream.parts) for run in going}
        server.kill()
        at = time.time()
        hit = [run for run in going if self.notes.read().executing(run.name) == pid and run.goes_on]
        saved = frozenset([key for run in going for key in await self._saved(run)])
        kill = Kill(pid, at, time.time(), saved)
        self.kills.append(kill)
        names = {run.name for run in hit}
        self.unsaved += unsaved(self.notes, kill, names)
        starting = asyncio.create_task(server.start())
        await asyncio.gather(*(self._went_on(run, kill, server, *heard[run.name]) for run in hit), starting)

    async def _saved(self, run: Run) -> list[tuple[str, str]]:
        try:
            told = await report(self._graph, run.thread_id)
        except RunError:  # it is not planned yet
            return []
        return [(run.name, key) for key, result in told.results.items() if result.status not in ("pending", "paused")]

    async def saved(self, run: Run, count: int) -> None:
        """Wait until as many results of a run are saved."""
        async for _ in self.waiting(f"{count} results of {run.name} to be saved"):
            if len(await self._saved(run)) >= count:
                return

    async def _went_on(self, run: Run, kill: Kill, killed: Aegra, joins: int, parts: int) -> None:
        """Wait until another process goes on with a run, and see whether its stream does."""
        elsewhere = run.stream.server is not killed
        async for _ in self.waiting(f"another process to go on with {run.name}"):
            if (since := self.notes.read().went_on(run.name, kill)) is not None:
                self.pauses.append(since - kill.at)
                break
            if not run.goes_on:  # all that was left is its end
                return
        if not elsewhere:
            self.streams.rejoined += 1
            return
        self.streams.lived += 1
        async for _ in self.waiting(f"the stream of {run.name} to go on"):
            if run.stream.joins == joins and run.stream.parts > parts + 1:
                self.streams.went_on += 1
                return
            if not run.goes_on:
                break
        self.wrong.append(f"the stream of {run.name} over {run.stream.server.url}, which lived, did not go on")

    async def ended(self) -> None:
        """Wait until all runs have told their end."""
        async for _ in self.waiting("all runs to end"):
            if not self.going:
                return

    async def waiting(self, what: str) -> AsyncIterator[None]:
        """Come again every few milliseconds, and note as wrong what does not come to be."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            yield
            await asyncio.sleep(0.02)
        self.wrong.append(f"waited {PATIENCE_S:.0f} s in vain for {what}")

    async def until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async for _ in self.waiting(what):
            self.notes.read()
            if is_so():
                return

    async def check(self, run: Run) -> None:
        """Compare what a run came to with what it must come to."""
        if run.listening.done() and not run.listening.cancelled() and (error := run.listening.exception()):
            self.wrong.append(f"the stream of {run.name} failed: {error!r}")
        state = await self.client(self.other()).threads.get_state(run.thread_id)
        values: Any = state["values"]
        found = {key: (result.get("output") or {}).get("value") for key, result in values.get("results", {}).items()}
        right = right_values(run.plan)
        bad = {key for key in right if found.get(key) != right[key]} | (found.keys() - right.keys())
        self.lost += len(bad)
        if values.get("status") != "succeeded" or bad:
            self.wrong.append(
                f"{run.name} ({run.thread_id}) ended as {values.get('status')!r}; not right: {sorted(bad)}"
            )
        self.streamed += len(right)
        self.streams.untold += not run.stream.is_told
        self.streams.missed += len(right.keys() - run.stream.results)
