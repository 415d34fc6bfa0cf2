"""What is decided about a task when its dependencies are there: whether it has anything to do, and with what input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..schema.expressions import ExpressionError, evaluate, is_true
from ..schema.skip import Skip
from .call import Given, to_json
from .effort import Worker
from .outputs import Outputs


class ConditionError(Exception):
    """An expression of the task does not fit the results that are there."""


async def prepared(task: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], outputs: Outputs) -> Any:
    """Return the task with the input that its `transform` makes.

    Raises:
        Skip: its `when` is not true.
        ConditionError: an expression can't be evaluated.
    """
    when, transform = task.get("when"), task.get("transform")
    if when is None and transform is None:
        return task
    data = await _looked_at(task, results, outputs)
    if when is not None and not is_true(_value("when", when, data)):
        raise Skip(f"its `when` is false: {when}")
    if transform is None:
        return task
    given, made = data["input"], to_json(_value("transform", transform, data))
    merged = {**given, **made} if isinstance(given, dict) and isinstance(made, dict) else made
    return {**task, "input": merged}


async def _looked_at(
    task: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], outputs: Outputs
) -> dict[str, Any]:
    there = {need: await outputs.whole(result) for need, result in results.items() if result["status"] == "succeeded"}
    return {
        "input": task.get("input", {}),
        "results": {need: result["output"] for need, result in there.items()},
        "status": {need: result["status"] for need, result in results.items()},
    }


def _value(name: str, expression: str, data: Mapping[str, Any]) -> Any:
    try:
        return evaluate(expression, data)
    except ExpressionError as error:
        raise ConditionError(f"its `{name}` can't be evaluated: {error}") from None


def skippable(worker: Worker) -> Worker:
    """Return the worker with a `Skip` that it returns raised."""

    async def call(given: Given) -> Any:
        output = await worker.call(given)
        if isinstance(output, Skip):
            raise output
        return output

    return replace(worker, call=call)
