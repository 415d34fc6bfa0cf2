"""The graphs that people open in Studio or call on a server: one build, entered by several forms."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateUpdate

from ..graph.builder import RESERVED, build_graph
from ..models.chat import Models
from ..nodes.outputs import LARGE
from ..plans.registry import Workflow, load_workflows
from ..tracing.graph import TracedGraph
from .doors import ASKS, for_mcp, is_mcp
from .edits import checked_edit
from .intake import Intake, input_schema, known_workflow
from .settings import Environment, Settings, settings_schema
from .stream_items import item_of, told, with_events
from .watch import WATCH, Watch

ENSEMBLES = Path(__file__).parent / "ensembles"
"""Workflows that show how answers are combined."""

KEPT = 16
"""Graphs with models that clients have named, kept for each event loop."""

Plain = CompiledStateGraph[Any, Any, Any, Any]


class Family:
    """Graphs that differ in their models only: the server's own, and those that clients name."""

    def __init__(self, environment: Environment, watch: Watch = WATCH) -> None:
        self.environment = environment
        self.watch = watch
        folders = [str(ENSEMBLES), *environment.workflows]
        self.workflows: dict[str, Workflow] = load_workflows(*folders)
        self._folders = folders
        self._code = environment.setup.load_code()
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, OrderedDict[Any, asyncio.Task[Plain]]] = (
            WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        self.base = self._build(environment.setup.models)

    def graph(self, name: str, workflow: str | None = None) -> StudioGraph:
        """Return a graph that runs anything, or one workflow.

        Raises:
            FanwiseError: there is no such workflow.
        """
        flow = known_workflow(workflow, self.workflows) if workflow else None
        return StudioGraph.enter(self, name, Intake(flow, set(self.base.nodes) - RESERVED))

    async def with_models(self, names: str | None) -> Plain:
        """Return the graph with the models that a client names; made once for each event loop, and kept for a while.

        A model's connections belong to the loop on which it was first used.
        """
        if not names:
            return self.base
        models = self.environment.models(names)
        if models == self.environment.setup.models:
            return self.base
        with self._lock:
            made = self._made.setdefault(asyncio.get_running_loop(), OrderedDict())
        task = made.get(models)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = made[models] = asyncio.create_task(asyncio.to_thread(self._build, models))
        made.move_to_end(models)
        while len(made) > KEPT:
            made.popitem(last=False)
        return await asyncio.shield(task)

    def _build(self, models: tuple[tuple[str, str], ...]) -> Plain:
        setup = (
            self.environment.setup.with_models(models)
            if models != self.environment.setup.models
            else self.environment.setup
        )
        return build_graph(
            self._code.specialists,
            functions=self._code.reducers,
            model=setup.chat_models if models else Models(),
            equipment=replace(setup.equipment, sources=(setup.events,) if setup.events else ()),
            prices=setup.prices,
            workflows=self._folders,
            keep_apart=LARGE,
        )


class StudioGraph(TracedGraph):
    """A graph as a server offers it: its form, its settings, checked edits, and what it tells of its runs."""

    family: Family
    intake: Intake
    """Reads the graph's form: what it refuses leaves no trace on the thread."""

    @classmethod
    def enter(cls, family: Family, name: str, intake: Intake) -> Self:
        """Return the family's graph, entered by a form."""
        made = object.__new__(cls)
        made.__dict__.update(family.base.__dict__)
        made.family, made.intake, made.name = family, intake, name
        made.context_schema = Settings
        made.output_channels = [*made.output_channels, "plan", "request", "chosen"]
        return made

    @property
    def specialists(self) -> set[str]:
        """The names that tasks can use."""
        return set(self.nodes) - RESERVED

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """Return a copy with something changed, such as the server's checkpointer."""
        made = object.__new__(type(self))
        made.__dict__.update({**self.__dict__, **(update or {})})
        return made

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """Return the schema of the graph's form."""
        return input_schema(self.intake, super().get_input_jsonschema(config), self.family.workflows)

    def get_context_jsonschema(self) -> dict[str, Any]:
        """Return the schema of the settings' form."""
        return settings_schema()

    async def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:
        """Run the graph with its settings, and yield what it streams."""
        stream = self._watched(input, config, **options)
        shown = for_mcp(stream, subgraphs=bool(options.get("subgraphs"))) if is_mcp(config) else stream
        async with aclosing(shown) as items:  # type: ignore[type-var]
            async for item in items:
                yield item

    async def _watched(
        self, input: Any, config: RunnableConfig | None = None, **options: Any
    ) -> AsyncGenerator[Any, None]:
        """Run the graph with its settings, have its events watched, and yield what it streams."""
        input, settings = self.intake(input), Settings.of(options.pop("context", None))
        graph = self._with(await self.family.with_models(settings.model))
        watched = self.family.watch.run((config or {}).get("configurable", {}).get("thread_id"))
        modes, unwrap, wanted = with_events(options.pop("stream_mode", None) or self.stream_mode)
        failed, asks = True, False
        goes_on = (input is None or isinstance(input, Command)) and bool(self.checkpointer)
        try:
            if goes_on:
                watched.going_on((await self.aget_state(config or {})).values)
            stream = TracedGraph.astream(graph, input, config, context=settings, stream_mode=modes, **options)
            async with aclosing(stream) as items:  # type: ignore[type-var]
                async for item in items:
                    mode, value = told(item)
                    asks = asks or (isinstance(value, Mapping) and ASKS in value)
                    if mode == "custom":
                        watched.on_event(value)
                        if not wanted:
                            continue
                    yield unwrap(item)
            if goes_on and not asks:
                for item in await self._still_asked(config or {}, modes, options):
                    yield unwrap(item)
            failed = False
        finally:
            await watched.close(failed=failed)

    async def _still_asked(self, config: RunnableConfig, modes: list[str], options: Mapping[str, Any]) -> list[Any]:
        """Return what tells of questions that stay open: their branches did not run, so that LangGraph says nothing."""
        snapshot = await self.aget_state(config)
        if not snapshot.interrupts or options.get("version") == "v2":
            return []
        told_of: dict[str, Any] = {"updates": {ASKS: snapshot.interrupts}}
        keys = options.get("output_keys") or self.stream_channels_list
        values = {name: value for name, value in snapshot.values.items() if name in keys}
        told_of["values"] = {**values, ASKS: snapshot.interrupts}
        inner = bool(options.get("subgraphs"))
        return [item_of(mode, told_of[mode], subgraphs=inner) for mode in modes if mode in told_of]

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:
        """Run the graph with its settings and the server's own models, and yield what it streams."""
        input, settings = self.intake(input), Settings.of(options.pop("context", None))
        return super().stream(input, config, context=settings, **options)

    async def abulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """Write to the state, once it is checked.

        Raises:
            EditError: the edit is refused; nothing was written.
        """
        before = (await self.aget_state(config)).values if self.checkpointer else {}
        return await super().abulk_update_state(config, self._checked(supersteps, before))

    def bulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """Write to the state, once it is checked.

        Raises:
            EditError: the edit is refused; nothing was written.
        """
        before = self.get_state(config).values if self.checkpointer else {}
        return super().bulk_update_state(config, self._checked(supersteps, before))

    def _checked(self, supersteps: Any, before: Mapping[str, Any]) -> list[list[StateUpdate]]:
        def checked(update: StateUpdate) -> StateUpdate:
            if update.values is None or update.as_node in ("__copy__", "__end__"):
                return update
            return update._replace(values=checked_edit(update.values, before, self.specialists))

        return [[checked(StateUpdate(*update)) for update in updates] for updates in supersteps]

    def _with(self, graph: Plain) -> StudioGraph:
        """Return this graph with another one's nodes: those that work with the models that were named."""
        if graph is self.family.base:
            return self
        return self.copy({"nodes": graph.nodes})
