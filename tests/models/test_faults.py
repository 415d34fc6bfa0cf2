"""Errors of the wire, told apart as they come from the real client and a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from openai_server import Say

from fanwise.models.faults import Fault, fault_of, is_bad_key, worth_another_attempt
from fanwise.models.structured import StructuredModel

FAULTS = [
    ("rate_limited", Say("slow down", status=429)),
    ("refused", Say("no money", status=429, code="insufficient_quota")),
    ("server_error", Say("boom", status=500)),
    ("server_error", Say("busy", status=503)),
    ("bad_key", Say("who are you", status=401)),
    ("bad_key", Say("not for you", status=403)),
    ("context_too_long", Say("This model's maximum context length is 4096 tokens", status=400)),
    ("context_too_long", Say("too long: context_length_exceeded", status=400, code="context_length_exceeded")),
    ("refused", Say("no such parameter", status=400)),
    ("cut_off", Say("a long answer " * 20, cut_after=3)),
    ("timeout", Say("late", wait_s=5)),
]


async def _fault(serve: Any, say: Say, *, stream: bool) -> Fault | None:
    serve([say])
    model = ChatOpenAI(model="scripted", max_retries=0, timeout=0.5)
    try:
        if stream:
            async for _ in model.astream("hello"):
                pass
        else:
            await model.ainvoke("hello")
    except Exception as error:
        return fault_of(error)
    return None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("kind", "say"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_fault_has_its_kind(serve: Any, kind: str, say: Say, stream: bool) -> None:
    fault = asyncio.run(_fault(serve, say, stream=stream))
    assert fault is not None and fault.kind == kind, fault
    assert fault.is_transient == (kind in ("rate_limited", "server_error", "cut_off", "timeout"))


def test_a_server_that_is_not_there_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    with pytest.raises(Exception) as raised:
        asyncio.run(ChatOpenAI(model="scripted", max_retries=0).ainvoke("hello"))
    fault = fault_of(raised.value)
    assert fault is not None and fault.kind == "unreachable"
    assert "is OPENAI_BASE_URL right, and does it run?" in fault.text


@pytest.mark.parametrize(("finish", "kind"), [("length", "malformed"), ("content_filter", "content_filter")])
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "plain"])
def test_an_answer_that_ends_before_its_time_says_why(serve: Any, finish: str, kind: str, method: Any) -> None:
    serve([Say('{"a": 1}', finish=finish)])
    model = StructuredModel(
        ChatOpenAI(model="scripted", max_retries=0),
        {"title": "A", "description": "", "type": "object", "properties": {"a": {"type": "integer"}}},
    )
    model.methods = [method]

    async def read() -> None:
        async for _ in model.stream([]):
            pass

    with pytest.raises(Exception) as raised:
        asyncio.run(read())
    fault = fault_of(raised.value)
    assert fault is not None and fault.kind == kind


def test_errors_of_other_things_are_none_of_ours() -> None:
    assert fault_of(ValueError("no")) is None
    assert not worth_another_attempt(ValueError("no"))
    assert not is_bad_key(ValueError("401"))
