"""Running a graph on a thread, and the report of what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphDrained, is_invalid_resume
from langgraph.runtime import RunControl
from langgraph.types import StateSnapshot

from ..nodes.outputs import Outputs
from ..nodes.review import ASKER, Asker
from ..schema.errors import RunError
from ..schema.results import Report
from ..state import RunContext
from .compiled import Graph
from .fan_out import effective_config, first_failed
from .going_on import collected, config_of, saver_of, take_misfits_back, with_deadline
from .history import Estimates, History, estimates, name_of
from .names import BATCH
from .questions import check_answers, questions_of, write_answers
from .recorder import Recorder
from .report import report_of, with_outputs

OnEvent = Callable[[Mapping[str, Any]], None]
"""Is told of every progress event, as it happens."""

OnUpdate = Callable[[Mapping[str, Any]], None]
"""Is told what each node writes to the state, by the node's name, as soon as it is written."""


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
        going_on = await collected(graph, config, answers or {})
        context = with_deadline(context, going_on.snapshot)
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
            await take_misfits_back(graph, config)
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


def _is_own(namespace: Sequence[str]) -> bool:
    """Tell whether something comes from the run itself or one of its batches, not from a graph inside a specialist."""
    return not namespace or (len(namespace) == 1 and namespace[0].split(":")[0] == BATCH)


async def _forget_unplanned(graph: Graph, config: RunnableConfig) -> None:
    """Leave nothing of a run that was refused before it had a plan."""
    saver = graph.checkpointer
    if isinstance(saver, BaseCheckpointSaver) and not (await graph.aget_state(config)).values.get("run_id"):
        await saver.adelete_thread(config["configurable"]["thread_id"])


async def keep_answers(graph: Graph, thread_id: str, answers: Mapping[str, Any]) -> None:
    """Keep answers to a stopped run's questions, by question id, without going on with it.

    Raises:
        RunError: one is for no open question, or does not fit its review; none is kept.
    """
    snapshot = await graph.aget_state(config_of(thread_id), subgraphs=True)
    saver = saver_of(graph)
    check_answers(await questions_of(saver, snapshot), answers)
    await write_answers(saver, snapshot.config, answers)


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
