"""Second thoughts about a run: failed tasks once more, edited inputs and outputs, forks.

Each of these writes a new checkpoint, by LangGraph's own means, and runs nothing; going on with the run does. What came
before stays in the thread's history.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from langgraph.types import StateSnapshot

from ..nodes.outputs import Outputs
from ..schema.dag import descendants
from ..schema.errors import RunError
from ..schema.plan import Plan
from ..schema.results import Review, TaskResult
from ..schema.words import Nearest
from .compiled import Graph
from .going_on import config_of, saver_of
from .names import COLLECT, PLANNER, REVIEW_PLAN, SYNTHESIZER
from .questions import questions_of
from .report import is_planned
from .runtime import saved_results

FAILED = ("failed", "timed_out", "cancelled")
"""Statuses that `retry` takes for failed."""


class Unset(Enum):
    """Stands for a value that was not given, since `None` is one."""

    UNSET = "unset"


UNSET = Unset.UNSET


class Moment(NamedTuple):
    """A checkpoint of a run."""

    checkpoint_id: str
    at: str
    """ISO 8601 in UTC."""
    next: tuple[str, ...]
    """The nodes that run next, each once; none where the run is over."""
    done: int
    """Tasks that had a result."""
    total: int


async def retry(graph: Graph, thread_id: str, *, tasks: Sequence[str] = (), with_dependents: bool = False) -> list[str]:
    """Take the results of failed tasks out, so that they run once more when the run is gone on with.

    What depends on them runs again too, unless it succeeded all the same (`run_if`); with `with_dependents`, even then.

    Args:
        graph: a graph that has the run's specialists.
        thread_id: the run.
        tasks: the tasks, failed or not; all that failed, timed out or were cancelled if not given.
        with_dependents: whether dependents that succeeded run again.

    Returns:
        The ids of the tasks that will run again, in plan order.

    Raises:
        RunError: there is no such run or task, nothing failed, or the run waits for a person.
    """
    state = await _changeable(graph, thread_id)
    chosen = _known(state, tasks) if tasks else {key for key, r in state.results.items() if _has_failed(r)}
    if state.values.get("rejected") is not None:
        raise RunError(f"the plan of the run {thread_id!r} was rejected: nothing ran, so nothing can be tried again")
    if not chosen:
        raise RunError(f"no task of the run {thread_id!r} failed; name the tasks that are to run again")
    held = () if with_dependents else {key for key, r in state.results.items() if r["status"] == "succeeded"}
    again = chosen | (descendants(state.needs, chosen) - set(held))
    update = {"plan": plan} if (plan := _with_edited_inputs(state, again)) is not None else None
    return await _send_again(graph, thread_id, state, again, update)


async def edit(graph: Graph, thread_id: str, task_id: str, *, input: Any = UNSET, output: Any = UNSET) -> list[str]:
    """Change a task's input, or put an output in the place of its result; what depends on it will run again.

    Args:
        graph: a graph that has the run's specialists.
        thread_id: the run.
        task_id: the task.
        input: its new input: the task runs again with it.
        output: its new output: the task does not run, and counts as succeeded.

    Returns:
        The ids of the tasks that will run again, in plan order.

    Raises:
        RunError: there is no such run or task, or the run waits for a person.
        PlanError: the input makes no valid plan.
    """
    if (input is UNSET) == (output is UNSET):
        raise RunError("give either a new input or a new output")
    state = await _changeable(graph, thread_id)
    _known(state, [task_id])
    again = descendants(state.needs, {task_id})
    update: dict[str, Any] = {}
    if input is not UNSET:
        update["plan"] = _with_input(state.values["plan"], task_id, input)
        again = again | {task_id}
    else:
        update["results"] = {task_id: _with_output(state, task_id, output)}
    return await _send_again(graph, thread_id, state, again, update)


async def fork(graph: Graph, thread_id: str, new_thread_id: str, *, at: str | None = None) -> None:
    """Copy a run, as it stood at a checkpoint, to a new thread, where it can be changed and gone on with.

    Questions that wait for a person are asked anew in the copy.

    Args:
        graph: a graph that has the run's specialists.
        thread_id: the run.
        new_thread_id: the copy; it must not exist.
        at: the checkpoint; where the run stands now if not given.

    Raises:
        RunError: there is no such run or checkpoint, it had no plan yet, or the copy's thread exists.
    """
    config = config_of(thread_id)
    if at is not None:
        config = {"configurable": {"thread_id": thread_id, "checkpoint_id": at}}
    snapshot = await graph.aget_state(config, subgraphs=True)
    if not is_planned(snapshot.values):
        moments = "" if at is None else f" at {at!r}; `fanwise show {thread_id} --history` lists its checkpoints"
        raise RunError(f"there is no planned run {thread_id!r}{moments}")
    target = config_of(new_thread_id)
    if await saver_of(graph).aget_tuple(target) is not None:
        raise RunError(f"there is a run {new_thread_id!r} already; give the copy another name")
    values = dict(snapshot.values)
    if at is None:
        values["results"] = {**(values.get("results") or {}), **dict(saved_results(snapshot))}
    target["metadata"] = {"forked_from": thread_id, "forked_at": snapshot.config["configurable"]["checkpoint_id"]}
    await Outputs(graph.store, thread_id).copy_to(new_thread_id, values.get("results") or {})
    await graph.aupdate_state(target, values, as_node=_last_node(snapshot))


async def history(graph: Graph, thread_id: str) -> list[Moment]:
    """Return the checkpoints of a run that it can be forked at, the newest first."""
    found = []
    async for snapshot in graph.aget_state_history(config_of(thread_id)):
        if is_planned(snapshot.values):
            found.append(
                Moment(
                    checkpoint_id=str(snapshot.config["configurable"]["checkpoint_id"]),
                    at=snapshot.created_at or "",
                    next=tuple(dict.fromkeys(snapshot.next)),
                    done=len(snapshot.values.get("results") or {}),
                    total=len(snapshot.values["plan"]["tasks"]),
                )
            )
    return found


class _State(NamedTuple):
    """A run that can be changed."""

    values: Mapping[str, Any]
    results: dict[str, Any]
    """With those that a stopped superstep has saved."""
    needs: dict[str, Sequence[str]]
    """Task -> its dependencies, in plan order."""


async def _changeable(graph: Graph, thread_id: str) -> _State:
    """Return the state of a run that is not waiting for a person."""
    snapshot = await graph.aget_state(config_of(thread_id), subgraphs=True)
    values = snapshot.values
    if not is_planned(values):
        raise RunError(f"there is no planned run {thread_id!r}")
    questions = await questions_of(saver_of(graph), snapshot)
    if questions.open or questions.answered:
        raise RunError(
            f"the run {thread_id!r} waits for a person, and a change would ask everything again: "
            f"answer first (`fanwise review {thread_id}`), or change a copy (`fanwise fork {thread_id}`)"
        )
    results = {**(values.get("results") or {}), **dict(saved_results(snapshot))}
    return _State(values, results, {task["id"]: task.get("depends_on", ()) for task in values["plan"]["tasks"]})


def _known(state: _State, tasks: Iterable[str]) -> set[str]:
    nearest = Nearest(state.needs)
    for task_id in tasks:
        if task_id not in state.needs:
            raise RunError(f"the plan has no task {task_id!r}{nearest.hint(task_id)}")
    return set(tasks)


async def _send_again(
    graph: Graph, thread_id: str, state: _State, again: set[str], update: Mapping[str, Any] | None = None
) -> list[str]:
    """Write the checkpoint from which the run goes on: saved results kept, those of `again` taken out."""
    update, groups = update or {}, dict(state.values.get("groups") or {})
    for task_id in again & state.results.keys():  # those that ran: new work, not the old once more
        groups[task_id] = groups.get(task_id, 0) + 1
    seconds = (state.values["plan"].get("config") or {}).get("deadline_s")
    changed = {
        **update,
        "results": {**state.results, **update.get("results", {}), **dict.fromkeys(again)},
        "groups": groups,
        "superstep": state.values.get("superstep", 0) + 1,
        "deadline_at": None if seconds is None else time.time() + seconds,
        "rounds_over": None,
        "status": "running",
        "summary": {},
        "metrics": {},
    }
    await graph.aupdate_state(config_of(thread_id), changed, as_node=COLLECT)
    return [task_id for task_id in state.needs if task_id in again]


def _has_failed(result: Mapping[str, Any]) -> bool:
    """Tell whether a task is worth another try of itself; one that a race ended is not."""
    return result["status"] in FAILED and not result.get("by_choice")


def _with_edited_inputs(state: _State, again: set[str]) -> dict[str, Any] | None:
    """Return the plan with the inputs that a person gave tasks in place of its own; `None` if nobody did."""
    edited = {
        task_id: review["input"]
        for task_id in again & state.results.keys()
        for review in state.results[task_id].get("reviews", ())
        if review["when"] == "before" and review["decision"] == "edit"
    }
    if not edited:
        return None
    tasks = [{**task, "input": edited.get(task["id"], task.get("input", {}))} for task in state.values["plan"]["tasks"]]
    return {**state.values["plan"], "tasks": tasks}


def _with_input(plan: Mapping[str, Any], task_id: str, value: Any) -> dict[str, Any]:
    tasks = [{**task, "input": value} if task["id"] == task_id else task for task in plan["tasks"]]
    return Plan.model_validate({**plan, "tasks": tasks}, context={"max_tasks": len(tasks)}).to_state()


def _with_output(state: _State, task_id: str, value: Any) -> dict[str, Any]:
    specialist = next(task["specialist"] for task in state.values["plan"]["tasks"] if task["id"] == task_id)
    before = state.results.get(task_id) or {"task_id": task_id, "specialist": specialist, "status": "succeeded"}
    edited = Review(when="after", decision="edit", message="edited by hand").model_dump(mode="json")
    changed = {"status": "succeeded", "output": value, "error": None}
    changed |= dict.fromkeys(("fallback", "by_choice", "no_occasion"), False)
    reviews = [*before.get("reviews", ()), edited]
    return TaskResult.model_validate({**before, **changed, "reviews": reviews}).model_dump(mode="json")


def _last_node(snapshot: StateSnapshot) -> str:
    """Return the node after which a run stands where the snapshot shows it."""
    if not snapshot.next:
        return SYNTHESIZER
    return PLANNER if snapshot.next == (REVIEW_PLAN,) else COLLECT
