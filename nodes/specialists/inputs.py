"""Reading a task's input into the model that a specialist declares, with one clear message where it does not fit."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ...schema.plan import Task
from ...schema.words import Nearest, got, listed

Input = TypeVar("Input", bound=BaseModel)


def read_input(model: type[Input], task: Task) -> Input:
    """Return a task's input as the model; no input is an empty one.

    Raises:
        ValueError: it does not fit; the message names the specialist, the field, and what it takes.
    """
    try:
        return model.model_validate({} if task.input is None else task.input)
    except ValidationError as error:
        raise ValueError(f"input of `{task.specialist}`: {_told(error, model)}") from None


def _told(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = listed(list(model.model_fields))
        return f"unknown field {field!r}{Nearest(model.model_fields).hint(field)}; it takes {known}"
    if first["type"] == "missing":
        return f"{field!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"] or first["type"] == "value_error":
        return message if first["type"] == "value_error" else f"expected an object, {got(first['input'])}"
    return f"{field}: {message}, {got(first['input'])}"
