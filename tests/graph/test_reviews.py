"""People in the loop: reviews, questions of specialists, answers; over every checkpointer where it matters."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel, TypeAdapter
from thorough import examples
from typing_extensions import TypedDict

from fanwise.graph import build_graph, specialist
from fanwise.graph.run import execute, keep_answers, report
from fanwise.schema.dag import descendants
from fanwise.state import FanwiseError, Report, RunError, Task, TaskResult

Go = Callable[[Any], Any]
CONFIG: Any = {"configurable": {"thread_id": "t"}}


SEEDS = 3 if os.environ.get("FANWISE_TEST_DURABILITY") else examples(6, 25)
"""Of each random test; the suite is run once more for each durability, where a few will do."""


def decided(word: str, message: str = "", **args: Any) -> dict[str, Any]:
    """An answer with one decision."""
    decision: dict[str, Any] = {"type": word, "message": message} if message else {"type": word}
    if word == "edit":
        decision["edited_action"] = {"name": "any", "args": args}
    return {"decisions": [decision]}


class Work:
    """A specialist that counts its runs, and returns what it was given."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = {}
        self.specialist = specialist("w")(self.work)

    async def work(
        self, task: Task, results: Mapping[str, TaskResult], comment: str, previous: Any, idempotency_key: str
    ) -> Any:
        """Return the input and the comment."""
        self.ran[task.id] += 1
        self.keys.setdefault(task.id, []).append(idempotency_key)
        told = {"input": task.input, "comment": comment, "previous": previous} if comment else {"input": task.input}
        return {**told, "given": sorted(results)} if results else told


def one(review: str | None = None, **fields: Any) -> dict[str, Any]:
    """A plan of a task `a` that is reviewed, one behind it, and one that is free."""
    reviewed = {"id": "a", "specialist": "w", "input": {"n": 1}, **({"review": review} if review else {}), **fields}
    behind = {"id": "behind", "specialist": "w", "depends_on": ["a"], "run_if": "all_done"}
    return {"tasks": [reviewed, behind, {"id": "free", "specialist": "w"}]}


def by_task(told: Report) -> dict[str | None, str]:
    """Question ids by the task that asks."""
    return {question.task_id: question.id for question in told.interrupts}


def statuses(told: Report) -> dict[str, str]:
    """Status by task."""
    return {task_id: result.status for task_id, result in told.results.items()}


def refusals(told: Report) -> str:
    """What was wrong with the last answer to the only question."""
    return "\n".join(told.interrupts[0].value.get("problems", ()))


BEFORE = {
    "approve": (decided("approve"), "succeeded", {"input": {"n": 1}}, None),
    "edit": (decided("edit", n=2), "succeeded", {"input": {"n": 2}}, None),
    "respond": (decided("respond", "not today"), "skipped", None, "skipped by a person: not today"),
    "reject": (decided("reject", "too dear"), "cancelled", None, "rejected by a person: too dear"),
}


@pytest.mark.parametrize("word", BEFORE)
def test_each_decision_before_a_task(open_saver: Any, go: Go, word: str) -> None:
    """A task runs, runs with the edited input, is skipped, or is cancelled; others go on meanwhile."""
    answer, status, output, error = BEFORE[word]

    async def check() -> None:
        work = Work()
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            told = await execute(graph, {"plan": one("before")}, "t")
            assert (told.status, statuses(told)["a"], work.ran) == ("paused", "paused", {"free": 1})
            assert told.interrupts[0].value["action_requests"][0]["args"] == {"n": 1}
            told = await execute(graph, None, "t", answers={by_task(told)["a"]: answer})
            result = told.results["a"]
            assert (result.status, result.output, result.error) == (status, output, error)
            assert [(r.when, r.decision) for r in result.reviews] == [("before", word)]
            assert work.ran == {"free": 1, "behind": 1, **({"a": 1} if status == "succeeded" else {})}

    go(check())


AFTER = {
    "approve": (decided("approve"), "succeeded", {"input": {"n": 1}}, None),
    "edit": (decided("edit", better=True), "succeeded", {"better": True}, None),
    "reject": (decided("reject", "wrong"), "failed", None, "its output was rejected by a person: wrong"),
}


