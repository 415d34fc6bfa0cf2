"""Which chat models a run has: one for planning, one for specialists, one for the summary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from ..schema.errors import FanwiseError

if TYPE_CHECKING:  # to run a plan without a model must not take the second that importing LangChain takes
    from langchain_core.language_models import BaseChatModel

COMMON = ("openai", "anthropic", "google_genai", "mistralai", "ollama")
"""Providers that are named first."""

ModelSpec = Any
"""A `BaseChatModel`, or the name of one, as `provider:name` or, for an OpenAI-compatible server, `name`."""

OPENAI = "openai"
"""The provider of names without one: any OpenAI-compatible server, by `OPENAI_BASE_URL`."""


def _settings(provider: str) -> dict[str, Any]:
    """Return what is set beside a provider's own defaults.

    LangChain asks only OpenAI's own server to count a stream's tokens; and it shares one HTTP client among all models,
    whose open connections belong to the event loop that is over when a program calls `run` a second time.
    """
    if provider != OPENAI:
        return {}
    from openai import DefaultAsyncHttpxClient

    return {"stream_usage": True, "http_async_client": DefaultAsyncHttpxClient()}


@dataclass(frozen=True, slots=True)
class Models:
    """The chat models of a graph; `None` where there is none."""

    planner: BaseChatModel | None = None
    specialists: BaseChatModel | None = None
    summary: BaseChatModel | None = None

    @classmethod
    def of(cls, given: ModelSpec | Mapping[str, ModelSpec] | Models | None) -> Self:
        """Return the models that a caller gives: one for everything, or a mapping by role.

        Args:
            given: a model for everything, or a mapping with `planner`, `specialists`, `summary` and, for those that
                it leaves out, `default`.

        Raises:
            FanwiseError: a name is of no provider that is installed, its key is missing, or a role is unknown.
        """
        if isinstance(given, Models):
            return cls(given.planner, given.specialists, given.summary)
        roles = [field.name for field in fields(Models)]
        if not isinstance(given, Mapping):
            one = None if given is None else chat_model(given)
            return cls(**dict.fromkeys(roles, one))
        if unknown := sorted(set(given) - {*roles, "default"}):
            raise FanwiseError(f"model: there is no role {unknown[0]!r}; it takes {', '.join(roles)} and default")
        made = {id(spec) if not isinstance(spec, str) else spec: chat_model(spec) for spec in given.values() if spec}

        def model(role: str) -> BaseChatModel | None:
            spec = given.get(role) or given.get("default")
            return made[spec if isinstance(spec, str) else id(spec)] if spec else None

        return cls(**{role: model(role) for role in roles})


def chat_model(spec: ModelSpec) -> BaseChatModel:
    """Return the chat model that a caller means.

    Raises:
        FanwiseError: it is neither a model nor a name of one that can be made here.
    """
    from langchain_core.language_models import BaseChatModel

    if isinstance(spec, BaseChatModel):
        return spec
    if not isinstance(spec, str) or not spec.strip():
        raise FanwiseError(
            f"model: {type(spec).__name__} is no chat model; give a LangChain chat model, or a name such as "
            "'openai:gpt-4.1-mini'"
        )
    return _named(spec.strip())


def _named(name: str) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    provider, mark, rest = name.partition(":")
    known = f"{provider}:{rest}" if mark else f"{OPENAI}:{name}"
    try:
        made: BaseChatModel = init_chat_model(known, **_settings(known.partition(":")[0]))
        return made
    except ImportError as error:
        raise FanwiseError(f"model {name!r}: its provider is not installed: {error}") from None
    except Exception as error:  # each provider's client says in its own way that it has no key
        raise FanwiseError(f"model {name!r}: {_unknown(provider if mark else '', error) or _told(error)}") from None


def _unknown(provider: str, error: Exception) -> str:
    """Return what is said of a provider that LangChain does not know; empty where the error is about something else."""
    found = re.search(r"Supported providers: *([\w, -]+)", str(error))
    if not provider or found is None:
        return ""
    others = [one for name in found[1].split(",") if (one := name.strip()) not in COMMON]
    how = f"for a name with a colon in it, of an OpenAI-compatible server: {OPENAI}:NAME"
    return f"unknown provider {provider!r}; known: {', '.join((*COMMON, *others))}; {how}"


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "api_key" in text.lower():
        return "it has no key: set OPENAI_API_KEY, or the variable of its provider (a local server takes any text)"
    return text if len(text) <= 400 else f"{text[:400].rpartition(' ')[0]} ..."


def model_name(model: BaseChatModel) -> str:
    """Return the name by which a model's use is counted: what its provider calls it."""
    for field in ("model_name", "model", "model_id"):
        if isinstance(name := getattr(model, field, None), str) and name:
            return name
    return type(model).__name__


def context_tokens(model: BaseChatModel, default: int) -> int:
    """Return how many tokens a model takes in, as its profile says; `default` where nobody knows."""
    found = (getattr(model, "profile", None) or {}).get("max_input_tokens")
    return found if isinstance(found, int) and found > 0 else default
