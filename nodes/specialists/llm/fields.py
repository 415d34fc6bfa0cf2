"""Fields of inputs that have a second name, as task files of other dispatchers use it."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, BaseModel, Field


def also(*names: str, default: Any = ...) -> Any:
    """Declare a field that may be given under any of these names; the first is its own."""
    return Field(default, validation_alias=AliasChoices(*names))


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema, which takes the fields' second names as well and does not advertise them."""
    schema = model.model_json_schema()
    second = [
        name
        for field in model.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
        for name in field.validation_alias.choices[1:]
        if isinstance(name, str)
    ]
    return {**schema, "patternProperties": {f"^({'|'.join(second)})$": {}}} if second else schema