@pytest.mark.parametrize("word", AFTER)
def test_each_decision_after_a_task(open_saver: Any, go: Go, word: str) -> None:
    """An output holds, is edited, or fails its task; the task itself does not run again."""
    answer, status, output, error = AFTER[word]

    async def check() -> None:
        work = Work()
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            told = await execute(graph, {"plan": one("after")}, "t")
            assert (told.status, work.ran) == ("paused", {"a": 1, "free": 1})
            assert told.interrupts[0].value["action_requests"][0]["args"] == {"input": {"n": 1}}
            told = await execute(graph, None, "t", answers={by_task(told)["a"]: answer})
            result = told.results["a"]
            assert (result.status, result.output, result.error) == (status, output, error)
            assert [(r.when, r.decision) for r in result.reviews] == [("after", word)]
            assert work.ran == {"a": 1, "free": 1, "behind": 1}

    go(check())


@pytest.mark.parametrize("batch_size", [2, 250])
def test_respond_asks_for_another_attempt_with_a_comment(open_saver: Any, go: Go, batch_size: int) -> None:
    """Each further attempt gets the comment and the output before it, has a key of its own, and runs once."""

    async def check() -> None:
        work = Work()
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver, batch_size=batch_size)
            told = await execute(graph, {"plan": one("both")}, "t")
            asked = [told.interrupts[0].id]
            for number, answer in enumerate(
                ["approve", decided("respond", "once more"), decided("respond", "and again")]
            ):
                told = await execute(graph, None, "t", answers={asked[-1]: answer})
                assert (told.status, work.ran) == ("paused", {"free": 1, "a": number + 1})
                asked.append(told.interrupts[0].id)
            told = await execute(graph, None, "t", answers={asked[-1]: "approve"})
            second = {"input": {"n": 1}, "comment": "once more", "previous": {"input": {"n": 1}}}
            expected = {"input": {"n": 1}, "comment": "and again", "previous": second}
            assert told.status == "succeeded" and told.results["a"].output == expected
            assert work.ran == {"free": 1, "a": 3, "behind": 1}
            assert len(set(asked)) == 4 and len(set(work.keys["a"])) == 3
            words = [(review.when, review.decision) for review in told.results["a"].reviews]
            assert words == [("before", "approve"), ("after", "respond"), ("after", "respond"), ("after", "approve")]

    go(check())


def test_the_plan_is_reviewed_before_anything_runs(open_saver: Any, go: Go) -> None:
    """A bad edit is refused with all its problems and asked again; a good one takes the plan's place."""

    async def check() -> None:
        work = Work()
        bad = {"tasks": [{"id": "x", "specialist": "nobody"}, {"id": "y", "specialist": "w", "depends_on": ["gone"]}]}
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            told = await execute(graph, {"plan": {**one(), "config": {"review": "plan"}}}, "t")
            question = told.interrupts[0]
            assert (told.status, question.task_id, question.value["review"]) == ("paused", None, "plan")
            assert "3 tasks" in question.value["action_requests"][0]["description"]
            told = await execute(graph, None, "t", answers={question.id: decided("edit", plan=bad)})
            assert "nobody" in refusals(told) and "gone" in refusals(told)
            assert told.interrupts[0].id != question.id
            good = {"tasks": [{"id": "x", "specialist": "w"}]}
            told = await execute(graph, None, "t", answers={told.interrupts[0].id: decided("edit", plan=good)})
            assert (told.status, statuses(told), work.ran) == ("succeeded", {"x": "succeeded"}, {"x": 1})

    go(check())


@pytest.mark.parametrize("batch_size", [2, 250])
def test_an_approved_plan_runs(go: Go, batch_size: int) -> None:
    """Nothing ran before, all runs after."""

    async def check() -> None:
        work = Work()
        graph = build_graph([work.specialist], checkpointer=InMemorySaver(), batch_size=batch_size)
        told = await execute(graph, {"plan": {**one("before"), "config": {"review": "plan"}}}, "t")
        assert work.ran == {} and len(told.interrupts) == 1
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: "approve"})
        assert work.ran == {"free": 1} and list(by_task(told)) == ["a"]

    go(check())


def test_a_rejected_plan_ends_the_run(open_saver: Any, go: Go) -> None:
    """Nothing ran; the run is cancelled, and the summary says why."""

    async def check() -> None:
        work = Work()
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            told = await execute(graph, {"plan": {**one(), "config": {"review": "plan"}}}, "t")
            told = await execute(graph, None, "t", answers={told.interrupts[0].id: decided("reject", "too dear")})
            assert told.status == "cancelled" and "too dear" in told.summary.text
            assert set(statuses(told).values()) == {"cancelled"} and work.ran == {}

    go(check())


