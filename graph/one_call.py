"""The one-call forms: build the graph, run it, and return the report."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from os import PathLike, fspath
from typing import Any, ParamSpec

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from ..schema.errors import FanwiseError
from ..schema.plan import Plan
from ..schema.results import Report
from ..schema.words import Nearest
from ..state import RunContext
from ..tracing.files import Traces
from .builder import build_graph
from .going_on import new_thread_id
from .history import History
from .run import OnEvent, execute


async def arun(
    plan: Plan | Mapping[str, Any] | str | PathLike[str] | None = None,
    *,
    request: str | None = None,
    workflow: str | None = None,
    params: Mapping[str, Any] | None = None,
    specialists: Mapping[str, Any] | Sequence[Any] = (),
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    thread_id: str | None = None,
    context: RunContext | None = None,
    on_event: OnEvent | None = None,
    history: History | None = None,
    trace_dir: str | PathLike[str] | None = None,
    **options: Any,
) -> Report:
    """Build the graph, run a plan, a workflow or a request on it, and return the report.

    Args:
        plan: a plan, its dict, the path of a plan file, or its text.
        request: what is asked, in words.
        workflow: name or alias of a workflow, with its `params`.
        specialists: as for `build_graph`, which takes any further `options` too.
        checkpointer: where the run is kept; in memory if not given.
        thread_id: the run's name; a new one if not given.
        context: options of this run, such as its limits.
        on_event: is told of every progress event.
        history: where to note what the run and its attempts take.
        trace_dir: a folder for a JSON trace of each task, and an index; the plan's own if not given.

    Raises:
        PlanError: the plan was refused; nothing ran.
        TypeError: there is no such option; limits of one run belong into the `context`.
    """
    _check_options(options)
    loaded = plan if plan is None or isinstance(plan, Plan | Mapping) else Plan.load(plan)
    given = {
        "plan": loaded.to_state() if isinstance(loaded, Plan) else loaded,
        "request": request,
        "workflow": workflow,
        "params": dict(params) if params is not None else None,
    }
    graph = build_graph(specialists, checkpointer=checkpointer or InMemorySaver(), **options)
    started_with = {name: value for name, value in given.items() if value is not None}
    thread = thread_id or new_thread_id()
    options_of: dict[str, Any] = {"context": context, "history": history}
    folder = _trace_dir(trace_dir, given["plan"])
    if folder is None:
        return await execute(graph, started_with, thread, on_event=on_event, **options_of)
    traces = Traces(thread, folder, tracing=graph.tracing)

    def told(event: Mapping[str, Any]) -> None:
        traces.on_event(event)
        if on_event is not None:
            on_event(event)

    with traces.listening():
        made = await execute(graph, started_with, thread, on_event=told, on_update=traces.on_update, **options_of)
    traces.finish(made)
    return made


def _trace_dir(given: str | PathLike[str] | None, plan: Any) -> str | None:
    """Return the folder for trace files: the one that is given, else the plan's."""
    if given is not None:
        return fspath(given)
    config = plan.get("config") if isinstance(plan, Mapping) else None
    return config.get("trace_dir") if isinstance(config, Mapping) else None


def _check_options(given: Iterable[str]) -> None:
    """Refuse options that neither `arun` nor `build_graph` has, and say where they belong."""
    taken = {*inspect.signature(arun).parameters, *inspect.signature(build_graph).parameters} - {"options"}
    of_runs = {field.name for field in fields(RunContext)}
    for name in given:
        if name in of_runs:
            raise TypeError(f"{name!r} is an option of one run: give context=RunContext({name}=...)")
        if name not in taken:
            raise TypeError(f"there is no option {name!r}{Nearest(taken | of_runs).hint(name)}")


P = ParamSpec("P")


def _blocking(function: Callable[P, Coroutine[Any, Any, Report]]) -> Callable[P, Report]:
    @wraps(function)
    def blocking(*args: P.args, **kwargs: P.kwargs) -> Report:
        if _is_in_loop():
            raise FanwiseError("run() was called inside an event loop: use `await arun(...)` there")
        return asyncio.run(function(*args, **kwargs))

    blocking.__name__ = blocking.__qualname__ = "run"
    return blocking


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


run = _blocking(arun)
"""Does what `arun` does, without an event loop."""
