"""The one-call forms: build the graph, run it, and return the report."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import wraps
from os import PathLike, fspath
from typing import Any, NamedTuple, ParamSpec
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained, is_invalid_resume
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot

from ..nodes.outputs import Outputs
from ..nodes.review import ASKER, Asker
from ..schema.errors import FanwiseError, RunError
from ..schema.plan import Plan
from ..schema.results import Report
from ..schema.review import is_review
from ..schema.words import Nearest
from ..state import RunContext
from ..tracing.files import Traces
from .builder import build_graph
from .compiled import Graph
from .fan_out import effective_config, first_failed
from .history import Estimates, History, estimates, name_of
from .lacking import check_equipped
from .names import BATCH
from .questions import check_answers, overdue, questions_of, take_back, write_answers
from .recorder import Recorder
from .report import report_of, with_outputs
from .runtime import saved_results

OnEvent = Callable[[Mapping[str, Any]], None]
"""Is told of every progress event, as it happens."""

OnUpdate = Callable[[Mapping[str, Any]], None]
"""Is told what each node writes to the state, by the node's name, as soon as it is written."""


def config_of(thread_id: str) -> RunnableConfig:
    """Return LangGraph's name of a run."""
    return {"configurable": {"thread_id": thread_id}}


def new_thread_id() -> str:
    """Return a name for a new run: short enough to type, random enough to be alone."""
    return uuid4().hex[:12]


async def execute(
    graph: Graph,
    given: Mapping[str, Any] | None,
    thread_id: str,
    *,
    context: RunContext | None = None,
    on_event: OnEvent | None = None,
    on_update: OnUpdate | None = None,
    control: RunControl | None = None,
    answers: Mapping[str, Any] | None = None,
    asker: Asker | None = None,
    history: History | None = None,
) -> Report:
    """Run a graph with a checkpointer on a thread, or go on with it, and return the report.

    Who goes on gives answers to questions; those given before a crash are given again, and questions whose time is
    over are answered with their default.

    Args:
        graph: the compiled graph.
        given: the graph's input; `None` to go on with what the thread holds.
        thread_id: the run.
        context: options of this invocation.
        on_event: is told of every progress event.
        on_update: is told of every result and every other write to the state, those inside a batch too.
        control: lets the caller ask the run to drain: what runs ends, the rest stays for a resume.
        answers: answers to open questions, by question id; only where the run goes on.
        asker: asks a person who is there, while other tasks go on; may return `None` to let the run pause.
        history: where to note what the run and its attempts take; a new run gets its estimates from there.

    Raises:
        FanwiseError: what was given was refused; nothing ran, and the thread holds nothing.
        RunError: an answer is for no open question, or does not fit its question; nothing of it is kept. Or
            specialists of open tasks lack what they need; nothing is changed.
    """
    config = config_of(thread_id)
    context, going_on = context or RunContext(), None
    recorder = None if history is None else Recorder(history, thread_id)
    if given is None:
        going_on = await _going_on(graph, config, answers or {})
        context = _with_deadline(context, going_on.snapshot)
        if recorder is not None:
            recorder.going_on(going_on.snapshot.values)
    elif history is not None:
        if isinstance(plan := given.get("plan"), Mapping) and "name" not in plan:
            given = {**given, "plan": {**plan, "name": name_of(plan)}}
        if context.estimates is None:
            context = replace(context, estimates=await _known(history, graph, given))
    token = ASKER.set(asker)
    stream = graph.astream(
        going_on.command if going_on is not None else given,
        config,
        context=context,
        stream_mode=["custom"] if on_update is None else ["custom", "updates"],
        subgraphs=True,  # what nodes inside a batch write
        control=control,
    )
    listeners = {"custom": _both(on_event, recorder), "updates": on_update}
    try:
        async for item in stream:
            namespace, mode, value = item
            listener = listeners[str(mode)]
            if listener is not None and isinstance(value, Mapping) and _is_own(namespace):
                listener(value)
    except GraphDrained:
        pass
    except BaseException as error:
        if recorder is not None:
            await recorder.close()
        if not isinstance(error, Exception):
            raise
        if given is not None:
            await _forget_unplanned(graph, config)
        if going_on is not None and is_invalid_resume(error):
            await _take_misfits_back(graph, config)
            raise RunError(f"an answer does not fit its question, which stays open: {error}") from error
        raise
    finally:
        ASKER.reset(token)
    snapshot = await graph.aget_state(config, subgraphs=True)
    made = await _reported(graph, snapshot, thread_id)
    is_drained = control is not None and control.drain_requested
    if not is_drained and _needs_nobody(snapshot, made):  # whoever goes on with it ends what waits
        if recorder is not None:
            await recorder.close()
        again = None if control is None else _Following(control)
        options: dict[str, Any] = {"context": context, "on_event": on_event, "on_update": on_update}
        return await execute(graph, None, thread_id, **options, control=again, asker=asker, history=history)
    return made if recorder is None else await _noted(recorder, snapshot, made)