WRONG: dict[str, tuple[Any, str]] = {
    "a word that is none": ("perhaps", "'type' must be"),
    "no decision": ({"decisions": []}, "expected one decision, got 0"),
    "two decisions": ({"decisions": [{"type": "approve"}, {"type": "reject"}]}, "expected one decision, got 2"),
    "an edit of nothing": ({"decisions": [{"type": "edit"}]}, "edited_action"),
    "a message that is none": ({"decisions": [{"type": "reject", "message": 7}]}, "'message' must be text"),
    "a number": (42, "expected"),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_is_refused(go: Go, when: str, kind: str) -> None:
    """Nothing runs, and the question stays as it is."""
    wrong, why = WRONG[kind]

    async def check() -> None:
        work = Work()
        graph = build_graph([work.specialist], checkpointer=InMemorySaver())
        first = await execute(graph, {"plan": one(when)}, "t")
        with pytest.raises(RunError, match=re.escape(why)):
            await execute(graph, None, "t", answers={by_task(first)["a"]: wrong})
        assert by_task(await report(graph, "t")) == by_task(first)
        await keep_answers(graph, "t", {by_task(first)["a"]: "approve"})
        kept = await report(graph, "t")
        assert kept.status == "interrupted" and [question.task_id for question in kept.answered] == ["a"]
        with pytest.raises(RunError, match="answered already"):
            await keep_answers(graph, "t", {by_task(first)["a"]: "reject"})
        told = await execute(graph, None, "t")
        assert (told.status, work.ran) == ("succeeded", {"a": 1, "behind": 1, "free": 1})

    go(check())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_to_langgraph_is_asked_again(go: Go, when: str, kind: str) -> None:
    """The new question says what was wrong; what was done before it is not done again."""
    wrong, why = WRONG[kind]

    async def check() -> None:
        work = Work()
        graph = build_graph([work.specialist], checkpointer=InMemorySaver())
        first = await execute(graph, {"plan": one(when)}, "t")
        await graph.ainvoke(Command(resume={by_task(first)["a"]: wrong}), {"configurable": {"thread_id": "t"}})
        told = await report(graph, "t")
        assert told.status == "paused" and why in refusals(told)
        assert why in told.interrupts[0].value["action_requests"][0]["description"]
        assert by_task(told)["a"] != by_task(first)["a"]
        told = await execute(graph, None, "t", answers={by_task(told)["a"]: "approve"})
        assert (told.status, work.ran) == ("succeeded", {"a": 1, "behind": 1, "free": 1})

    go(check())


def test_whoever_is_there_is_not_asked_for_ever(go: Go) -> None:
    """An asker whose answers do not fit, or that fails, lets the run pause; a warning tells of the failure."""
    asked = 0

    async def confused(question: Any) -> str:
        nonlocal asked
        asked += 1
        return "hmm"

    async def broken(question: Any) -> str:
        raise OSError("no screen")

    async def check() -> None:
        graph = build_graph([Work().specialist], checkpointer=InMemorySaver())
        told = await execute(graph, {"plan": one("before")}, "t", asker=confused)
        assert (told.status, asked) == ("paused", 3)
        told = await execute(graph, {"plan": one("after")}, "u", asker=broken)
        assert told.status == "paused"
        told = await execute(graph, None, "u", answers={told.interrupts[0].id: "approve"})
        assert told.status == "succeeded"

    go(check())


def test_a_task_without_input_can_be_given_one(go: Go) -> None:
    """It is asked about as the empty object that its specialist would be given."""

    @specialist("given")
    async def given(task: Task) -> Any:
        return task.input

    async def check() -> None:
        graph = build_graph([given], checkpointer=InMemorySaver())
        told = await execute(graph, {"plan": {"tasks": [{"id": "a", "specialist": "given", "review": "before"}]}}, "t")
        assert told.interrupts[0].value["action_requests"][0]["args"] == {}
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: decided("edit", host="web-01")})
        assert told.results["a"].output == {"host": "web-01"}

    go(check())


def test_an_edit_of_a_value_that_is_no_object_has_one_field(go: Go) -> None:
    """A text output is edited as `output`; another field is refused."""

    @specialist("text")
    async def text() -> str:
        return "draft"

    async def check() -> None:
        graph = build_graph([text], checkpointer=InMemorySaver())
        plan = {"tasks": [{"id": "a", "specialist": "text", "review": "after"}]}
        told = await execute(graph, {"plan": plan}, "t")
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: decided("edit", text="no")})
        assert "'output'" in refusals(told)
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: decided("edit", output="final")})
        assert told.results["a"].output == "final"

    go(check())


