"""Answers to what a run asks: which question each is for, and whether it fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..schema.checks import Rules
from ..schema.errors import PlanError, RunError
from ..schema.plan import Plan
from ..schema.review import SYNONYMS, AnswerError, read_answer
from .questions import REVIEWS, Action, Asked

PREFIX = 4
"""Characters of an id that are enough, where they tell it from the others."""


def fitted(asked: Asked, value: Any, *, is_json: bool = True) -> Any:
    """Return an answer in the form that its question wants.

    Raises:
        AnswerError: it is none for this question.
    """
    if asked.kind == "own":
        return value
    if not is_json and not (isinstance(value, str) and value.isidentifier()):
        raise AnswerError(f"{value[:60]!r} is neither JSON nor a decision ({_words(asked)})")
    decided = value["decisions"] if isinstance(value, Mapping) and "decisions" in value else value
    if isinstance(decided, str):
        decided = [{"type": decided}] * len(asked.actions)
    decided = list(decided) if isinstance(decided, list | tuple) else [decided]
    if len(decided) != len(asked.actions):
        wanted = (
            "one decision" if len(asked.actions) == 1 else f"{len(asked.actions)} decisions, one for each tool call"
        )
        raise AnswerError(f"expected {wanted}, got {len(decided)}")
    if asked.kind in REVIEWS:
        _check_word(asked, decided[0])
        decision = read_answer(decided, asked.kind)  # type: ignore[arg-type]  # its kind is one of these
        return asked.answer([_plain(decision.type, decided[0])])
    return asked.answer([_decision(asked, number, item) for number, item in enumerate(decided)])


def check_edit(asked: Asked, answer: Any, known: Collection[str]) -> None:
    """Look at an edited plan before the run is asked to go on with it.

    Raises:
        AnswerError: the plan is refused; each of its problems is one argument.
    """
    if asked.kind != "plan" or asked.remote or answer["decisions"][0]["type"] != "edit":
        return
    args = answer["decisions"][0]["edited_action"]["args"]
    plan = args.get("plan", args)
    config = plan.get("config") if isinstance(plan, Mapping) else None
    lenient = isinstance(config, Mapping) and config.get("unknown_specialist") == "skip"
    rules = Rules(specialists=None if lenient else known, may_be_empty=False)
    try:
        Plan.model_validate(plan, context=rules.as_context())
    except PlanError as error:
        raise AnswerError(*error.problems) from None


def question_of(name: str, questions: Sequence[Asked], option: str) -> Asked:
    """Return the question that a name stands for.

    Raises:
        RunError: it stands for none, or for several.
    """
    found = questions_named(name, questions)
    if len(found) == 1 and (name != "plan" or found[0].kind == "plan"):
        return found[0]
    if len(found) == 1:
        raise RunError(
            f"{option} plan: the question about the plan is not open; the task of this name is meant by "
            f"its question's id, {found[0].short}"
        )
    open_ones = ", ".join(f"{asked.short} ({asked.task_id or 'plan'})" for asked in questions[:8]) or "none"
    what = "stands for several questions" if found else "is no open question"
    raise RunError(f"{option} {name[:80]}: this {what}; open: {open_ones}")


def questions_named(name: str, questions: Sequence[Asked]) -> list[Asked]:
    """Return the questions that a name stands for: in the first way in which it stands for any."""
    ways = (
        [asked for asked in questions if asked.id == name],
        [asked for asked in questions if asked.kind == "plan" and name == "plan" and not asked.remote],
        [asked for asked in questions if asked.task_id == name],
        [asked for asked in questions if len(name) >= PREFIX and asked.id.startswith(name)],
    )
    return next((way for way in ways if way), [])


def _check_word(asked: Asked, given: Any) -> None:
    """Refuse a review's decision whose word is none."""
    word = given.get("type") if isinstance(given, Mapping) else given
    if isinstance(word, str) and SYNONYMS.get(word, word) not in asked.actions[0].allowed:
        raise AnswerError(f"{word[:60]!r} is none of the decisions: {_words(asked)}")


def _plain(word: str, given: Any) -> dict[str, Any]:
    """Return a review's decision by its own name."""
    fields = dict(given) if isinstance(given, Mapping) else {}
    return {**fields, "type": word}


def _decision(asked: Asked, number: int, given: Any) -> dict[str, Any]:
    """Return one decision about a tool call, which the agent's middleware takes as it is."""
    decision = {"type": given} if isinstance(given, str) else given
    if not isinstance(decision, Mapping):
        raise AnswerError(f'expected {{"type": ...}}, got {str(given)[:60]!r}')
    word = decision.get("type")
    word = SYNONYMS.get(word, word) if isinstance(word, str) else word
    action = asked.actions[number]
    if word not in action.allowed:
        raise AnswerError(f"'type' must be one of {', '.join(action.allowed)} for {action.name}, got {word!r}")
    if word == "respond" and not isinstance(decision.get("message"), str):
        raise AnswerError("'respond' needs a 'message', the text that takes the tool's place")
    if word == "edit":
        edited = decision.get("edited_action")
        if not isinstance(edited, Mapping) or not isinstance(edited.get("args"), Mapping):
            raise AnswerError('an edit needs \'edited_action\': {"name": ..., "args": {...}}')
        return {**decision, "type": "edit", "edited_action": {"name": action.name, **edited}}
    return {**decision, "type": word}


def _words(asked: Asked) -> str:
    return ", ".join(dict.fromkeys(word for action in asked.actions for word in _own_words(asked, action)))


def _own_words(asked: Asked, action: Action) -> list[str]:
    """Return the words for the decisions about an action; before a task, `respond` is better known as `skip`."""
    return [f"{word} (or skip)" if (asked.kind, word) == ("before", "respond") else word for word in action.allowed]
