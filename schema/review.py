"""Questions to a person and their answers, in the shapes of LangChain's human-in-the-loop middleware.

A question is an `HITLRequest`, an answer an `HITLResponse` (`langchain.agents.middleware.human_in_the_loop`), so that
Studio, Agent Inbox and agent chat UIs can draw the one and send the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

from .results import Decision, DecisionType
from .words import got, listed, one_of

ReviewKind = Literal["plan", "before", "after"]
"""What is reviewed: the plan, a task before it runs, a task's output."""

DefaultDecision = Literal["approve", "reject", "skip"]
"""What is decided where nobody answers in time."""

ALLOWED: Mapping[ReviewKind, tuple[DecisionType, ...]] = {
    "plan": ("approve", "edit", "reject"),
    "before": ("approve", "edit", "respond", "reject"),
    "after": ("approve", "edit", "respond", "reject"),
}
"""The decisions that each kind of review takes. `respond` skips a task before it runs, and asks for another attempt
after it."""

SYNONYMS: Mapping[str, DecisionType] = {
    "accept": "approve",
    "skip": "respond",
    "ignore": "respond",
    "retry": "respond",
    "response": "respond",
}
"""Other words for a decision; `accept`, `ignore` and `response` are Agent Inbox's earlier ones."""

REMOTE = "fanwise_remote"
"""The field of a question that a run on another deployment asks: its `url` and `graph`, and `anew` where a run that had
asked before is lost."""


def asked_from(value: Any) -> Mapping[str, Any] | None:
    """Return where a question comes from, if a run on another deployment asks it."""
    told = value.get(REMOTE) if isinstance(value, Mapping) else None
    return told if isinstance(told, Mapping) and {"url", "graph"} <= told.keys() else None


def is_review(value: Any) -> bool:
    """Tell whether a question is a review, and not a specialist's own."""
    return isinstance(value, Mapping) and value.get("review") in ALLOWED and "action_requests" in value


class ActionRequest(TypedDict):
    """What is to be decided on."""

    name: str
    """The specialist, or `plan`."""
    args: dict[str, Any]
    """What an edit may change: the input, the output or the plan."""
    description: str
    """The question in words."""


class ReviewConfig(TypedDict):
    """What may be decided."""

    action_name: str
    allowed_decisions: list[DecisionType]


class Question(TypedDict):
    """A question to a person: an `HITLRequest`, and what Fanwise knows beside it."""

    action_requests: list[ActionRequest]
    review_configs: list[ReviewConfig]
    review: ReviewKind
    task_id: NotRequired[str]
    """The task; not there for the plan."""
    expires_at: NotRequired[str]
    """When nobody needs to answer any more, ISO 8601 in UTC."""
    default: NotRequired[DefaultDecision]
    """What is decided then."""
    problems: NotRequired[list[str]]
    """Why the answer before was refused."""


class AnswerError(ValueError):
    """An answer that fits no decision; the text says what is wrong and what would do."""


def as_args(value: Any, name: str) -> dict[str, Any]:
    """Return a value as the arguments that an editor shows: an object's own fields, else one field of this name."""
    return dict(value) if isinstance(value, dict) else {name: value}


def from_args(args: Mapping[str, Any], before: Any, name: str) -> Any:
    """Return the value that edited arguments stand for; `before` is the value that they were made of.

    Raises:
        AnswerError: the one field is missing.
    """
    if isinstance(before, dict):
        return dict(args)
    if set(args) != {name}:
        raise AnswerError(f"edited_action.args must hold just {name!r}, not {listed(list(args))}")
    return args[name]


def make_question(
    kind: ReviewKind,
    name: str,
    args: dict[str, Any],
    description: str,
    *,
    task_id: str | None = None,
    expires_at: str | None = None,
    default: DefaultDecision = "reject",
    problems: Sequence[str] = (),
) -> Question:
    """Return a question. With `problems` it asks again, and says why."""
    again = "".join(f"The last answer was refused: {problem}\n" for problem in problems)
    question = Question(
        action_requests=[ActionRequest(name=name, args=args, description=again + description)],
        review_configs=[ReviewConfig(action_name=name, allowed_decisions=list(ALLOWED[kind]))],
        review=kind,
    )
    if task_id is not None:
        question["task_id"] = task_id
    if expires_at is not None:
        question["expires_at"] = expires_at
        question["default"] = default
    if problems:
        question["problems"] = list(problems)
    return question


def answer_schema(kind: ReviewKind) -> dict[str, Any]:
    """Return the JSON Schema of an answer, for clients that draw a form of it."""
    decisions: dict[DecisionType, dict[str, Any]] = {
        "approve": {},
        "edit": {
            "edited_action": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "args": {"type": "object"}},
                "required": ["args"],
            }
        },
        "reject": {"message": {"type": "string"}},
        "respond": {"message": {"type": "string"}},
    }
    options = [
        {
            "type": "object",
            "title": word,
            "properties": {"type": {"const": word}, **decisions[word]},
            "required": ["type", *(["edited_action"] if word == "edit" else [])],
        }
        for word in ALLOWED[kind]
    ]
    return {
        "type": "object",
        "title": "HITLResponse",
        "properties": {"decisions": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"oneOf": options}}},
        "required": ["decisions"],
    }


def read_answer(answer: Any, kind: ReviewKind) -> Decision:
    """Return the decision in an answer.

    Args:
        answer: an `HITLResponse`; also its one decision alone, or just the decision's word.
        kind: what was asked.

    Raises:
        AnswerError: it holds no decision, several, or one that is not allowed here.
    """
    given = answer
    if isinstance(given, Mapping) and "decisions" in given:
        given = given["decisions"]
    if isinstance(given, list | tuple):
        if len(given) != 1:
            raise AnswerError(f"expected one decision, got {len(given)}")
        given = given[0]
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, Mapping):
        raise AnswerError(f'expected {{"decisions": [{{"type": ...}}]}}, {got(answer)}')
    return _decision(given, kind)


def _decision(given: Mapping[str, Any], kind: ReviewKind) -> Decision:
    word = given.get("type")
    known = SYNONYMS.get(word, word) if isinstance(word, str) else word
    if known not in ALLOWED[kind]:
        raise AnswerError(f"'type' must be {one_of(ALLOWED[kind])}, {got(word)}")
    message, args = given.get("message", given.get("args") if known != "edit" else None), None
    if message is not None and not isinstance(message, str):
        raise AnswerError(f"'message' must be text, {got(message)}")
    if known == "edit":
        args = _edited(given)
    if known == "respond" and kind == "after" and not (message or "").strip():
        raise AnswerError("'message' is missing: a comment says what is to be done differently")
    return Decision(type=known, message=message or "", args=args, by_default=given.get("by_default") is True)


def _edited(given: Mapping[str, Any]) -> dict[str, Any]:
    action = given.get("edited_action", given.get("args"))
    if isinstance(action, Mapping):
        args = action.get("args")
        if isinstance(args, Mapping) and all(isinstance(key, str) for key in args):
            return dict(args)
    raise AnswerError('an edit needs \'edited_action\': {"name": ..., "args": {...}}')