def test_an_answer_to_no_open_question_is_refused(open_saver: Any, go: Go) -> None:
    """Unknown ids, and those that were answered before, are an error; nothing is kept of the others either."""

    async def check() -> None:
        work = Work()
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            first = await execute(graph, {"plan": one("both")}, "t")
            asked = by_task(first)["a"]
            with pytest.raises(RunError, match="no open question has the id 'nobody'"):
                await execute(graph, None, "t", answers={"nobody": "approve", asked: "approve"})
            assert by_task(await report(graph, "t")) == {"a": asked}
            told = await execute(graph, None, "t", answers={asked: "approve"})
            with pytest.raises(RunError, match=asked):
                await execute(graph, None, "t", answers={asked: "approve"})
            assert by_task(await report(graph, "t")) == by_task(told)

    go(check())


def random_reviews(rng: random.Random) -> dict[str, Any]:
    """A plan of 30 tasks with 5 reviews at random places."""
    tasks: list[dict[str, Any]] = []
    for index in range(30):
        needs = rng.sample(range(index), min(index, rng.randint(0, 3)))
        tasks.append(
            {"id": f"t{index}", "specialist": "w", "input": {"n": index}, "depends_on": [f"t{n}" for n in needs]}
        )
    for index in rng.sample(range(30), 5):
        tasks[index]["review"] = rng.choice(["before", "after", "both"])
    schedule = "phased" if rng.random() < 0.2 else "dataflow"
    return {"config": {"schedule": schedule, "max_parallel": rng.choice([None, 3])}, "tasks": tasks}


def random_answer(rng: random.Random, value: Mapping[str, Any], redone: Counter[str]) -> Any:
    """Any decision that lets the task run; further attempts are counted."""
    word = rng.choice(["approve", "approve", "edit", "respond"])
    if word == "respond" and value["review"] == "after" and not redone[value["task_id"]]:
        redone[value["task_id"]] += 1
        return decided("respond", "once more")
    return decided("edit", changed=True) if word == "edit" else "approve"


async def answered_at_random(graph: Any, work: Work, seed: int) -> None:
    """Run a random plan, answer in random order and batches, and check what was asked and done."""
    rng, thread, redone, asked = random.Random(seed), f"t{seed}", Counter[str](), Counter[str]()
    plan = random_reviews(rng)
    needs: dict[str, Sequence[str]] = {task["id"]: task["depends_on"] for task in plan["tasks"]}
    told, known = await execute(graph, {"plan": plan}, thread), set[str]()
    while told.interrupts:
        asked.update(question.id for question in told.interrupts if question.id not in known)
        known = {question.id for question in told.interrupts}
        waiting = {str(question.task_id) for question in told.interrupts}
        left = {task_id for task_id, status in statuses(told).items() if status in ("pending", "paused")}
        if plan["config"]["schedule"] == "dataflow":
            assert left == waiting | descendants(needs, waiting)
        now = rng.sample(told.interrupts, rng.randint(1, len(told.interrupts)))
        answers = {question.id: random_answer(rng, question.value, redone) for question in now}
        told = await execute(graph, None, thread, answers=answers)
        assert not answers.keys() & {question.id for question in told.interrupts}
    assert told.status == "succeeded"
    assert work.ran == {task_id: 1 + redone[task_id] for task_id in needs}
    assert set(asked.values()) == {1}
    assert len(asked) == sum(len(result.reviews) for result in told.results.values())


@pytest.mark.parametrize("batch_size", [7, 250])
@pytest.mark.parametrize("start", [0, 25])
def test_random_answers_ask_once_and_run_once(go: Go, batch_size: int, start: int) -> None:
    """Five reviews among 30 tasks: each question asked once, each task done once, only dependents wait."""

    async def check() -> None:
        work = Work()
        graph = build_graph([work.specialist], checkpointer=InMemorySaver(), batch_size=batch_size)
        first = start + (50 if batch_size == 7 else 0)
        for seed in range(first, first + SEEDS):
            work.ran.clear()
            await answered_at_random(graph, work, seed)

    go(check())


@pytest.mark.parametrize("batch_size", [2, 250])
def test_a_branch_with_an_open_question_does_not_run_again(open_saver: Any, go: Go, batch_size: int) -> None:
    """Where another question is answered, what a specialist did before its own question is not done again."""
    ran: Counter[str] = Counter()

    @specialist("asks")
    async def asks(task: Task) -> Any:
        ran[task.id] += 1
        return interrupt({"task": task.id})

    async def check() -> None:
        plan = {"tasks": [{"id": name, "specialist": "asks"} for name in "abc"]}
        async with open_saver() as saver:
            graph = build_graph([asks], checkpointer=saver, batch_size=batch_size)
            told = await execute(graph, {"plan": plan}, "t")
            for number, name in enumerate("bca"):
                assert ran == {**dict.fromkeys("abc", 1), **dict.fromkeys("bca"[:number], 2)}
                told = await execute(graph, None, "t", answers={by_task(told)[name]: name})
            assert {task_id: result.output for task_id, result in told.results.items()} == {n: n for n in "abc"}
            assert ran == dict.fromkeys("abc", 2)

    go(check())


