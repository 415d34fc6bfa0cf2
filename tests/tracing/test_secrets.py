"""Secrets that are planted everywhere are nowhere in what is sent."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from langsmith import traceable
from langsmith_sink import Sink

from fanwise.graph import arun, build_graph, specialist
from fanwise.graph.run import execute
from fanwise.state import FanwiseError
from fanwise.tracing import Redactor, Tracing, flush

SECRETS = {
    "openai": "sk-proj-Q1w2E3r4T5y6U7i8O9p0AbCd",
    "github": "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6",
    "aws": "AKIAZ7Q2W9E4R6T1Y8U3",
    "slack": "xoxb-123456789012-abcdefABCDEF",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s5gG7hJ8kL9",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "stripe": "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
}
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75\n-----END RSA PRIVATE KEY-----"
FROM_ENV = "plain-looking value of a variable"
OWN = "customer 4711-9935"


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_known_kinds_are_masked_wherever_they_stand(secret: str) -> None:
    """Alone, in words, in an address, in JSON inside of text."""
    redactor = Redactor()
    for text in (secret, f"it is {secret}, yes", f"https://x.y/?q={secret}&z=1", json.dumps({"a": f"<{secret}>"})):
        assert secret not in redactor.text(text) and "[masked]" in redactor.text(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def-12345", "Authorization: Bearer [masked]"),
        ("postgresql://bob:hunter2@db:5432/x", "postgresql://bob:[masked]@db:5432/x"),
        ("password = letmein99 and more", "password = [masked] and more"),
        ('{"api_key": "abcdef12345"}', '{"api_key": "[masked]"}'),
        ('{\\"client_secret\\": \\"abcdef12345\\"}', '{\\"client_secret\\": \\"[masked]\\"}'),
        (f"before {PEM} after", "before [masked] after"),
        ("input_tokens: 1234567, total_tokens=99", "input_tokens: 1234567, total_tokens=99"),
        ("the secret of good tea is water; tokens: many", "the secret of good tea is water; tokens: many"),
        ("https://example.com/a:b@c?x=1", "https://example.com/a:b@c?x=1"),
    ],
)
def test_what_stands_before_a_secret_stays(text: str, masked: str) -> None:
    """So that a reader sees what was there; what only looks alike is left."""
    assert Redactor().text(text) == masked


def test_names_tell_of_secrets() -> None:
    """Under such a name any text is masked, at any depth; numbers and other names stay."""
    given = {"password": "a", "x": [{"Authorization": "b", "max_tokens": 5, "tokens": "many"}], "n": None}
    expected = {
        "password": "[masked]",
        "x": [{"Authorization": "[masked]", "max_tokens": 5, "tokens": "many"}],
        "n": None,
    }
    assert Redactor().value(given) == expected


def test_a_wrong_pattern_is_one_clear_message() -> None:
    """It is told which."""
    with pytest.raises(FanwiseError, match=r"the pattern for secrets '\(' is no regular expression"):
        Redactor(["("])


@pytest.mark.parametrize("patterns", [[OWN], {OWN}, (re.compile(OWN.upper(), re.I),), iter([OWN])])
def test_patterns_can_be_any_several(patterns: Any) -> None:
    """Texts or compiled; they can be looked up by afterwards."""
    tracing = Tracing(patterns=patterns)
    assert {tracing: 1}[tracing] and tracing.redactor().text(f"it is {OWN}.") == "it is [masked]."


@pytest.mark.parametrize("patterns", ["abc", b"abc", [b"abc"], [re.compile(b"abc")], [1], 7, None, ["("]])
def test_what_is_no_pattern_is_refused_at_once(patterns: Any) -> None:
    """Not deep in a run."""
    with pytest.raises(FanwiseError, match=r"patterns? for secrets"):
        Tracing(patterns=patterns)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    """For any JSON value; only numbers beyond 64 bits may come back in another form."""
    text = json.dumps(value)
    if not any(
        hint in text.lower() for hint in ("key", "token", "pass", "pwd", "secret", "dsn", "cookie", "://", "cred")
    ):
        assert json.dumps(Redactor().value(value)) == text


@pytest.mark.parametrize("text", ["a" * 200_000, "a.b-c_" * 30_000, "key: " * 40_000, "://" * 60_000, "eyJ" * 60_000])
def test_masking_takes_time_in_proportion(text: str) -> None:
    """No text makes the patterns slow."""
    begun = time.thread_time()
    Redactor().text(text)
    assert time.thread_time() - begun < 2


def planted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Plant a secret in the environment; return all that must not be found."""
    monkeypatch.setenv("SHOP_DB_PASSWORD", FROM_ENV)
    return [*SECRETS.values(), "MIIEpAIBAAKCAQEA75", FROM_ENV, "hunter2hunter2"]


