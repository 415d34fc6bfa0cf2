"""A run as a turn of a conversation: the last human message is the request, the summary the reply to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from ..schema.errors import PlanError, Problem
from ..state import State


def with_request(state: State) -> State:
    """Return the state with the request that its conversation ends with, where nothing else says what to do.

    Raises:
        PlanError: no human message in it has a text.
    """
    messages = state.get("messages")
    if not messages or state.get("plan") or state.get("workflow") or (state.get("request") or "").strip():
        return state
    return {**state, "request": asked(messages)}


def asked(messages: Sequence[AnyMessage]) -> str:
    """Return the text of the last human message.

    Raises:
        PlanError: there is none, or it has no text.
    """
    last = next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
    text = "" if last is None else str(last.text).strip()
    if text:
        return text
    what = "there is no human message" if last is None else "the last human message has no text"
    raise PlanError([Problem(f"nothing to do: {what}; write what is asked", "messages")], "the request")


def reply(state: State, text: str) -> dict[str, Any]:
    """Return the update that ends a conversation's turn; nothing where the run is no part of one.

    The message has the run's name, so that a summary that is written again takes the place of the first.
    """
    if not state.get("messages"):
        return {}
    return {"messages": [AIMessage(text, id=f"summary-{state['run_id']}", name="fanwise")]}