class _Following(RunControl):
    """The control of a further invocation, drained when the first one's is: boards belong to a control of their own."""

    __slots__ = ("_first",)

    def __init__(self, first: RunControl) -> None:
        super().__init__()
        self._first = first

    @property
    def drain_requested(self) -> bool:
        """Whether the first invocation's control, or this one, was asked to drain."""
        return self._first.drain_requested or super().drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why."""
        return self._first.drain_reason or super().drain_reason


def _needs_nobody(snapshot: StateSnapshot, made: Report) -> bool:
    """Tell whether a run waits for people whose answers can't matter: it has failed, or others went on without them."""
    if made.status != "paused":
        return False
    plan = snapshot.values["plan"]
    results = {task_id: result.model_dump(include={"status"}) for task_id, result in made.results.items()}
    if effective_config(plan)["on_failure"] == "fast" and first_failed(plan, results) is not None:
        return True
    let_go = {task_id for result in made.results.values() for task_id in result.let_go}
    return all(question.task_id in let_go for question in made.interrupts)


def _both(on_event: OnEvent | None, recorder: Recorder | None) -> OnEvent | None:
    """Return what tells events to the caller and to the history."""
    if recorder is None:
        return on_event
    if on_event is None:
        return recorder.on_event

    def tell(event: Mapping[str, Any]) -> None:
        recorder.on_event(event)
        on_event(event)

    return tell


async def _known(history: History, graph: Graph, given: Mapping[str, Any]) -> Estimates | None:
    """Return what the history knows of the specialists' times; a history that can't be read knows nothing."""
    plan = given.get("plan")
    name = plan.get("name") if isinstance(plan, Mapping) else given.get("workflow")
    try:
        return await asyncio.to_thread(estimates, history, list(graph.nodes), name)
    except Exception:  # writing to it will fail as well, and tell
        return None


async def _noted(recorder: Recorder, snapshot: StateSnapshot, made: Report) -> Report:
    """Conclude the history of a run, and return its report with a warning where that failed."""
    warning = await recorder.finish(snapshot.values["plan"], made)
    return made if warning is None else made.model_copy(update={"warnings": (*made.warnings, warning)})


async def _take_misfits_back(graph: Graph, config: RunnableConfig) -> None:
    """Forget the kept answers to specialists' own questions, one of which did not fit: they are asked again.

    LangGraph does not say which, and holds the schema of a question against its answer only when the run goes on.
    """
    snapshot = await graph.aget_state(config, subgraphs=True)
    answered = (await questions_of(saver_of(graph), snapshot)).answered
    misfits = [question.id for question in answered if not is_review(question.value)]
    await take_back(saver_of(graph), snapshot.config, misfits)


class _GoingOn(NamedTuple):
    """How a stopped run is gone on with."""

    snapshot: StateSnapshot
    answers: dict[str, Any]
    """The answers that it is given, those too that were kept from before."""

    @property
    def command(self) -> Command[Any] | None:
        """What LangGraph is told; `None` where there is no answer."""
        return Command(resume=self.answers) if self.answers else None


