"""Whether tasks' inputs are what their specialists declare to take: JSON schemas, with references still in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import FanwiseError, Problem
from .references import has_references
from .words import Loc, Nearest, listed, path_text, shown

if TYPE_CHECKING:  # to check a plan whose specialists declare nothing must not take the time that importing it takes
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

Schemas = Mapping[str, Mapping[str, Any] | None]
"""The JSON schema of each specialist's input, by its name; `None` where it declares none."""

PROBLEMS = 5
"""Problems that are told of one task's input."""

TOLD = 160
"""Characters of a validator's own message."""

_SHAPES = frozenset({"required", "additionalProperties", "minProperties", "maxProperties", "propertyNames"})
"""What an object must fulfil whatever its references come to."""


def check_inputs(plan: Any, schemas: Schemas) -> list[Problem]:
    """Return a problem for each place at which a task's input is not what its specialist takes.

    What a reference will be is not known, so that nothing is said of it; nor of the input of a task with `transform`.

    Args:
        plan: the plan, or whatever has `tasks`.
        schemas: what specialists take.

    Raises:
        FanwiseError: a specialist's schema is none.
    """
    tasks = [task.model_dump(include={"id", "specialist", "input", "transform"}) for task in plan.tasks]
    return check_task_inputs(tasks, schemas)


def check_task_inputs(
    tasks: Sequence[Any], schemas: Schemas, validators: dict[str, Validator] | None = None
) -> list[Problem]:
    """Return the same for tasks as plain data, which may be wrong in other ways.

    Args:
        tasks: the tasks.
        schemas: what specialists take.
        validators: those made so far, which are kept there.
    """
    validators = {} if validators is None else validators
    found = []
    for index, task in enumerate(tasks):
        name = task.get("specialist") if isinstance(task, dict) else None
        schema = schemas.get(name) if isinstance(name, str) else None
        if schema is None or not isinstance(name, str) or task.get("transform"):
            continue
        if name not in validators:
            validators[name] = _validator(name, schema)
        for loc, message in input_problems(task.get("input", {}), validators[name]):
            path = path_text(("tasks", index, "input", *loc))
            found.append(Problem(f"{_task(task)}: {message} (what {name!r} takes)", path))
    return found


def input_problems(value: Any, validator: Validator) -> Iterator[tuple[Loc, str]]:
    """Yield where an input does not fit, the first few places, in their order."""
    import jsonschema.exceptions
    import referencing.exceptions

    try:
        errors = [found for found in validator.iter_errors(value) if not _is_open(found)]
    except referencing.exceptions.Unresolvable as error:
        message = f"an input_schema refers to {error.ref!r}, which is not in it; put it into '$defs'"
        raise FanwiseError(message) from None
    errors.sort(key=jsonschema.exceptions.relevance, reverse=True)
    for found in errors[:PROBLEMS]:
        yield tuple(found.absolute_path), _worded(found)


def _validator(name: str, schema: Mapping[str, Any]) -> Validator:
    import jsonschema
    from referencing import Registry

    cls = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        cls.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise FanwiseError(
            f"specialist {name!r}: its input_schema is no JSON schema: {error.message[:TOLD]}; correct it"
        ) from None
    return cls(dict(schema), registry=Registry())  # nothing is fetched


def _is_open(error: ValidationError) -> bool:
    """Tell whether an error may be gone once references are put in."""
    if error.validator in _SHAPES or not has_references(error.instance):
        return False
    if isinstance(error.instance, str):
        return True
    if error.validator in ("anyOf", "oneOf") and error.context:
        branches: dict[Any, bool] = {}
        for inner in error.context:
            place = inner.relative_schema_path[0]
            branches[place] = branches.get(place, True) and _is_open(inner)
        return any(branches.values())
    return error.validator not in ("type", "minItems", "maxItems", "dependentRequired")


def _worded(error: ValidationError) -> str:
    schema, value = error.schema, error.instance
    wanted: Any = error.validator_value
    fields = schema.get("properties") if isinstance(schema, Mapping) else None
    known = list(fields) if isinstance(fields, Mapping) else []
    if error.validator == "additionalProperties" and isinstance(value, dict):
        unknown = [name for name in value if name not in known]
        hints = "".join(Nearest(known).hint(name) for name in unknown[:1])
        return f"unknown field {_quoted(unknown)}{hints}; it takes {listed(known) or 'none'}"
    if error.validator == "required" and isinstance(value, dict):
        missing = [name for name in wanted if name not in value]
        name = next((name for name in missing if f"{name!r} is" in error.message), missing[0] if missing else "")
        return f"{name!r} is missing"
    if error.validator == "type":
        return f"expected {wanted if isinstance(wanted, str) else ' or '.join(map(str, wanted))}, got {shown(value)}"
    if error.validator == "enum":
        return f"expected one of {_quoted(wanted)}, got {shown(value)}"
    message = error.message
    return message if len(message) <= TOLD else f"{message[:TOLD]}..."


def _quoted(values: Sequence[Any]) -> str:
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(map(shown, values[:10])) + more


def _task(task: Mapping[str, Any]) -> str:
    return f"task {shown(task.get('id'))}"


def input_schemas(specialists: Iterable[Any]) -> dict[str, Mapping[str, Any] | None]:
    """Return what each of some specialists takes."""
    return {item.name: item.input_schema for item in specialists}
