"""Embedding models by name, as the index of a store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..schema.errors import FanwiseError
from .chat import OPENAI
from .faults import fault_of

if TYPE_CHECKING:
    from langgraph.store.base import IndexConfig

_SETTINGS: dict[str, dict[str, Any]] = {OPENAI: {"check_embedding_ctx_length": False}}
"""OpenAI's own check fetches a table of tokens from the internet, and sends numbers that other servers do not take."""


async def embedding_index(name: str) -> IndexConfig:
    """Return the index that makes a store find texts by meaning: `InMemoryStore(index=await embedding_index(...))`.

    How many numbers the model gives is found by embedding one word.

    Args:
        name: `provider:name`, such as `openai:text-embedding-3-small`; without a provider, any OpenAI-compatible
            server, by `OPENAI_BASE_URL`.

    Raises:
        FanwiseError: there is no such provider here, its key is missing, or the model does not answer.
    """
    from langchain.embeddings import init_embeddings

    provider, mark, rest = name.strip().partition(":")
    if not mark:
        provider, rest = OPENAI, name.strip()
    try:
        model: Any = init_embeddings(f"{provider}:{rest}", **_SETTINGS.get(provider, {}))
        vector = await asyncio.wait_for(model.aembed_query("word"), 60)
    except ImportError as error:
        raise FanwiseError(f"embedding model {name!r}: its provider is not installed: {error}") from None
    except Exception as error:  # each provider's client says in its own way what is missing
        fault = fault_of(error)
        told = fault.text if fault else " ".join(str(error).split())[:400]
        raise FanwiseError(f"embedding model {name!r}: {told}") from None
    return {"dims": len(vector), "embed": model, "fields": ["text"]}
