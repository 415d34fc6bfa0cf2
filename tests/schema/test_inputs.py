"""Inputs held against what specialists declare to take."""

from __future__ import annotations

from typing import Any

import pytest

from fanwise.schema.inputs import check_inputs
from fanwise.state import FanwiseError, Plan

SCHEMA = {
    "type": "object",
    "properties": {
        "page": {"type": "string", "pattern": "^/"},
        "limit": {"type": "integer", "maximum": 9},
        "mode": {"enum": ["fast", "slow"]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 2},
    },
    "required": ["page"],
    "additionalProperties": False,
}


def told(given: Any, schema: Any = SCHEMA, **task: Any) -> list[str]:
    plan = Plan.model_validate(
        {
            "tasks": [
                {"id": "a", "specialist": "x"},
                {"id": "b", "specialist": "fetch", "depends_on": ["a"], "input": given, **task},
            ]
        }
    )
    return [str(problem) for problem in check_inputs(plan, {"fetch": schema, "x": None})]


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"page": "/"}, []),
        ({}, ["tasks[1].input: task 'b': 'page' is missing (what 'fetch' takes)"]),
        ([], ["tasks[1].input: task 'b': expected object, got [] (what 'fetch' takes)"]),
        ({"page": 3}, ["tasks[1].input.page: task 'b': expected string, got 3 (what 'fetch' takes)"]),
        (
            {"page": "/", "limt": 3},
            [
                "tasks[1].input: task 'b': unknown field 'limt'; did you mean 'limit'?; "
                "it takes page, limit, mode, either, tags (what 'fetch' takes)"
            ],
        ),
        (
            {"page": "/", "mode": "medium"},
            ["tasks[1].input.mode: task 'b': expected one of 'fast', 'slow', got 'medium' (what 'fetch' takes)"],
        ),
        ({"page": "{{tasks.a.output}}", "limit": "{{tasks.a.output.n}}", "mode": "{{tasks.a.output.m}}"}, []),
        ({"page": "x{{tasks.a.output}}", "either": "{{tasks.a.output}}", "tags": "{{tasks.a.output}}"}, []),
        ({"page": "/", "either": ["{{tasks.a.output}}"], "tags": ["{{tasks.a.output}}"] * 2}, []),
        ("{{tasks.a.output}}", []),
        ({"limit": "{{tasks.a.output}}"}, ["tasks[1].input: task 'b': 'page' is missing (what 'fetch' takes)"]),
    ],
)
def test_inputs_are_checked_but_for_references(given: Any, problems: list[str]) -> None:
    """The task and the field are named; what a reference comes to is not known yet."""
    assert told(given) == problems


def test_long_values_are_cut() -> None:
    """A message stays readable."""
    (problem,) = told({"page": "x" * 10_000})
    assert len(problem) < 300


def test_task_with_transform_is_not_checked() -> None:
    """Its input is made later."""
    assert told({}, transform="results.a") == []


def test_schema_that_is_none_names_its_specialist() -> None:
    """And one that refers to what is not in it; nothing is fetched."""
    with pytest.raises(FanwiseError, match="specialist 'fetch': its input_schema is no JSON schema: 'x' is not valid"):
        told({}, {"type": "x"})
    with pytest.raises(FanwiseError, match=r"refers to 'http://127\.0\.0\.1:9/x', which is not in it"):
        told({}, {"$ref": "http://127.0.0.1:9/x"})
