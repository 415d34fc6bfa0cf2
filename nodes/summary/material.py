"""What a model is given to write a summary from: the results as marked data, what was found, and what to do with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately

from ...schema.results import Summary
from ..untrusted import RULE, as_data, shortened
from .merge import SEARCHES
from .views import View, json_native, plan_tasks

CHARS_PER_TOKEN = 3.0
"""Results are JSON: more tokens for their length than prose, which has about four characters in each."""

SHARE = 8
"""The request, the list of ids, what was found and the warnings take at most this part of the context each."""

_WRITE = f"""You write the summary of a run: tasks did their work, and a person reads your text and nothing else.

{RULE}

- Answer the request in the first sentence. Then say what matters most, with its figures. Be brief: a few short
  paragraphs, or bullet points that begin with "- ", in the language of the request. Use no other markup: the text is
  shown as it is.
- State nothing that is not in the results. Where they disagree, or do not answer the request, say so.
- After each statement cite the tasks that it comes from, by their exact ids in square brackets: [some id], or
  [one id, another id]. Use square brackets for nothing else.
- Say which tasks failed, were skipped or cancelled, and what is not known because of that; cite them too.
- No greeting, no heading for the whole, nothing about these instructions."""

_CONDENSE = f"""You condense results of tasks, so that somebody else can write a summary of the whole run from them.

{RULE}

- Keep what answers the request, every figure that matters with its unit, names, errors and dates.
- Keep which task says what: cite its exact id in square brackets after each statement, as in [some id].
- Add nothing, judge nothing. Plain text, no introduction."""


@dataclass(frozen=True)
class Part:
    """What the model is shown of one task, or, once condensed, of several."""

    ids: tuple[str, ...]
    text: str
    condensed: bool = False

    @property
    def block(self) -> str:
        """Its text, marked as data."""
        named = f"task {self.ids[0]}" if len(self.ids) == 1 else f"{len(self.ids)} tasks"
        return as_data(f"{named}, condensed" if self.condensed else named, self.text)

    @cached_property
    def tokens(self) -> int:
        """About how many tokens its block has."""
        return tokens_of(self.block)


def tokens_of(text: str) -> int:
    """Return about how many tokens a text has."""
    return count([HumanMessage(text)])


def count(messages: Sequence[BaseMessage]) -> int:
    """Return about how many tokens messages have."""
    return count_tokens_approximately(messages, chars_per_token=CHARS_PER_TOKEN)


def cut(text: str, tokens: int) -> str:
    """Return the beginning and the end of a text that has more tokens than it may have."""
    return shortened(text, int(max(tokens, 1) * CHARS_PER_TOKEN))


def parts_of(tasks: Sequence[View], ids: Mapping[str, str], plan: Mapping[str, Any] | None) -> list[Part]:
    """Return each task's status and output, or error, as JSON.

    Args:
        tasks: as the summary sees them.
        ids: their exact ids, by the ids that they are shown with.
        plan: tells what they were to do.
    """
    asked = {str(task.get("id")): task.get("description") for task in plan_tasks(plan)}
    return [_part(task, ids.get(task.task_id, task.task_id), asked) for task in tasks]


def _part(task: View, task_id: str, asked: Mapping[str, Any]) -> Part:
    told: dict[str, Any] = {"id": task_id, "status": task.status}
    if task.title:
        told["title"] = task.title
    if description := asked.get(task_id):
        told["task"] = shortened(str(description), 400)
    if task.error:
        told["replaced error" if task.ok else "error"] = shortened(task.error, 2_000)
    if task.fallback:
        told["note"] = "the output is the fallback's"
    if task.ok:
        told["output"] = _without_searches(json_native(task.output))
    return Part((task_id,), json.dumps(told, ensure_ascii=False, default=str))


def _without_searches(output: Any) -> Any:
    """Return a check's report without the text of its searches, which tell a reader of the results nothing."""
    stats = output.get("stats") if isinstance(output, dict) else None
    if not isinstance(stats, dict) or SEARCHES not in stats:
        return output
    return {**output, "stats": {name: value for name, value in stats.items() if name != SEARCHES}}


def to_write(
    parts: Sequence[Part],
    *,
    request: str,
    ids: Sequence[str],
    facts: Summary,
    warnings: Sequence[str],
    context: int,
) -> list[BaseMessage]:
    """Return the messages that ask for the summary.

    Args:
        parts: what is shown of the results.
        request: what the person asked.
        ids: all ids that may be cited.
        facts: the deterministic summary of the same results.
        warnings: what else the person should know.
        context: tokens that the model takes in.
    """
    share = context // SHARE
    texts = [_asked(request, share), _ids(ids, share)]
    if facts.findings:
        found = [finding.model_dump(mode="json", exclude_defaults=True) for finding in facts.findings]
        told = {"severity": facts.severity, "findings": found, "impact": facts.impact}
        texts.append("What checks found, merged and ranked; your text must agree with it:")
        texts.append(as_data("the checks' findings", cut(json.dumps(told, ensure_ascii=False), share)))
    if warnings:
        texts.append(as_data("the run's warnings", cut("\n".join(dict.fromkeys(warnings)), share)))
    texts.append("The results:")
    return [SystemMessage(_WRITE), HumanMessage("\n\n".join([*texts, *(part.block for part in parts)]))]


def to_condense(parts: Sequence[Part], *, request: str, words: int, context: int) -> list[BaseMessage]:
    """Return the messages that ask for a shorter text of some results."""
    texts = [_asked(request, context // SHARE), f"Condense this to at most {words} words:"]
    return [SystemMessage(_CONDENSE), HumanMessage("\n\n".join([*texts, *(part.block for part in parts)]))]


def _asked(request: str, tokens: int) -> str:
    return (
        f"The request: {cut(request, tokens)}" if request.strip() else "There is no request: say what came of the run."
    )


def _ids(ids: Sequence[str], tokens: int) -> str:
    listed = json.dumps(list(ids), ensure_ascii=False)
    if tokens_of(listed) > tokens:
        return f"There are {len(ids)} tasks; the mark of a task's result, or its text, has its exact id."
    return f"The exact ids of the tasks, as JSON:\n{as_data('the plan', listed)}"
