"""JSON from models that can be asked for it in one way or another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_openai import ChatOpenAI
from openai_server import Say

from fanwise.models.faults import ModelAnswerError
from fanwise.models.structured import StructuredModel, read_json

SCHEMA = {
    "title": "Plan",
    "description": "A plan.",
    "type": "object",
    "properties": {"tasks": {"type": "array", "items": {"type": "object"}}},
    "required": ["tasks"],
}
VALUE = {"tasks": [{"id": "a"}, {"id": "b"}]}
TEXT = json.dumps(VALUE)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def _native(body: dict[str, Any]) -> Say:
    return Say(TEXT) if "response_format" in body else Say("unexpected", status=400)


def _tools_only(body: dict[str, Any]) -> Say:
    if "response_format" in body:
        return Say("'response_format' of type 'json_schema' is not supported with this model", status=400)
    return Say(tools=[("Plan", VALUE)]) if "tools" in body else Say("unexpected", status=400)


def _words_only(body: dict[str, Any]) -> Say:
    if "response_format" in body or "tools" in body:
        return Say("tools and response_format are not supported", status=400)
    return Say(f"Certainly:\n```json\n{TEXT}\n```\nGood luck!")


async def _read(model: StructuredModel) -> tuple[Any, int]:
    pieces = [text async for text in model.stream([])]
    return read_json(pieces[-1]), len(pieces)


@pytest.mark.filterwarnings("ignore:This model does not support OpenAI's structured output")
@pytest.mark.parametrize(
    ("script", "method"), [(_native, "json_schema"), (_tools_only, "function_calling"), (_words_only, "plain")]
)
def test_what_a_server_refuses_gives_way_to_the_next_means(serve: Any, script: Any, method: str) -> None:
    server = serve(script)
    model = StructuredModel(ChatOpenAI(model="scripted", max_retries=0), SCHEMA)
    value, pieces = asyncio.run(_read(model))
    assert value == VALUE
    assert pieces > 3, "it is read as it is written"
    assert model.methods[0] == method
    before = len(server.requests)
    asyncio.run(_read(model))
    assert len(server.requests) == before + 1, "what was refused is tried no more"


def test_other_refusals_are_not_mistaken_for_a_missing_feature(serve: Any) -> None:
    server = serve([Say("the prompt is no good", status=400)])
    model = StructuredModel(ChatOpenAI(model="scripted", max_retries=0), SCHEMA)
    with pytest.raises(Exception, match="the prompt is no good"):
        asyncio.run(_read(model))
    assert len(server.requests) == 1


@given(st.dictionaries(st.text(), JSON), st.sampled_from(["", "Here it is:\n", "```json\n"]), st.text(max_size=5))
def test_an_object_is_found_between_words(value: dict[str, Any], before: str, after: str) -> None:
    assert read_json(before + json.dumps(value) + "\n" + after) == value


@given(st.dictionaries(st.text(), JSON), st.integers(0, 400))
def test_every_beginning_of_an_answer_can_be_read(value: dict[str, Any], end: int) -> None:
    found = read_json(json.dumps(value)[:end], partial=True)
    assert found is None or isinstance(found, dict)


@pytest.mark.parametrize("text", ["", "no", "{", '{"a": tru}', "[1]"])
def test_an_answer_without_an_object_is_malformed(text: str) -> None:
    with pytest.raises(ModelAnswerError):
        read_json(text)