def test_a_specialist_asks_several_times(open_saver: Any, go: Go) -> None:
    """Each question has its own id and gets its own answer, in a reviewed task too."""

    @specialist("asks")
    async def asks(task: Task) -> Any:
        return [interrupt({"number": number}) for number in range(3)]

    async def check() -> None:
        plan = {"tasks": [{"id": "a", "specialist": "asks"}, {"id": "b", "specialist": "asks", "review": "both"}]}
        async with open_saver() as saver:
            graph = build_graph([asks], checkpointer=saver)
            told, seen = await execute(graph, {"plan": plan}, "t"), list[str]()
            while told.interrupts:
                seen += by_task(told).values()
                answers = {
                    q.id: "approve" if "review" in q.value else f"{q.task_id}{q.value['number']}"
                    for q in told.interrupts
                }
                told = await execute(graph, None, "t", answers=answers)
            assert told.results["a"].output == ["a0", "a1", "a2"]
            assert told.results["b"].output == ["b0", "b1", "b2"]
            assert len(seen) == len(set(seen)) == 8

    go(check())


class Size(BaseModel):
    """What a specialist wants to know."""

    rows: int


@pytest.mark.parametrize("review", [None, "before", "after"])
def test_an_answer_that_does_not_fit_its_schema_is_refused(open_saver: Any, go: Go, review: str | None) -> None:
    """It is an error, the question stays open, and a right answer works then."""

    @specialist("w")
    async def asks(task: Task) -> Any:
        return interrupt({"how": "large"}, response_schema=Size).rows if task.id == "a" else None

    async def check() -> None:
        async with open_saver() as saver:
            graph = build_graph([asks], checkpointer=saver)
            told = await execute(graph, {"plan": one(review)}, "t")
            if review == "before":
                told = await execute(graph, None, "t", answers={by_task(told)["a"]: "approve"})
            asked = by_task(told)["a"]
            with pytest.raises(RunError, match="does not fit its question"):
                await execute(graph, None, "t", answers={asked: {"rows": "many"}})
            assert by_task(await report(graph, "t")) == {"a": asked}
            await keep_answers(graph, "t", {asked: {"rows": None}})
            with pytest.raises(RunError, match="does not fit its question"):
                await execute(graph, None, "t")
            assert by_task(await report(graph, "t")) == {"a": asked}
            told = await execute(graph, None, "t", answers={asked: {"rows": 3}})
            if review == "after":
                told = await execute(graph, None, "t", answers={by_task(told)["a"]: "approve"})
            assert (told.status, told.results["a"].output) == ("succeeded", 3)

    go(check())


@pytest.mark.parametrize("review", [None, "both"])
def test_a_retry_is_given_the_same_answers(open_saver: Any, go: Go, review: str | None) -> None:
    """An attempt that fails after its question is made again with the answer, which is not asked for twice."""
    given: list[Any] = []
    keys: set[str] = set()

    @specialist("w")
    async def flaky(task: Task, attempt: int, idempotency_key: str) -> Any:
        if task.id != "a":
            return None
        keys.add(idempotency_key)
        given.append(interrupt("which?"))
        if len(given) < 3:
            raise ConnectionError("not yet")
        return given[-1]

    async def check() -> None:
        async with open_saver() as saver:
            graph = build_graph([flaky], checkpointer=saver)
            plan = one(review, retry={"max_attempts": 3, "initial_s": 0})
            told, questions = await execute(graph, {"plan": plan}, "t"), 0
            while told.interrupts:
                questions += told.interrupts[0].value == "which?"
                answer = "this" if told.interrupts[0].value == "which?" else "approve"
                told = await execute(graph, None, "t", answers={told.interrupts[0].id: answer})
            assert (told.status, told.results["a"].output) == ("succeeded", "this")
            assert (questions, given, len(keys)) == (1, ["this"] * 3, 1)

    go(check())