def leaky() -> list[Any]:
    """Return specialists that put secrets everywhere."""
    text = " ".join([*SECRETS.values(), PEM, FROM_ENV, "redis://:hunter2hunter2@cache/0"])

    @traceable(name=f"inner {SECRETS['github']}")
    def inner(given: str) -> str:
        return given

    @specialist("tells")
    def tells(task: Any) -> Any:
        return {"said": text, text: "a key", "again": inner(text)}

    @specialist("fails")
    def fails(task: Any) -> Any:
        raise ValueError(f"refused: {text}")

    @specialist("asks")
    def asks(task: Any) -> Any:
        return interrupt({"question": f"is {text} right?"})

    return [tells, fails, asks]


def leaky_plan() -> dict[str, Any]:
    text = " ".join([*SECRETS.values(), PEM, FROM_ENV])
    return {
        "request": f"Use {SECRETS['openai']}",
        "tasks": [
            {
                "id": "tells",
                "specialist": "tells",
                "description": f"With {text}",
                "input": {"x": text, "token": "hunter2hunter2"},
            },
            {"id": "fails", "specialist": "fails", "required": False, "retry": {"max_attempts": 2, "initial_s": 0.01}},
            {"id": "asks", "specialist": "asks"},
            {"id": "review", "specialist": "tells", "review": "after", "required": False},
        ],
    }


def test_secrets_are_nowhere_in_the_bytes(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs, outputs, errors, questions, names, keys, metadata, functions traced by LangSmith's own decorator."""
    secrets = planted(monkeypatch)
    graph = build_graph(leaky(), checkpointer=InMemorySaver())

    async def paused() -> str:
        report = await execute(graph, {"plan": leaky_plan()}, "t")
        return report.status

    assert asyncio.run(paused()) == "paused"
    assert flush(10)
    for secret in secrets:
        assert secret not in sink.text and json.dumps(secret)[1:-1] not in sink.text
    assert "[masked]" in sink.text
    assert any("GraphInterrupt(" in run.get("error", "") for run in sink.runs.values())
    assert any(run["name"] == "inner [masked]" for run in sink.runs.values())


def test_patterns_of_the_user_s_own(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """From `Tracing(patterns=...)`, and from the environment."""
    monkeypatch.setenv("FANWISE_MASK", r"order \d+")
    task = {"id": "a", "specialist": "wait", "input": {"seconds": 0, "output": f"{OWN} has order 12345"}}
    asyncio.run(arun({"tasks": [task]}, tracing=Tracing(patterns=(r"customer [\d-]+",))))
    assert flush(10)
    assert OWN not in sink.text and "order 12345" not in sink.text and "[masked] has [masked]" in sink.text


@pytest.mark.parametrize("by_env", [True, False])
def test_payloads_can_be_left_out(sink: Sink, monkeypatch: pytest.MonkeyPatch, by_env: bool) -> None:
    """Neither inputs nor outputs, nor what is asked of people, are in what is sent."""
    tracing = Tracing(hide_inputs=True, hide_outputs=True)
    if by_env:
        monkeypatch.setenv("LANGSMITH_HIDE_INPUTS", "true")
        monkeypatch.setenv("LANGSMITH_HIDE_OUTPUTS", "true")
        tracing = Tracing()

    @specialist("asks")
    def asks(task: Any) -> Any:
        return interrupt({"question": "is the private matter right?"})

    tasks = [
        {"id": "a", "specialist": "wait", "input": {"seconds": 0, "output": "a private matter"}},
        {"id": "b", "specialist": "asks", "input": {"x": "another private matter"}},
    ]
    asyncio.run(arun({"tasks": tasks}, specialists=[asks], tracing=tracing))
    assert flush(10)
    assert "private matter" not in sink.text and sink.named("a")["outputs"] == {}


def test_long_texts_are_cut(sink: Sink) -> None:
    """To `max_chars`; a secret that the cut would halve is masked."""
    output = "x " * 495 + SECRETS["aws"] + " y" * 25_000
    task = {"id": "a", "specialist": "wait", "input": {"seconds": 0, "output": output}}
    asyncio.run(arun({"tasks": [task]}, tracing=Tracing(max_chars=1000)))
    assert flush(10)
    said = sink.named("a")["outputs"]["output"]
    assert len(said) < 1100 and "characters in all" in said and "AKIA" not in sink.text


def test_masking_can_be_left_out(sink: Sink) -> None:
    """`Tracing(mask=False)` sends what is there."""
    task = {"id": "a", "specialist": "wait", "input": {"seconds": 0, "output": SECRETS["aws"]}}
    asyncio.run(arun({"tasks": [task]}, tracing=Tracing(mask=False)))
    assert flush(10)
    assert SECRETS["aws"] in sink.text
