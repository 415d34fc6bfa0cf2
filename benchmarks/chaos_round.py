"""A round of `chaos.py`: its random plan, the answers that people give, the specialist, and what must come of it.

Answers are a pure function of what is asked (the task, the kind of question, the attempt group), so that a run comes to
the same end however it is disturbed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from langgraph.types import interrupt

from fanwise.graph import Specialist
from fanwise.schema.dag import descendants
from fanwise.state import Task, TaskResult

SPECIALIST = "chaos"

FAILED = ("failed", "cancelled")
"""Statuses that `retry` takes for failed, as far as they come up here."""

Outcome = tuple[str, Any, tuple[tuple[str, str, str], ...]]
"""A task's status, output and reviews: (when, decision, message)."""


def random_round(seed: int, count: int) -> dict[str, Any]:
    """Return a round: its plan, its batch size and how often it is disturbed."""
    rng = random.Random(seed)
    config: dict[str, Any] = {
        "max_parallel": rng.choice([None, 4, 16]),
        "schedule": "phased" if rng.random() < 0.2 else "dataflow",
    }
    if rng.random() < 0.3:
        config["review"] = "plan"
    return {
        "seed": seed,
        "plan": {"name": f"chaos-{seed}", "config": config, "tasks": [_task(rng, index) for index in range(count)]},
        "batch_size": rng.choice([250, 10]),
        "disturbances": rng.randint(3, 6),
        "in_person": rng.random() < 0.25,
    }


def _task(rng: random.Random, index: int) -> dict[str, Any]:
    needs = rng.sample(range(index), min(index, rng.randint(1, 3))) if rng.random() < 0.7 else []
    seconds = min(0.01 * rng.paretovariate(1.1), 0.2)
    given: dict[str, Any] = {"seconds": seconds}
    task: dict[str, Any] = {"id": f"t{index}", "specialist": SPECIALIST, "depends_on": [f"t{need}" for need in needs]}
    task |= {"input": given, "estimated_s": seconds, "run_if": _rule(rng)}
    if (chance := rng.random()) < 0.08:
        given["fails"] = rng.choice(["once", "always"])
    elif chance < 0.25:
        given["flaky"] = rng.choice(["before", "after"])  # it asks its own questions
        task["retry"] = {"max_attempts": 2, "initial_s": rng.uniform(0.05, 0.3), "jitter": False}
    if rng.random() < 0.2:
        task["review"] = rng.choice(["before", "after", "both"])
    if rng.random() < 0.1:
        given["asks"] = rng.randint(1, 3)
    return task


def _rule(rng: random.Random) -> str:
    """Return a rule whose outcome does not depend on the order in which tasks end."""
    return rng.choices(["all_success", "none_failed", "all_done"], [4, 1, 5])[0]


NO_ANSWER = {"decisions": [{"type": "perhaps"}]}
"""What is refused before anything runs."""


class People:
    """Those who answer: the same to the same question."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.seed = spec["seed"]
        self.plan = spec["plan"]

    def right_answer(self, question: Mapping[str, Any]) -> Any:
        """Return the answer to a question, and not one that is none."""
        answer = self.answer(question)
        return answer if answer != NO_ANSWER else self.answer({**question, "problems": ["refused"]})

    def answer(self, question: Mapping[str, Any]) -> Any:
        """Return the answer to a question as it was asked; a wrong one now and then where it is asked first."""
        if "ask" in question:
            return self.reply(question["ask"], question["number"], question["group"])
        kind, args = question["review"], question["action_requests"][0]["args"]
        task_id = question.get("task_id", "")
        group = args.get("group", 0) if kind == "after" else 0
        if not question.get("problems") and self._random(task_id, kind, group, "wrong").random() < 0.2:
            return (
                {"decisions": [{"type": "edit", "edited_action": {"name": "x", "args": {"plan": 1}}}]}
                if (kind == "plan")
                else NO_ANSWER
            )
        return {"decisions": [self.plan_decision() if kind == "plan" else self.decision(task_id, kind, group)]}

    def reply(self, task_id: str, number: int, group: int) -> str:
        """Return the answer to a specialist's own question."""
        return f"{task_id}, {number}, {group}"

    def plan_decision(self) -> dict[str, Any]:
        """Return what is decided about the plan: it is edited in half of the rounds."""
        if self._random("", "plan", 0, "").random() < 0.5:
            return {"type": "approve"}
        return {"type": "edit", "edited_action": {"name": "plan", "args": {"plan": self.edited_plan()}}}

    def edited_plan(self) -> dict[str, Any]:
        """Return the plan without its last task, and with two others."""
        kept: list[dict[str, Any]] = self.plan["tasks"][:-1]
        more = [
            {"id": f"more{n}", "specialist": SPECIALIST, "depends_on": [kept[n]["id"]], "input": {"seconds": 0.01}}
            for n in range(min(2, len(kept)))
        ]
        return {**self.plan, "tasks": [*kept, *({**task, "run_if": "all_success"} for task in more)]}

    def decision(self, task_id: str, kind: str, group: int) -> dict[str, Any]:
        """Return what is decided about a task."""
        rng = self._random(task_id, kind, group, "")
        word = rng.choices(["approve", "edit", "respond", "reject"], [5, 2, 3, 1])[0]
        if word == "respond" and kind == "after" and group >= 2:
            word = "approve"
        if word == "edit":
            args = {"seconds": 0.01, "edited": True} if kind == "before" else {"value": f"edited {task_id} {group}"}
            return {"type": word, "edited_action": {"name": SPECIALIST, "args": args}}
        return {"type": word, "message": f"again {group + 1}" if kind == "after" else f"{word} it"}

    def _random(self, *what: Any) -> random.Random:
        return random.Random(json.dumps([self.seed, *what]))


