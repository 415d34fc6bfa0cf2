"""One thread of a remote deployment: what stands on it, its runs, their streams, their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid5

from langgraph_sdk.client import LangGraphClient

from .faults import RemoteError, RunLost, UnknownGraph, is_conflict, translated
from .settings import Remote

T = TypeVar("T")

NAMESPACE = UUID("6f1a9d3e-5c1b-5b7e-9d55-0e0f6c1c6a11")
"""Of the ids of threads."""

ASKED = "fanwise_asked"
"""In a run's metadata: how many answers of people the task had been given when it began."""

PASSED = "fanwise_passed"
"""In a run's metadata: how many of these were for questions of runs that are lost; none of them holds here."""

FIELDS: Any = ["run_id", "status", "metadata"]


def thread_id(key: str, specialist: str, number: int) -> str:
    """Return the id of a task's thread: the same for whoever does the same work, in this process or in a later one.

    Args:
        key: the attempt's idempotency key.
        specialist: the specialist's name; a fallback's work is not the task's own.
        number: counts the times that the work had to begin anew.
    """
    return str(uuid5(NAMESPACE, f"{key}/{specialist}/{number}"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands on a thread."""

    run_id: str | None = None
    """Its latest run."""
    status: str = ""
    """That run's."""
    asked: int = 0
    """How many answers of people the task had been given when that run began."""
    passed: int = 0
    """How many of them were for questions of other runs, which are lost."""
    values: Any = None
    questions: tuple[Mapping[str, Any], ...] = ()
    """What it asks a person now; each has an `id` and a `value`."""
    error: Mapping[str, Any] | None = None

    @property
    def is_decided(self) -> bool:
        """Whether a person has answered a question of this thread's."""
        return self.asked > self.passed

    @property
    def is_busy(self) -> bool:
        """Whether a run is at work, or waits to be."""
        return self.status in ("pending", "running")


class RemoteThread:
    """A thread of a deployment."""

    def __init__(self, remote: Remote, url: str, client: LangGraphClient, id: str) -> None:
        self.id = id
        self.url = url
        self._remote = remote
        self._client = client
        self._creating: asyncio.Future[Any] | None = None
        self._events: dict[str, str] = {}
        self.run_id: str | None = None
        """The run that is followed."""

    async def open(self) -> bool:
        """Make the thread; tell whether it was not there before."""
        ttl = self._remote.ttl_minutes
        more: dict[str, Any] = {} if ttl is None else {"ttl": {"ttl": ttl, "strategy": "delete"}}
        try:
            await self._client.threads.create(thread_id=self.id, if_exists="raise", **more)
        except Exception as error:
            if is_conflict(error):
                return False
            raise translated(error, self.url) from error
        return True

    async def standing(self) -> str | None:
        """Return the thread's status; `None` where the deployment does not know it."""
        try:
            thread = await self._client.threads.get(self.id)
        except Exception as error:
            if isinstance(told := translated(error, self.url), RunLost):
                return None
            raise told from error
        return str(thread["status"]) if thread.get("values") or thread["status"] != "idle" else "empty"

    async def look(self) -> Seen:
        """Return what stands on the thread."""
        runs = await self._asked(self._client.runs.list(self.id, limit=1, select=FIELDS))
        if not runs:
            return Seen()
        run = runs[0]
        status, about = str(run["status"]), run.get("metadata") or {}
        answers = about.get(ASKED) or 0, about.get(PASSED) or 0
        if status in ("pending", "running"):
            return Seen(run["run_id"], status, *answers)
        thread = await self._asked(self._client.threads.get(self.id))
        if thread["status"] == "busy":  # the run's end is not written yet
            return Seen(run["run_id"], "running", *answers)
        paused = (thread.get("interrupts") or {}) if thread["status"] == "interrupted" else {}
        questions = tuple(item for items in paused.values() for item in items)
        error: Any = thread.get("error")
        return Seen(run["run_id"], status, *answers, thread.get("values"), questions, error)

    async def goes_on(self) -> bool:
        """Tell whether a run without input would go on with what is left, and not begin anew."""
        state = await self._asked(self._client.threads.get_state(self.id))
        return bool(state.get("next"))

    async def start(
        self,
        *,
        input: Any = None,
        command: Any = None,
        asked: int = 0,
        passed: int = 0,
        modes: Any = (),
        headers: Any = None,
    ) -> str | None:
        """Begin a run and return its id; `None` where another one is at work on the thread."""
        remote = self._remote
        config: Any = remote.config or None
        self._creating = asyncio.ensure_future(
            self._client.runs.create(
                self.id,
                remote.graph,
                input=input,
                command=command,
                config=config,
                context=remote.context,
                metadata={ASKED: asked, **({PASSED: passed} if passed else {})},
                stream_mode=list(modes),
                stream_resumable=True,
                multitask_strategy="reject",
                headers=headers,
            )
        )
        try:
            # not cancelled with us: a run that nobody knows the id of could not be ended
            self.run_id = str((await asyncio.shield(self._creating))["run_id"])
        except Exception as error:
            if is_conflict(error):
                return None
            told = translated(error, self.url)
            raise (await self._with_known_graphs(told) if isinstance(told, UnknownGraph) else told) from error
        return self.run_id

    async def follow(self, run_id: str) -> AsyncIterator[tuple[str, Any]]:
        """Yield the events of a run, each once, until its stream ends; whether the run did, is another question."""
        self.run_id = run_id
        try:
            async for part in self._client.runs.join_stream(
                self.id, run_id, last_event_id=self._events.get(run_id, "-1")
            ):
                if part.id:
                    self._events[run_id] = part.id
                yield part.event, part.data
        except Exception as error:
            raise translated(error, self.url) from error

    async def cancel(self) -> None:
        """End the run that is followed, or was about to begin.

        Raises:
            RemoteError: the deployment could not be told.
        """
        try:
            if self._creating is not None and not self._creating.done():
                self.run_id = str((await self._creating)["run_id"])
            if self.run_id is not None:
                await self._client.runs.cancel(self.id, self.run_id, action="interrupt")
        except Exception as error:
            told = translated(error, self.url)
            if not isinstance(told, RunLost | UnknownGraph):  # it is over
                raise told from error

    async def _asked(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except Exception as error:
            raise translated(error, self.url) from error

    async def _with_known_graphs(self, told: RemoteError) -> RemoteError:
        """Add which graphs a deployment has, if it tells."""
        try:
            found = await self._client.assistants.search(limit=100)
        except Exception:  # it was refused already; that is what is told
            return told
        names = sorted({str(item["graph_id"]) for item in found})
        return UnknownGraph(
            f"{self.url}: there is no graph or assistant {self._remote.graph!r}; its graphs are "
            f"{', '.join(names) or 'none'}; check the specialist's graph"
        )
