"""The last node: the run's status, its metrics and the one summary that a person reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Overwrite

from ..reducers.outcome import run_metrics, run_status
from ..reducers.usage import add_usage
from ..schema.progress import SummaryRestarted, SummaryText
from ..schema.results import Summary
from ..state import State
from .conversation import reply
from .router import NOTHING_KNOWN
from .summary import Summarizer
from .summary.text import sentence

if TYPE_CHECKING:  # a run without a model does without the import of LangChain's models
    from .summary.by_model import ModelSummarizer

SYNTHESIZER = "synthesizer"
"""The node's name, under which its usage is counted."""


def synthesize(state: State, whole: Mapping[str, Any], lost: Sequence[str], summarizer: Summarizer) -> dict[str, Any]:
    """Return the update that ends a run.

    Args:
        state: the run's state.
        whole: its results, with their large outputs.
        lost: what is to be said of outputs that are not there any more.
        summarizer: writes the summary.
    """
    if state.get("rejected") is not None:
        return _rejected(state)
    read, warnings = _material(state, whole, lost)
    told = [text for text in warnings if text != NOTHING_KNOWN]
    summary = summarizer(read, request=state.get("request") or "", plan=state["plan"], warnings=told)
    if len(told) < len(warnings):  # it is no answer to what was asked: that stands first
        summary = summary.model_copy(update={"text": f"{NOTHING_KNOWN}\n\n{summary.text}"})
    return _ended(state, summary)


def replied(state: State, by_model: str | None = None) -> dict[str, Any] | None:
    """Return the update that ends a run in which nothing was to be done, with the planner's reply; else `None`.

    Args:
        state: the run's state.
        by_model: the planner's model.
    """
    reply = state.get("planner_reply")
    if not reply or state["plan"]["tasks"]:
        return None
    return _ended(state, Summary(text=reply, by_model=by_model))


async def synthesize_by_model(
    state: State,
    whole: Mapping[str, Any],
    lost: Sequence[str],
    writer: ModelSummarizer,
    emit: Callable[[Any], None],
    config: RunnableConfig,
) -> dict[str, Any]:
    """Return the update that ends a run, its summary written by a model, and told piece by piece.

    Args:
        state: the run's state.
        whole: its results, with their large outputs.
        lost: what is to be said of outputs that are not there any more.
        writer: writes the summary; until the run's deadline, if it has one.
        emit: takes the events `summary_text` and `summary_restarted`.
        config: the node's configuration.
    """
    if state.get("rejected") is not None:
        return _rejected(state)
    read, warnings = _material(state, whole, lost)
    deadline = state.get("deadline_at")
    written = await writer.write(
        read,
        request=state.get("request") or "",
        plan=state["plan"],
        warnings=warnings,
        on_text=lambda text: emit(SummaryText(type="summary_text", text=text)),
        on_restart=lambda why: emit(SummaryRestarted(type="summary_restarted", why=why)),
        config=config,
        within_s=None if deadline is None else deadline - time.time(),
    )
    own = {SYNTHESIZER: written.usage} if written.usage else {}
    update = _ended(state, written.summary, own)
    if own:
        update["usage"] = own
    if written.warnings:
        update["warnings"] = list(written.warnings)
    return update


def _material(state: State, whole: Mapping[str, Any], lost: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the results in plan order, and what is to be said beside them."""
    return {task_id: whole[task_id] for task_id in _ordered(state)}, [*(state.get("warnings") or ()), *lost]


def _ordered(state: State) -> dict[str, Any]:
    results = state.get("results") or {}
    return {task["id"]: results[task["id"]] for task in state["plan"]["tasks"] if task["id"] in results}


def _ended(state: State, summary: Summary, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    plan, ordered = state["plan"], _ordered(state)
    update: dict[str, Any] = {
        "status": run_status(plan["tasks"], ordered, plan.get("config") or {}),
        "summary": summary.model_dump(mode="json"),
        "metrics": _metrics(state, ordered, own),
    }
    if list(ordered) != list(state.get("results") or {}):
        update["results"] = Overwrite(ordered)
    return {**update, **reply(state, summary.text)}


def _rejected(state: State) -> dict[str, Any]:
    reason = state["rejected"] or ""
    text = f"{sentence(reason[:1].upper() + reason[1:])} Nothing was run."
    summary = Summary(text=text).model_dump(mode="json")
    metrics = _metrics(state, _ordered(state))
    return {"status": "cancelled", "summary": summary, "metrics": metrics, **reply(state, text)}


def _metrics(state: State, results: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the run's metrics; `own` is what the synthesizer itself has used."""
    used = add_usage(state.get("usage"), own)
    supersteps, currency = state.get("superstep", 0), state.get("currency")
    return run_metrics(state["plan"]["tasks"], results, supersteps, used, currency).model_dump(mode="json")
