"""Embedding models by name: as the index of a store, or to make vectors of texts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..schema.errors import FanwiseError
from .chat import OPENAI
from .faults import FaultKind, fault_of

if TYPE_CHECKING:  # to run a plan without a model must not take the second that importing LangChain takes
    from langchain_core.embeddings import Embeddings
    from langgraph.store.base import IndexConfig

ANSWER_S = 60.0
"""Seconds that a model has for one request, its further tries included."""

Count = Callable[[int], None]
"""Takes the tokens that a request used."""


class EmbeddingError(FanwiseError):
    """An embedding model can't be had, or did not do what it was asked for."""

    kind: FaultKind | None = None
    """What went wrong on the wire; `None` where it was something else."""

    @classmethod
    def of(cls, name: str, error: BaseException) -> EmbeddingError:
        """Return what an error says of a model, in one line."""
        fault = fault_of(error)
        told = fault.text if fault else _told(error)
        made = cls(f"embedding model {name!r}: {told}")
        made.kind = fault.kind if fault else None
        return made


def _told(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return f"its provider is not installed: {error}"
    text = " ".join(str(error).split()) or type(error).__name__
    if "api_key" in text.lower():
        return "it has no key: set OPENAI_API_KEY, or the variable of its provider (a local server takes any text)"
    return text if len(text) <= 400 else f"{text[:400].rpartition(' ')[0]} ..."


def full_name(name: str) -> str:
    """Return a model's name with its provider; one without is of any OpenAI-compatible server."""
    provider, mark, rest = name.strip().partition(":")
    return f"{provider}:{rest}" if mark else f"{OPENAI}:{provider}"


def embedding_model(name: str, count: Count | None = None) -> Embeddings:
    """Return the embedding model of a name.

    Args:
        name: `provider:name`, such as `openai:text-embedding-3-small`; without a provider, any OpenAI-compatible
            server, by `OPENAI_BASE_URL`.
        count: is told the tokens of each request, where the server tells them in OpenAI's way.

    Raises:
        EmbeddingError: there is no such provider here, or its key is missing.
    """
    from langchain.embeddings import init_embeddings

    full = full_name(name)
    try:
        return init_embeddings(full, **(_openai_settings(count) if full.startswith(f"{OPENAI}:") else {}))
    except Exception as error:  # each provider's client says in its own way what is missing
        raise EmbeddingError.of(name, error) from None


def _openai_settings(count: Count | None) -> dict[str, Any]:
    """Return what is set beside LangChain's defaults for servers that speak OpenAI's protocol.

    Its check of lengths fetches a table of tokens from the internet, and sends numbers that other servers do not take.
    A connection is closed after each request: one that is kept belongs to an event loop, which may be over before the
    next. LangChain drops what the server says of tokens, so that it is read from the answer itself.
    """
    from openai import DefaultAsyncHttpxClient

    async def counted(response: Any) -> None:
        tokens = _tokens(await response.aread())
        if count is not None and tokens:
            count(tokens)

    client = DefaultAsyncHttpxClient(headers={"Connection": "close"}, event_hooks={"response": [counted]})
    return {"check_embedding_ctx_length": False, "http_async_client": client}


def _tokens(body: bytes) -> int:
    """Return the tokens that an answer tells of; 0 where it tells of none."""
    try:
        told = json.loads(body)["usage"]["prompt_tokens"]
    except (ValueError, TypeError, KeyError):
        return 0
    return told if isinstance(told, int) and told > 0 else 0


async def embedding_index(name: str) -> IndexConfig:
    """Return the index that makes a store find texts by meaning: `InMemoryStore(index=await embedding_index(...))`.

    How many numbers the model gives is found by embedding one word.

    Args:
        name: as for `embedding_model`.

    Raises:
        EmbeddingError: there is no such provider here, its key is missing, or the model does not answer.
    """
    model = embedding_model(name)
    try:
        vector = await asyncio.wait_for(model.aembed_query("word"), ANSWER_S)
    except Exception as error:  # as above
        raise EmbeddingError.of(name, error) from None
    return {"dims": len(vector), "embed": model, "fields": ["text"]}