def test_a_comment_reaches_a_runnable(go: Go) -> None:
    """Another attempt of a Runnable sees the comment, and reads it in its messages."""
    seen: list[Any] = []

    def answer(given: Any) -> str:
        seen.append((given["comment"], given["messages"][0][1], given["idempotency_key"]))
        return f"draft {len(seen)}"

    async def check() -> None:
        graph = build_graph({"r": RunnableLambda(answer)}, checkpointer=InMemorySaver())
        plan = {"tasks": [{"id": "a", "specialist": "r", "review": "after", "description": "Write"}]}
        told = await execute(graph, {"plan": plan}, "t")
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: decided("respond", "shorter")})
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: "approve"})
        assert told.results["a"].output == "draft 2"
        assert [comment for comment, *_ in seen] == ["", "shorter"]
        assert "shorter" in seen[1][1] and "draft 1" in seen[1][1] and "shorter" not in seen[0][1]
        assert seen[0][2] != seen[1][2]

    go(check())


@pytest.mark.parametrize(
    ("when", "default", "status"),
    [
        ("before", "approve", "succeeded"),
        ("before", "reject", "cancelled"),
        ("before", "skip", "skipped"),
        ("after", "approve", "succeeded"),
        ("after", "reject", "failed"),
    ],
)
def test_a_question_whose_time_is_over_takes_its_default(
    open_saver: Any, go: Go, when: str, default: str, status: str
) -> None:
    """It is settled when the run is gone on with, and the review tells that nobody answered."""

    async def check() -> None:
        work = Work()
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            plan = one(when, review_timeout_s=1e-6, review_default=default)
            told = await execute(graph, {"plan": plan}, "t")
            assert told.status == "paused" and told.interrupts[0].value["default"] == default
            told = await execute(graph, None, "t")
            assert told.results["a"].status == status and not told.interrupts
            assert "nobody answered by" in told.results["a"].reviews[0].message

    go(check())


def test_a_plan_that_nobody_looks_at_in_time_takes_its_default(go: Go) -> None:
    """The plan's own review has a time limit too; an answer that comes all the same wins."""

    async def check() -> None:
        work = Work()
        graph = build_graph([work.specialist], checkpointer=InMemorySaver())
        config = {"review": "plan", "review_timeout_s": 1e-6, "review_default": "approve"}
        await execute(graph, {"plan": {**one(), "config": config}}, "t")
        assert (await execute(graph, None, "t")).status == "succeeded"
        late = await execute(graph, {"plan": {**one(), "config": config}}, "late")
        told = await execute(graph, None, "late", answers={late.interrupts[0].id: decided("reject", "no")})
        assert told.status == "cancelled"

    go(check())


@pytest.mark.parametrize("batch_size", [2, 250])
def test_a_person_who_is_there_holds_up_nobody_else(open_saver: Any, go: Go, batch_size: int) -> None:
    """While a person is asked, other tasks go on, without the asked task's slot; its dependents start at once."""
    begun = {name: asyncio.Event() for name in ("other", "behind")}

    @specialist("w")
    async def work(task: Task) -> str:
        begun.get(task.id, asyncio.Event()).set()
        if task.id == "other":
            await begun["behind"].wait()  # it ends only after what waits for the person has begun
        return task.id

    async def asker(question: Any) -> Any:
        await begun["other"].wait()  # it answers only after another task has begun
        return decided("approve")

    async def check() -> None:
        plan = {
            "config": {"max_parallel": 2},
            "tasks": [
                {"id": "a", "specialist": "w", "review": "both"},
                {"id": "behind", "specialist": "w", "depends_on": ["a"]},
                {"id": "other", "specialist": "w"},
            ],
        }
        async with open_saver() as saver:
            graph = build_graph([work], checkpointer=saver, batch_size=batch_size)
            told = await asyncio.wait_for(execute(graph, {"plan": plan}, "t", asker=asker), 20)
            assert (told.status, told.interrupts) == ("succeeded", ())
            assert [review.decision for review in told.results["a"].reviews] == ["approve", "approve"]

    go(check())


def test_a_person_who_is_asked_holds_no_slot(go: Go) -> None:
    """With one slot, the other task runs while the person thinks."""
    ran = asyncio.Event()

    @specialist("w")
    async def work(task: Task) -> None:
        if task.id == "free":
            ran.set()

    async def asker(question: Any) -> Any:
        await ran.wait()
        return "approve"

    async def check() -> None:
        graph = build_graph([work], checkpointer=InMemorySaver())
        plan = {**one("before"), "config": {"max_parallel": 1}}
        told = await asyncio.wait_for(execute(graph, {"plan": plan}, "t", asker=asker), 20)
        assert told.status == "succeeded"

    go(check())