def value_of(task_id: str, given: Mapping[str, Any], inputs: list[Any], replies: list[Any], comment: str) -> str:
    """Return what a task has to return."""
    text = json.dumps([task_id, bool(given.get("edited")), inputs, replies, comment])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def group_of(comment: str) -> int:
    """Return how often a reviewer asked for another attempt, which the comment says."""
    return int(comment.split()[1]) if comment else 0


def chaos_specialist(note: Callable[[str], None] | None, *, is_mended: Callable[[], bool]) -> Specialist:
    """Return the specialist; it notes its starts and ends, or hurries where nobody listens."""

    async def work(task: Task, results: Mapping[str, TaskResult], attempt: int, comment: str) -> Any:
        given: Any = task.input
        group = group_of(comment)
        if note is not None:
            note(f"start {task.id} {group}")
            await asyncio.sleep(given["seconds"])
        if given.get("flaky") == "before" and attempt == 1:
            raise ConnectionError("the first attempt fails")
        asked = [{"ask": task.id, "number": number, "group": group} for number in range(given.get("asks", 0))]
        replies = [interrupt(question) for question in asked]
        if given.get("flaky") == "after" and attempt == 1:
            raise ConnectionError("the first attempt fails")
        if given.get("fails") == "always" or (given.get("fails") and not is_mended()):
            raise ValueError("it fails")
        if note is not None:
            note(f"end {task.id} {group}")
        inputs = [results[need].output for need in task.depends_on]
        return {"value": value_of(task.id, given, inputs, replies, comment), "group": group}

    return Specialist(SPECIALIST, work)


class Right(NamedTuple):
    """What must come of a round, found without the engine."""

    first: dict[str, Outcome]
    """When all questions were answered."""
    again: frozenset[str]
    """The tasks that a retry of what failed runs again."""
    second: dict[str, Outcome]
    """When the retry is over too."""


def right_outcomes(spec: Mapping[str, Any]) -> Right:
    """Return what must come of a round."""
    people = People(spec)
    plan = spec["plan"]
    if plan["config"].get("review") and people.plan_decision()["type"] == "edit":
        plan = people.edited_plan()
    first = _outcomes(plan, people, {}, mended=False)
    failed = {task_id for task_id, (status, *_) in first.items() if status in FAILED}
    needs = {task["id"]: task["depends_on"] for task in plan["tasks"]}
    held = {task_id for task_id, (status, *_) in first.items() if status == "succeeded"}
    again = failed | (descendants(needs, failed) - held)
    kept = {task_id: outcome for task_id, outcome in first.items() if task_id not in again}
    return Right(first, frozenset(again), _outcomes(plan, people, kept, mended=True))


def _outcomes(plan: Mapping[str, Any], people: People, kept: Mapping[str, Outcome], *, mended: bool) -> dict[str, Any]:
    found: dict[str, Outcome] = {}
    for task in plan["tasks"]:
        needs = [found[need] for need in task["depends_on"]]
        found[task["id"]] = kept.get(task["id"]) or _outcome(task, needs, people, mended)
    return found


def _outcome(task: Mapping[str, Any], needs: list[Outcome], people: People, mended: bool) -> Outcome:
    accepted = {"all_success": {"succeeded"}, "none_failed": {"succeeded", "skipped"}}.get(task["run_if"])
    if accepted is not None and any(status not in accepted for status, *_ in needs):
        return ("skipped", None, ())
    given, reviews = task["input"], []
    if task.get("review") in ("before", "both"):
        decision = people.decision(task["id"], "before", 0)
        reviews.append(("before", decision["type"], decision.get("message", "")))
        if decision["type"] in ("reject", "respond"):
            return ({"reject": "cancelled", "respond": "skipped"}[decision["type"]], None, tuple(reviews))
        given = decision["edited_action"]["args"] if decision["type"] == "edit" else given
    if given.get("fails") == "always" or (given.get("fails") and not mended):
        return ("failed", None, tuple(reviews))
    group = 0
    while True:
        comment = f"again {group}" if group else ""
        replies = [people.reply(task["id"], number, group) for number in range(given.get("asks", 0))]
        inputs = [output for _, output, _ in needs]
        output = {"value": value_of(task["id"], given, inputs, replies, comment), "group": group}
        if task.get("review") not in ("after", "both"):
            return ("succeeded", output, tuple(reviews))
        decision = people.decision(task["id"], "after", group)
        reviews.append(("after", decision["type"], decision.get("message", "")))
        if decision["type"] == "respond":
            group += 1
            continue
        if decision["type"] == "reject":
            return ("failed", None, tuple(reviews))
        edited = decision["type"] == "edit"
        return ("succeeded", decision["edited_action"]["args"] if edited else output, tuple(reviews))


def note_to(log: int) -> Callable[[str], None]:
    """Return how to note a line in an open file; it is there even if the process is killed next."""

    def note(line: str) -> None:
        os.write(log, f"{line}\n".encode())

    return note


def outcome_of(result: TaskResult) -> Outcome:
    """Return what became of a task, to be compared with what must have."""
    return (result.status, result.output, tuple((r.when, r.decision, r.message) for r in result.reviews))
