"""What goes wrong on the wire to a model, told apart by what can be done about it.

LangChain's own errors (`langchain_core.exceptions`) come first; status codes decide where a provider raises others.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
    OutputParserException,
)

FaultKind = Literal[
    "rate_limited",
    "server_error",
    "timeout",
    "unreachable",
    "cut_off",
    "context_too_long",
    "content_filter",
    "bad_key",
    "malformed",
    "refused",
]
"""`cut_off`: the answer's stream broke; `malformed`: an answer that is not what was asked for; `refused`: any other
request that the server would not take."""

_TOO_LONG = re.compile(r"context (?:length|size|window)|prompt is too long|too many tokens", re.IGNORECASE)
"""How OpenAI, vLLM, llama.cpp and others say that a request is too long."""

TRANSIENT = frozenset({"rate_limited", "server_error", "timeout", "unreachable", "cut_off"})
"""What may be gone when the same is asked again."""


class ModelAnswerError(Exception):
    """A model answered, but not with what was asked for."""

    def __init__(self, message: str, kind: FaultKind = "malformed", *, advice: str = "") -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.advice = advice
        """What the model is told beside the message, so that its next answer is better."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error of the wire."""

    kind: FaultKind
    text: str
    """What happened and what to do, in a sentence."""

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in TRANSIENT


def fault_of(error: BaseException) -> Fault | None:
    """Return what an error says about the model's server; `None` where it is about something else."""
    kind = _kind(error)
    return None if kind is None else Fault(kind, _text(kind, error))


def said_of(error: BaseException) -> str | None:
    """Return what a person is told of a model's error; `None` for errors of anything else."""
    if not isinstance(error, ModelError | ModelAnswerError):
        return None
    fault = fault_of(error)
    return None if fault is None else fault.text


def is_bad_key(error: BaseException) -> bool:
    """Tell whether a model's server does not accept the key: no other task that uses it would fare better."""
    return isinstance(error, ModelAuthenticationError)


def worth_another_attempt(error: BaseException) -> bool:
    """Tell whether a model's work may succeed when it is tried again; a malformed answer may."""
    fault = fault_of(error)
    return fault is not None and (fault.is_transient or fault.kind == "malformed")


def _kind(error: BaseException) -> FaultKind | None:
    if isinstance(error, ModelAnswerError):
        return error.kind
    if isinstance(error, ContextOverflowError):
        return "context_too_long"
    if isinstance(error, ModelAuthenticationError | ModelPermissionDeniedError):
        return "bad_key"
    if _is_too_long(error):
        return "context_too_long"
    if isinstance(error, ModelRateLimitError):
        return "refused" if _is_out_of_money(error) else "rate_limited"
    if isinstance(error, ModelTimeoutError | asyncio.TimeoutError):
        return "timeout"
    if isinstance(error, OutputParserException):
        return "malformed"
    if isinstance(error, RuntimeError) and str(error) == "Event loop is closed":
        return "cut_off"  # a client's open connection of an event loop that is over: the next try opens another one
    if (kind := _by_name(error)) is not None:
        return kind
    if isinstance(error, ModelConnectionError):
        return "unreachable"
    if isinstance(error, ModelError) and "content_filter" in str(error)[:2000]:
        return "content_filter"
    return _by_status(error)


_NAMED: dict[str, FaultKind] = {
    "ContentFilterFinishReasonError": "content_filter",
    "OpenAIRefusalError": "content_filter",
    "LengthFinishReasonError": "malformed",
    "ConnectTimeout": "timeout",
    "ReadTimeout": "timeout",
    "ConnectError": "unreachable",
    "ReadError": "cut_off",
    "RemoteProtocolError": "cut_off",
}
"""Errors of HTTP clients (httpx and its successors) and of OpenAI's library, which need not be installed."""


CAUSES = 20
"""How far back the causes of an error are looked at; they may go round in a circle."""


def _by_name(error: BaseException) -> FaultKind | None:
    """Return the kind of an error, or of what caused it, by its type's name."""
    cause: BaseException | None = error
    for _ in range(CAUSES):
        if cause is None:
            break
        if (kind := _NAMED.get(type(cause).__name__)) is not None:
            return kind
        cause = cause.__cause__
    return None


def _is_too_long(error: BaseException) -> bool:
    """Tell whether a server refused a request for its length; each says it in its own words.

    Clients of embedding models raise errors that are none of LangChain's.
    """
    if getattr(error, "code", None) == "context_length_exceeded":
        return True
    return getattr(error, "status_code", None) in (400, 413, 422) and _TOO_LONG.search(str(error)) is not None


def _is_out_of_money(error: BaseException) -> bool:
    """Tell whether a 429 is about the account and not about its pace: waiting does not help."""
    return getattr(error, "code", None) == "insufficient_quota" or "insufficient_quota" in str(error)


def _by_status(error: BaseException) -> FaultKind | None:
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if not isinstance(status, int):
        return _unnamed(error)
    if status in (401, 403):
        return "bad_key"
    if status == 429:
        return "refused" if _is_out_of_money(error) else "rate_limited"
    if status in (408, 504):
        return "timeout"
    return "server_error" if status >= 500 else "refused"


def _unnamed(error: BaseException) -> FaultKind | None:
    """Return the kind of an error that came inside a stream, where there is no status any more."""
    if type(error).__name__ == "APIError":  # openai's: an error object among the chunks
        return "server_error"
    return "refused" if isinstance(error, ModelError) else None


_SAID: dict[str, str] = {
    "rate_limited": "the model's server asks to wait (429)",
    "server_error": "the model's server has an error of its own",
    "timeout": "the model's server did not answer in time",
    "unreachable": "the model's server can't be reached; is OPENAI_BASE_URL right, and does it run?",
    "cut_off": "the model's answer broke off",
    "context_too_long": "the model can't take in so much at once; give it less, or a model with a longer context",
    "content_filter": "the model's server filtered the request or the answer",
    "bad_key": "the model's server does not accept the key; check OPENAI_API_KEY, or the variable of its provider",
    "malformed": "the model's answer is not what was asked for",
    "refused": "the model's server refused the request",
}


def _text(kind: FaultKind, error: BaseException) -> str:
    own = " ".join(str(error).split())
    return f"{_SAID[kind]}: {own[:500]}" if own else _SAID[kind]
