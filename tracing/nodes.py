"""How the nodes' own runs are recorded: each task by its own name, with what it was given and what came of it.

LangGraph names the run of a node after the node, which would be its specialist's name for each of its tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import RunnableConfig
from langgraph._internal._config import get_async_callback_manager_for_config, get_callback_manager_for_config
from langgraph._internal._runnable import RunnableSeq  # what runs a node and its writers
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import TracePolicy

from .spans import note

LONGEST = 60
"""Characters of a task's title or description in the name of its run."""

FAILED = ("failed", "timed_out")
"""A task's statuses that are its run's error."""


class TaskError(Exception):
    """A task failed; only its trace sees this."""


class TaskNode(RunnableSeq):
    """A specialist's node, whose runs are recorded as their tasks'."""

    def _start(self, input: Any, config: RunnableConfig) -> CallbackManagerForChainRun:
        manager = get_callback_manager_for_config(config)
        if not manager.handlers or not is_task(input):
            return super()._start(input, config)
        manager.add_tags(tags_of(input), inherit=False)
        manager.add_metadata(metadata_of(input))
        run_id = config.pop("run_id", None)
        return manager.on_chain_start(None, recorded(input), name=name_of(input["task"]), run_id=run_id)

    async def _astart(self, input: Any, config: RunnableConfig) -> AsyncCallbackManagerForChainRun:
        manager = get_async_callback_manager_for_config(config)
        if not manager.handlers or not is_task(input):
            return await super()._astart(input, config)
        manager.add_tags(tags_of(input), inherit=False)
        manager.add_metadata(metadata_of(input))
        run_id = config.pop("run_id", None)
        return await manager.on_chain_start(None, recorded(input), name=name_of(input["task"]), run_id=run_id)

    def _end(self, run_manager: CallbackManagerForChainRun, output: Any) -> None:
        result = result_of(output) if run_manager.handlers else None
        if result is None:
            super()._end(run_manager, output)
        elif (error := _noted(run_manager, result)) is not None:
            run_manager.on_chain_error(error)
        else:
            run_manager.on_chain_end(result)

    async def _aend(self, run_manager: AsyncCallbackManagerForChainRun, output: Any) -> None:
        result = result_of(output) if run_manager.handlers else None
        if result is None:
            await super()._aend(run_manager, output)
        elif (error := _noted(run_manager, result)) is not None:
            await run_manager.on_chain_error(error)
        else:
            await run_manager.on_chain_end(result)


def name_task_runs(graph: CompiledStateGraph[Any, Any, Any, Any], names: Any) -> None:
    """Let the runs of these nodes be recorded as their tasks'."""
    for name in names:
        node = graph.nodes[name]
        made = node.node
        if isinstance(made, RunnableSeq):
            node.node = TaskNode(*made.steps, name=made.name)


def _noted(run_manager: Any, result: Mapping[str, Any]) -> TaskError | None:
    """Note what came of a task; return its error, where it is one."""
    status = str(result.get("status"))
    told = {"status": status, "attempts": result.get("attempts"), "duration_s": result.get("duration_s")}
    if usage := result.get("usage"):
        told["usage"] = usage
    note(run_manager, run_manager.run_id, tags=[f"status:{status}"], **told)
    return TaskError(f"{status}: {result.get('error')}") if status in FAILED else None


def is_task(given: Any) -> bool:
    """Tell whether a node was sent a task."""
    return isinstance(given, Mapping) and isinstance(given.get("task"), Mapping)


def name_of(task: Mapping[str, Any]) -> str:
    """Return the name of a task's run: its id, and what it is about in a few words."""
    about = " ".join(str(task.get("title") or task.get("description") or "").split())
    if not about or about == task["id"]:
        return str(task["id"])
    return f"{task['id']}: {about if len(about) <= LONGEST else about[: LONGEST - 3] + '...'}"


def tags_of(send: Mapping[str, Any]) -> list[str]:
    """Return the tags of a task's run."""
    task = send["task"]
    return ["task", f"task:{task['id']}", f"specialist:{task['specialist']}"]


def metadata_of(send: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a task's run, and of all below it."""
    task = send["task"]
    run_id, _, superstep = str(send.get("superstep", "")).rpartition(":")
    told = {"task_id": task["id"], "specialist": task["specialist"], "superstep": _number(superstep), "run": run_id}
    return {**told, **({"group": send["group"]} if "group" in send else {})}


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def recorded(send: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded of what a task's node was sent."""
    task = send["task"]
    names = ("title", "description", "input", "depends_on", "run_if", "when", "aggregate", "review")
    told = {name: task[name] for name in names if task.get(name)}
    if known := send.get("results"):
        told["known"] = {need: {k: r.get(k) for k in ("status", "output", "error")} for need, r in known.items()}
    return told


def result_of(output: Any) -> Mapping[str, Any] | None:
    """Return the one result in a node's update."""
    results = output.get("results") if isinstance(output, Mapping) else None
    if not isinstance(results, Mapping) or len(results) != 1:
        return None
    result = next(iter(results.values()))
    return result if isinstance(result, Mapping) else None


def _state_in(state: Any) -> Any:
    """Return what is recorded of the state that one of the graph's own nodes is given."""
    if not isinstance(state, Mapping):
        return state
    told = {name: state[name] for name in ("request", "workflow", "params", "superstep", "round") if state.get(name)}
    if isinstance(plan := state.get("plan"), Mapping):
        told |= {"plan": plan.get("name"), "tasks": len(plan.get("tasks") or ())}
    if results := state.get("results"):
        told["results"] = {task_id: result.get("status") for task_id, result in results.items() if result}
    return told


def _sends_in(state: Any) -> Any:
    """Return what is recorded of a batch: its tasks, by id."""
    sends = state.get("sends") if isinstance(state, Mapping) else None
    return {"tasks": [send["task"]["id"] for send in sends]} if sends else {}


def _statuses_out(update: Any) -> Any:
    """Return what is recorded of a batch's results: they are recorded below it."""
    results = update.get("results") if isinstance(update, Mapping) else None
    return {"results": {k: r.get("status") for k, r in results.items()}} if results else update


OWN_NODE = TracePolicy(process_inputs=_state_in)
"""How the graph's own nodes are recorded."""

BATCH_NODE = TracePolicy(process_inputs=_sends_in, process_outputs=_statuses_out)
"""How batches are recorded."""