def test_an_asker_without_an_answer_pauses_the_run(go: Go) -> None:
    """A wrong answer is asked again at once; `None` leaves the question to a later process."""
    answers: list[Any] = ["perhaps", None]
    heard: list[list[str]] = []

    async def asker(question: Any) -> Any:
        heard.append(question.get("problems", []))
        return answers.pop(0)

    async def check() -> None:
        work = Work()
        graph = build_graph([work.specialist], checkpointer=InMemorySaver())
        told = await execute(graph, {"plan": one("before")}, "t", asker=asker)
        assert (told.status, work.ran) == ("paused", {"free": 1})
        assert not heard[0] and "'type' must be" in heard[1][0]
        told = await execute(graph, None, "t", answers={by_task(told)["a"]: "approve"})
        assert (told.status, work.ran) == ("succeeded", {"a": 1, "behind": 1, "free": 1})

    go(check())


def test_questions_of_a_batch_that_was_at_work_when_the_run_ended_are_found(go: Go) -> None:
    """A run that is stopped while one task of a batch waits and another works still asks afterwards."""
    asked, end = asyncio.Event(), asyncio.Event()

    @specialist("w")
    async def work(task: Task) -> Any:
        return interrupt("well?") if task.id == "a" else await end.wait()

    def on_event(event: Mapping[str, Any]) -> None:
        if event["type"] == "task_paused":
            asked.set()

    async def check() -> None:
        graph = build_graph([work], checkpointer=InMemorySaver(), batch_size=2)
        plan = {"tasks": [{"id": name, "specialist": "w"} for name in "abc"]}
        first = asyncio.create_task(execute(graph, {"plan": plan}, "t", on_event=on_event))
        await asked.wait()
        first.cancel()
        await asyncio.wait([first])
        end.set()
        told = await execute(graph, None, "t")
        assert (told.status, list(by_task(told))) == ("paused", ["a"])
        told = await execute(graph, None, "t", answers={by_task(told)["a"]: "yes"})
        assert (told.status, told.results["a"].output) == ("succeeded", "yes")

    go(check())


def test_invoke_asks_before_a_task_and_refuses_reviews_of_outputs() -> None:
    """Without an event loop a branch can't keep a step: the message says what to call instead."""
    work = Work()
    graph = build_graph([work.specialist], checkpointer=InMemorySaver())
    out = graph.invoke({"plan": one("before")}, CONFIG)
    question = out["__interrupt__"][0]
    assert question.value["review"] == "before" and work.ran == {"free": 1}
    out = graph.invoke(Command(resume={question.id: decided("edit", n=5)}), CONFIG)
    assert out["status"] == "succeeded" and out["results"]["a"]["output"] == {"input": {"n": 5}}
    with pytest.raises(FanwiseError, match=r"task 'a' has a review of its output: run the graph with `ainvoke`"):
        graph.invoke({"plan": one("after")}, {"configurable": {"thread_id": "other"}})


def test_invoke_asks_about_the_plan() -> None:
    """The plan's review works without an event loop too."""
    work = Work()
    graph = build_graph([work.specialist], checkpointer=InMemorySaver())
    out = graph.invoke({"plan": {**one(), "config": {"review": "plan"}}}, CONFIG)
    out = graph.invoke(Command(resume={out["__interrupt__"][0].id: "approve"}), CONFIG)
    assert (out["status"], work.ran) == ("succeeded", {"a": 1, "behind": 1, "free": 1})


class Draft(TypedDict, total=False):
    """The state of a graph that is a specialist."""

    text: str
    comment: str


@pytest.mark.parametrize("review", [None, "after"])
def test_a_graph_that_asks_inside_is_a_specialist(open_saver: Any, go: Go, review: str | None) -> None:
    """Its questions are its task's; its nodes that have ended do not run again."""
    ran: Counter[str] = Counter()

    async def write(state: Draft) -> Draft:
        ran["write"] += 1
        return {"text": "draft"}

    async def approve(state: Draft) -> Draft:
        return {"text": f"{state['text']}, {interrupt({'draft': state['text']})}"}

    builder = StateGraph(Draft)
    builder.add_node("write", write)
    builder.add_node("approve", approve)
    builder.add_edge(START, "write")
    builder.add_edge("write", "approve")
    builder.add_edge("approve", END)

    async def check() -> None:
        async with open_saver() as saver:
            graph = build_graph({"g": builder.compile()}, checkpointer=saver)
            task = {"id": "a", "specialist": "g", "input": {"text": ""}}
            told = await execute(graph, {"plan": {"tasks": [{**task, "review": review} if review else task]}}, "t")
            assert [(q.task_id, q.value) for q in told.interrupts] == [("a", {"draft": "draft"})]
            told = await execute(graph, None, "t", answers={told.interrupts[0].id: "approved"})
            if review:
                assert told.interrupts[0].value["review"] == "after"
                told = await execute(graph, None, "t", answers={told.interrupts[0].id: "approve"})
            assert told.status == "succeeded" and told.results["a"].output["text"] == "draft, approved"
            assert ran == {"write": 1}

    go(check())


