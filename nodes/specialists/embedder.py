"""Vectors of texts: an embedding model, within its limits, with what it uses counted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...models.embeddings import ANSWER_S, EmbeddingError, embedding_model, full_name
from ...models.faults import ModelAnswerError
from ...schema.errors import FanwiseError
from ...schema.words import counted

if TYPE_CHECKING:  # to name a specialist must not take the time that importing LangChain takes
    from langchain_core.embeddings import Embeddings

CUTS = (8_000, 2_000, 500)
"""Characters of a text that are embedded: the first number, or a later one where the model says that it is too long."""

Vector = Sequence[float]
"""A direction: numbers whose squares add up to 1. So the cosine of two is the sum of their products."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """An embedding model, by a name under which its vectors are kept."""

    name: str
    """With the provider. Vectors of models with different names are never compared."""
    model: Embeddings

    @classmethod
    def of(cls, given: Embeddings | Embedder | str | None) -> Embedder | None:
        """Return what makes vectors with the model that a caller gives, or names; nothing where there is none.

        Raises:
            EmbeddingError: a name is of no provider that is installed, or its key is missing.
            FanwiseError: what was given is no embedding model.
        """
        if given is None or isinstance(given, Embedder):
            return given
        if isinstance(given, str):
            name = full_name(given)
            return cls(name, embedding_model(given, partial(_count, _own_name(name))))
        from langchain_core.embeddings import Embeddings

        if not isinstance(given, Embeddings):
            raise FanwiseError(
                f"embeddings: {type(given).__name__} is no embedding model; give a LangChain `Embeddings`, or a name "
                "such as 'openai:text-embedding-3-small'"
            )
        known = (getattr(given, field, None) for field in ("model", "model_name", "model_id"))
        own = next((name for name in known if isinstance(name, str) and name), "")
        return cls(f"{type(given).__name__}:{own}", given)

    @property
    def own_name(self) -> str:
        """The model's name as its provider has it; prices, rates and pools go by it."""
        return _own_name(self.name)

    async def query(self, text: str) -> Vector:
        """Return the vector of what is looked for.

        Raises:
            EmbeddingError: the model did not answer with it.
        """

        async def ask(texts: list[str]) -> list[list[float]]:
            return [await self.model.aembed_query(texts[0])]

        return (await self._vectors(ask, [text]))[0]

    async def documents(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of texts that are to be found, in their order.

        Raises:
            EmbeddingError: the model did not answer with them.
        """
        return await self._vectors(self.model.aembed_documents, texts)

    async def _vectors(self, ask: Callable[[list[str]], Awaitable[Any]], texts: Sequence[str]) -> list[Vector]:
        for chars in CUTS:
            try:
                found = await asyncio.wait_for(ask([text[:chars] for text in texts]), ANSWER_S)
                return _checked(found, len(texts))
            except Exception as error:  # each provider's client has errors of its own
                wrong = EmbeddingError.of(self.name, error)
                if wrong.kind != "context_too_long" or chars == CUTS[-1]:
                    raise wrong from None
        raise AssertionError("the last cut returns or raises")


def _own_name(name: str) -> str:
    return name.partition(":")[2] or name


def _count(model: str, tokens: int) -> None:
    from ..usage import report_input

    report_input(model, tokens)


def _checked(found: Any, wanted: int) -> list[Vector]:
    """Return vectors made one long; of nothing but zeros, as it is: it is like no other."""
    if len(found) != wanted:
        raise ModelAnswerError(f"{counted(len(found), 'vector')} for {counted(wanted, 'text')}")
    vectors: list[Vector] = []
    for vector in found:
        length = math.hypot(*vector)
        if not math.isfinite(length) or len(vector) != len(found[0]) or not vector:
            raise ModelAnswerError("a vector that is empty, not finite, or not as long as the others")
        vectors.append([number / (length or 1.0) for number in vector])
    return vectors
