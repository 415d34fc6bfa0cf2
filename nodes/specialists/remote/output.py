"""What is taken of a remote graph's last state: the task's output, what it used, what a person should know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....schema.expressions import ExpressionError, evaluate, lost
from ...usage import report_usage, report_warning
from .faults import RunFailed


class OutputMissing(ValueError):
    """What the output is to be taken from is not in the state."""


def output_of(values: Any, expression: str | None) -> Any:
    """Return a task's output.

    Without an expression it is, of a Fanwise run, its answer and its results; of an agent, whose state is `messages`
    alone, its structured response, else the text of its last message; else the whole state.

    Raises:
        RunFailed: it is the state of a Fanwise run that failed, or was cancelled.
        OutputMissing: the expression leads nowhere.
    """
    is_own = _is_fanwise(values)
    if is_own and values["status"] in ("failed", "cancelled"):
        raise RunFailed(f"the remote run ended as {values['status']}: {_why(values)}")
    if is_own and values["status"] == "partial":
        report_warning(f"the remote run is partial: {_why(values)}")
    _count(values)
    if expression is not None:
        return _selected(values, expression)
    return _of_run(values) if is_own else _of_agent(values)


def _selected(values: Any, expression: str) -> Any:
    try:
        found = evaluate(expression, values)
    except ExpressionError as error:
        raise OutputMissing(f"output: {error}") from None
    if found is None and (missing := lost(expression, values, "the state")):
        raise OutputMissing(f"output: {missing[0]}")
    return found


def _is_fanwise(values: Any) -> bool:
    return (
        isinstance(values, Mapping)
        and isinstance(values.get("status"), str)
        and isinstance(values.get("summary"), Mapping)
        and isinstance(values.get("results"), Mapping)
    )


def _why(values: Mapping[str, Any]) -> str:
    """Return what failed in a Fanwise run, the first of it with its error."""
    failed = {name: result for name, result in values["results"].items() if result.get("status") != "succeeded"}
    told = [f"{name}: {result.get('error')}" for name, result in failed.items() if result.get("error")]
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    return f"{told[0]}{more}" if told else str(values["summary"].get("text") or "it does not say why")[:500]


def _of_run(values: Mapping[str, Any]) -> dict[str, Any]:
    results = values["results"].items()
    outputs = {name: result.get("output") for name, result in results if result.get("status") == "succeeded"}
    return {"status": values["status"], "answer": values["summary"].get("text"), "results": outputs}


def _of_agent(values: Any) -> Any:
    """Return what an agent said; as of agents that run here, and of any other graph the state."""
    if not isinstance(values, Mapping) or values.keys() - {"structured_response"} != {"messages"}:
        return values
    if values.get("structured_response") is not None:
        return values["structured_response"]
    said = [message for message in values["messages"] or () if _type_of(message) == "ai"]
    return text_of(said[-1]) if said else values


def text_of(message: Mapping[str, Any]) -> str:
    """Return a message's text, of its blocks too."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    blocks = [block if isinstance(block, str) else block.get("text") for block in content or ()]
    return "".join(block for block in blocks if isinstance(block, str))


def _type_of(message: Any) -> str:
    kind = message.get("type") or message.get("role") if isinstance(message, Mapping) else ""
    return "ai" if kind in ("ai", "assistant", "AIMessageChunk") else str(kind)


def _count(values: Any) -> None:
    """Count what the remote run used: as a Fanwise run tells it, or as the messages of models do."""
    if not isinstance(values, Mapping):
        return
    metrics, messages = values.get("metrics"), values.get("messages")
    used = [metrics["usage"]] if isinstance(metrics, Mapping) and isinstance(metrics.get("usage"), Mapping) else []
    if not used and isinstance(messages, list):
        told = (message.get("usage_metadata") for message in messages if _type_of(message) == "ai")
        used = [usage for usage in told if isinstance(usage, Mapping)]
    for usage in used:
        amounts = {name: usage.get(name) or 0 for name in ("input_tokens", "output_tokens", "cost")}
        if all(isinstance(amount, int | float) for amount in amounts.values()):
            report_usage(**amounts)