def test_an_agent_whose_tool_asks_for_approval(go: Go) -> None:
    """LangChain's middleware asks in the middle of an agent; the tool runs once, with the edited arguments."""
    agents = pytest.importorskip("langchain.agents", reason="needs langchain")
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Model(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

    sent: list[str] = []

    def send(to: str) -> str:
        """Send the report."""
        sent.append(to)
        return f"sent to {to}"

    calls = [{"name": "send", "args": {"to": "all"}, "id": "1"}]
    model = Model(messages=iter([AIMessage("", tool_calls=calls), AIMessage("done")]))
    middleware = HumanInTheLoopMiddleware(interrupt_on={"send": True})
    agent = agents.create_agent(model, tools=[send], middleware=[middleware])

    async def check() -> None:
        graph = build_graph({"agent": agent}, checkpointer=InMemorySaver())
        plan = {"tasks": [{"id": "a", "specialist": "agent", "description": "Send the report"}]}
        told = await execute(graph, {"plan": plan}, "t")
        assert told.interrupts[0].task_id == "a" and sent == []
        assert told.interrupts[0].value["action_requests"][0]["name"] == "send"
        edited = {"type": "edit", "edited_action": {"name": "send", "args": {"to": "one"}}}
        told = await execute(graph, None, "t", answers={told.interrupts[0].id: {"decisions": [edited]}})
        assert told.status == "succeeded" and sent == ["one"]
        assert told.results["a"].output == "done"

    go(check())


@pytest.mark.parametrize("kind", ["plan", "before", "after"])
def test_questions_are_what_agent_inboxes_draw(go: Go, kind: str) -> None:
    """A question's value is an `HITLRequest`, and the answers that it allows an `HITLResponse`."""
    pytest.importorskip("langchain.agents", reason="needs langchain")
    from langchain.agents.middleware.human_in_the_loop import HITLRequest, HITLResponse

    async def check() -> None:
        graph = build_graph([Work().specialist], checkpointer=InMemorySaver())
        plan = {**one(), "config": {"review": "plan"}} if kind == "plan" else one(kind)
        value = (await execute(graph, {"plan": plan}, "t")).interrupts[0].value
        request = TypeAdapter(HITLRequest).validate_python(value)
        assert request["action_requests"] == value["action_requests"]
        assert request["review_configs"] == value["review_configs"]
        assert value["review_configs"][0]["action_name"] == value["action_requests"][0]["name"]
        for word in value["review_configs"][0]["allowed_decisions"]:
            TypeAdapter(HITLResponse).validate_python(decided(word, "so" if word in ("respond", "reject") else ""))

    go(check())


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_answers_by_langgraphs_own_command(open_saver: Any, go: Go, durability: Any) -> None:
    """`ainvoke(Command(resume=...))` answers some now and some later, with every durability."""

    async def check() -> None:
        work = Work()
        tasks = [
            {"id": name, "specialist": "w", "review": when} for name, when in zip("ab", ("both", "after"), strict=True)
        ]
        async with open_saver() as saver:
            graph = build_graph([work.specialist], checkpointer=saver)
            await graph.ainvoke({"plan": {"tasks": tasks}}, CONFIG, durability=durability)
            open_ = by_task(await report(graph, "t"))
            await graph.ainvoke(Command(resume={open_["a"]: "approve"}), CONFIG, durability=durability)
            then = by_task(await report(graph, "t"))
            assert then["a"] != open_["a"] and then["b"] == open_["b"]
            answers = {then["a"]: decided("respond", "more"), then["b"]: decided("edit", x=1)}
            await graph.ainvoke(Command(resume=answers), CONFIG, durability=durability)
            last = by_task(await report(graph, "t"))
            out = await graph.ainvoke(Command(resume={last["a"]: "approve"}), CONFIG, durability=durability)
            assert (list(last), out["status"], work.ran) == (["a"], "succeeded", {"a": 2, "b": 1})
            assert out["results"]["b"]["output"] == {"x": 1}

    go(check())
