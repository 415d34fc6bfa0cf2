"""A question to a person as the command sees it, whoever asks: a review, an agent's tool calls, or a specialist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from ..schema.review import asked_from

Kind = Literal["plan", "before", "after", "tools", "call", "own"]
"""What asks: a review, an agent about its tool calls (all of a turn at once, or each alone), a specialist itself."""

REVIEWS = ("plan", "before", "after")
"""Kinds that are reviews of ours."""

SHORT = 6
"""Characters of an id that are shown, where they tell it from the others."""

DECISIONS = ("approve", "edit", "reject", "respond")
"""What may be decided where the question does not say."""


@dataclass(frozen=True)
class Action:
    """What is to be decided on."""

    name: str
    args: Any
    description: str
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question, and what an answer to it has to look like."""

    id: str
    """Empty where it is asked while the run goes on."""
    short: str
    """The part of the id that tells it from the others."""
    task_id: str | None
    kind: Kind
    actions: tuple[Action, ...]
    """One for each decision; none for a specialist's own question."""
    value: Any
    """The question as it was asked."""
    until: str | None = None
    """When nobody needs to answer any more, ISO 8601."""
    default: str = "reject"
    """What is decided then."""
    problems: tuple[str, ...] = ()
    """Why the answer before was refused."""

    @classmethod
    def of(cls, value: Any, question_id: str = "", task_id: str | None = None, short: str = "") -> Self:
        """Return the question that an interrupt's value stands for."""
        given: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        kind, actions = _kind(given)
        until = given.get("expires_at")
        problems = given.get("problems")
        return cls(
            id=question_id,
            short=short,
            task_id=_text(given.get("task_id")) if task_id is None else task_id,
            kind=kind,
            actions=actions,
            value=value,
            until=until if kind != "own" and isinstance(until, str) else None,
            default=_text(given.get("default")) or "reject",
            problems=tuple(map(str, problems)) if isinstance(problems, list) else (),
        )

    @property
    def remote(self) -> Mapping[str, Any] | None:
        """Where it comes from, if a run on another deployment asks it."""
        return asked_from(self.value)

    @property
    def name(self) -> str:
        """The word that stands for it in messages: its short id, else its task or `plan`."""
        return self.short or self.task_id or "plan"

    def answer(self, decisions: Sequence[Mapping[str, Any]]) -> Any:
        """Return the answer that holds these decisions, one for each action."""
        return dict(decisions[0]) if self.kind == "call" else {"decisions": [dict(item) for item in decisions]}

    def approval(self) -> Any:
        """Return the answer that approves all of it; `None` where that can't be done."""
        if not self.actions or not all("approve" in action.allowed for action in self.actions):
            return None
        return self.answer([{"type": "approve"}] * len(self.actions))


def all_asked(interrupts: Sequence[Any]) -> list[Asked]:
    """Return the open questions of a report, with ids cut to what tells them apart."""
    ids = [question.id for question in interrupts]
    return [
        Asked.of(question.value, question.id, question.task_id, _short(question.id, ids)) for question in interrupts
    ]


def _short(own: str, ids: Sequence[str]) -> str:
    others = [other for other in ids if other != own]
    length = SHORT
    while length < len(own) and any(other.startswith(own[:length]) for other in others):
        length += 1
    return own[:length]


def _kind(given: Mapping[str, Any]) -> tuple[Kind, tuple[Action, ...]]:
    if given.get("type") == "tool_approval":
        return "call", (_action(given, DECISIONS),)
    requests = given.get("action_requests")
    if not isinstance(requests, list) or not requests or not all(isinstance(item, Mapping) for item in requests):
        return "own", ()
    configs = given.get("review_configs")
    allowed = {
        config.get("action_name"): tuple(map(str, config.get("allowed_decisions") or ()))
        for config in (configs if isinstance(configs, list) else ())
        if isinstance(config, Mapping)
    }
    review = given.get("review")
    kind: Kind = review if review in REVIEWS else "tools"
    return kind, tuple(_action(item, allowed.get(item.get("name")) or DECISIONS) for item in requests)


def _action(given: Mapping[str, Any], allowed: tuple[str, ...]) -> Action:
    return Action(
        name=str(given.get("name") or ""),
        args=given.get("args") if given.get("args") is not None else {},
        description=_text(given.get("description")) or "",
        allowed=allowed,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
