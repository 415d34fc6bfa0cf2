"""Which chat models a graph has."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from fanwise.graph import build_graph
from fanwise.models.chat import Models, chat_model, context_tokens, model_name
from fanwise.state import FanwiseError


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")


def test_a_name_with_and_without_a_provider_is_the_same_model_of_an_openai_compatible_server() -> None:
    assert model_name(chat_model("openai:my-llama")) == model_name(chat_model("my-llama")) == "my-llama"


def test_a_model_is_taken_as_it_is() -> None:
    given = FakeListChatModel(responses=["yes"])
    assert chat_model(given) is given
    assert Models.of(given) == Models(given, given, given)


def test_roles_have_models_of_their_own_and_the_default_stands_in() -> None:
    models = Models.of({"default": "small", "planner": "large"})
    assert model_name(models.planner) == "large"
    assert model_name(models.summary) == model_name(models.specialists) == "small"
    assert models.summary is models.specialists


def test_no_model_is_no_model() -> None:
    assert Models.of(None) == Models.of({}) == Models()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"planer": "x"}, "there is no role 'planer'; it takes planner, specialists, summary and default"),
        (7, "model: int is no chat model; give a LangChain chat model, or a name such as 'openai:gpt-4.1-mini'"),
        ("  ", "model: str is no chat model"),
        ("anthropic:claude", "model 'anthropic:claude': its provider is not installed"),
        ("nobody:model", "model 'nobody:model': "),
    ],
)
def test_what_is_no_model_is_refused_with_what_to_do(given: Any, says: str) -> None:
    with pytest.raises(FanwiseError) as refused:
        build_graph(model=given)
    assert says in str(refused.value)


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(FanwiseError, match="it has no key: set OPENAI_API_KEY"):
        chat_model("gpt-4.1-mini")


def test_a_profile_tells_the_context_and_the_default_stands_in() -> None:
    assert context_tokens(chat_model("gpt-4o-mini"), 1) == 128_000
    assert context_tokens(chat_model("my-llama"), 16_000) == 16_000
