"""What is decided about a task when its dependencies are there: whether it has anything to do, and with what input."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..schema.errors import RunError
from ..schema.expressions import ExpressionError, evaluate, is_true, lost
from ..schema.filling import filled
from ..schema.references import Reference, has_references, references
from ..schema.skip import Skip
from .call import Given, to_json
from .effort import Worker
from .outputs import Outputs


class ConditionError(Exception):
    """What makes the task's input does not fit the results that are there."""


class WhenIsFalse(Skip):
    """A task's `when` is not true."""

    def __init__(self, task_id: str, when: str, missed: Sequence[str]) -> None:
        why = "; ".join(missed)
        super().__init__(f"its `when` is false: {when}" + (f" ({why})" if missed else ""))
        self.warnings = [f"task {task_id!r} was skipped, and its `when` leads nowhere: {why}"] if missed else []
        """What is to be said of the run: a path that leads nowhere may be meant, or misspelt."""


async def prepared(task: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], outputs: Outputs) -> Any:
    """Return the task with the input that its references and its `transform` make.

    References are put in first, so that `when` and `transform` look at values. One that leads nowhere counts as `null`
    for `when`; only a task that is to run fails for it.

    Raises:
        WhenIsFalse: it is to be skipped.
        ConditionError: an expression can't be evaluated, a reference leads nowhere, or an output is lost.
    """
    when, transform, given = task.get("when"), task.get("transform"), task.get("input", {})
    refers = has_references(given)
    if when is None and transform is None and not refers:
        return task
    there = await _whole(results, _referred(task) if when is None and transform is None else results, outputs)
    unfilled: list[str] = []
    if refers:
        given, unfilled = filled(given, there, task.get("depends_on", ()))
    data = _looked_at(given, there)
    if when is not None and not is_true(_value("when", when, data)):
        raise WhenIsFalse(task["id"], when, _lost(when, data))
    if unfilled:
        raise ConditionError("; ".join(dict.fromkeys(unfilled)))
    if transform is not None:
        made = to_json(_value("transform", transform, data))
        given = {**given, **made} if isinstance(given, dict) and isinstance(made, dict) else made
    return {**task, "input": given}


def _referred(task: Mapping[str, Any]) -> set[str]:
    """Return the dependencies whose outputs the input refers to."""
    found = (part for _, part in references(task.get("input"), task.get("depends_on", ())))
    return {part.task for part in found if isinstance(part, Reference)}


async def _whole(
    results: Mapping[str, Mapping[str, Any]], wanted: Collection[str], outputs: Outputs
) -> dict[str, Mapping[str, Any]]:
    """Return the results, those that are wanted with their outputs, even where these are kept apart."""
    try:
        return {need: await outputs.whole(result) if need in wanted else result for need, result in results.items()}
    except RunError as error:
        raise ConditionError(str(error)) from None


def _looked_at(given: Any, results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "input": given,
        "results": {need: result["output"] for need, result in results.items() if result["status"] == "succeeded"},
        "status": {need: result["status"] for need, result in results.items()},
    }


def _value(name: str, expression: str, data: Mapping[str, Any]) -> Any:
    try:
        return evaluate(expression, data)
    except ExpressionError as error:
        told = "; ".join([f"its `{name}` can't be evaluated: {error}", *_lost(expression, data)])
        raise ConditionError(told) from None


def _lost(expression: str, data: Mapping[str, Any]) -> list[str]:
    """Return which parts of the results an expression looks at that are not there."""
    return lost(expression, data, "", under="results")


def skippable(worker: Worker) -> Worker:
    """Return the worker with a `Skip` that it returns raised."""

    async def call(given: Given) -> Any:
        output = await worker.call(given)
        if isinstance(output, Skip):
            raise output
        return output

    return replace(worker, call=call)