async def _going_on(graph: Graph, config: RunnableConfig, answers: Mapping[str, Any]) -> _GoingOn:
    """Collect the answers: those that are given now, those of an earlier attempt that did not come to use, defaults."""
    snapshot = await graph.aget_state(config, subgraphs=True)
    _check_equipped(graph, snapshot)
    saver = saver_of(graph)
    questions = await questions_of(saver, snapshot)
    check_answers(questions, answers)
    new = {**overdue(questions.open, time.time()), **answers}
    await write_answers(saver, snapshot.config, new)
    return _GoingOn(snapshot, {**questions.answers, **new})


def _check_equipped(graph: Graph, snapshot: StateSnapshot) -> None:
    """Refuse to go on where the specialists of open tasks lack something; a run that was rejected needs none."""
    values = snapshot.values
    plan = values.get("plan") or {}
    if not snapshot.next or values.get("rejected") is not None:
        return
    ended = {*(values.get("results") or {}), *(task_id for task_id, _ in saved_results(snapshot))}
    left = {task["id"] for task in plan.get("tasks") or () if task["id"] not in ended}
    check_equipped(graph, snapshot.config["configurable"]["thread_id"], plan, left)


async def keep_answers(graph: Graph, thread_id: str, answers: Mapping[str, Any]) -> None:
    """Keep answers to a stopped run's questions, by question id, without going on with it.

    Raises:
        RunError: one is for no open question, or does not fit its review; none is kept.
    """
    snapshot = await graph.aget_state(config_of(thread_id), subgraphs=True)
    saver = saver_of(graph)
    check_answers(await questions_of(saver, snapshot), answers)
    await write_answers(saver, snapshot.config, answers)


def saver_of(graph: Graph) -> BaseCheckpointSaver[Any]:
    """Return the checkpointer that a graph keeps its runs with.

    Raises:
        RunError: it was built without one.
    """
    saver = graph.checkpointer
    if not isinstance(saver, BaseCheckpointSaver):
        raise RunError("the graph keeps no runs: build it with a checkpointer")
    return saver


def _is_own(namespace: Sequence[str]) -> bool:
    """Tell whether something comes from the run itself or one of its batches, not from a graph inside a specialist."""
    return not namespace or (len(namespace) == 1 and namespace[0].split(":")[0] == BATCH)


async def _forget_unplanned(graph: Graph, config: RunnableConfig) -> None:
    """Leave nothing of a run that was refused before it had a plan."""
    saver = graph.checkpointer
    if isinstance(saver, BaseCheckpointSaver) and not (await graph.aget_state(config)).values.get("run_id"):
        await saver.adelete_thread(config["configurable"]["thread_id"])


def _with_deadline(context: RunContext, snapshot: StateSnapshot) -> RunContext:
    """Give what is left of a stopped run its deadline anew, from now: the option's, or what its plan says.

    A run that lay still over night would otherwise come to nothing.
    """
    plan = snapshot.values.get("plan") or {}
    seconds = context.deadline_s or (plan.get("config") or {}).get("deadline_s")
    return context if seconds is None else replace(context, deadline_at=time.time() + seconds)


async def report(graph: Graph, thread_id: str, *, whole: bool = True) -> Report:
    """Return the report of the run on a thread.

    Args:
        graph: the graph; it need not have the run's specialists.
        thread_id: the run.
        whole: whether outputs that are kept apart are read; else their results only tell where they are.

    Raises:
        RunError: the thread holds no run.
    """
    snapshot = await graph.aget_state(config_of(thread_id), subgraphs=True)
    return await _reported(graph, snapshot, thread_id, whole=whole)


async def _reported(graph: Graph, snapshot: StateSnapshot, thread_id: str, *, whole: bool = True) -> Report:
    if not snapshot.values and not snapshot.next:
        raise RunError(f"there is no run {thread_id!r} in this database; `fanwise runs` lists them")
    questions = await questions_of(saver_of(graph), snapshot)
    outputs = Outputs(graph.store if whole else None, thread_id)
    return await with_outputs(report_of(snapshot, thread_id, questions), outputs)


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
