"""Everyday plans as models write them, read as they come in; and broken ones, of which something is always made."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Say, last_user_text
from thorough import examples

from fanwise.models.chat import chat_model
from fanwise.nodes.planning import ModelPlanner, Planned
from fanwise.nodes.planning.asking import Patience
from fanwise.nodes.specialist import Specialist

Row = dict[str, Any]

PIECE = 200
"""Characters of an answer that come at once: there are many answers."""


def do(task: Any) -> Any:
    """Never called here."""


SPECIALISTS = {
    name: Specialist(name, do, about) for name, about in (("person", "Does everyday things"), ("helper", "Helps"))
}


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    """The gold plans."""
    return [json.loads(line) for line in (shared_data / "asynchow-400.jsonl").read_text(encoding="utf-8").splitlines()]


ID_STYLES: list[Callable[[str], Any]] = [
    lambda n: n,
    lambda n: f"step_{n}",
    lambda n: f"Step {n}",
    lambda n: f"s-{n}.do",
    lambda n: int(n),
    lambda n: f"étape {n}: faire",
]

WRAPPERS: list[Callable[[str], str]] = [
    lambda text: text,
    lambda text: f"```json\n{text}\n```",
    lambda text: f"Here is the plan [1] {{as asked}}:\n\n```\n{text}\n```\nLet me know.",
    lambda text: json.dumps(json.loads(text), indent=2),
    lambda text: f"<think>Two steps {{or three}}?</think>\n{text}",
]


def draft(row: Row, style: int) -> dict[str, Any]:
    """Return a gold plan as a model would write it: some with synonyms, references, titles, in another order."""
    name = ID_STYLES[style % len(ID_STYLES)]
    tasks = []
    for task in row["tasks"]:
        needs = [name(need) for need in task["depends_on"]]
        given: dict[str, Any] = {"minutes": task["duration_s"] / 60}
        if needs and style % 3 == 0:  # the last dependency only stands in the input
            *needs, referred = needs
            given["after"] = [f"see {{{{tasks.{referred}.output.note}}}}"]
        written = {"id": name(task["id"]), "specialist": "person", "description": task["description"], "input": given}
        if style % 4 == 1:
            written["title"] = task["description"][:40]
        if needs or style % 2:
            written["depends_on" if style % 5 else "dependencies"] = needs
        tasks.append(written)
    if style % 7 == 3:
        tasks.reverse()
    return {"workflow": None, "params": {}, "tasks": tasks, "reply": ""}


def ways(body: Mapping[str, Any]) -> str:
    """Return how a request asks for JSON."""
    return "tools" if body.get("tools") else "schema" if body.get("response_format") else "plain"


def scripted(answers: Mapping[str, str]) -> Callable[[dict[str, Any]], Say]:
    """Return a script that answers a request by its own words, in the way in which it is asked."""

    def script(body: dict[str, Any]) -> Say:
        said = next(m["content"] for m in body["messages"] if m["role"] == "user")
        text = answers[said]
        return Say(tools=[("plan", text)], piece=PIECE) if ways(body) == "tools" else Say(text, piece=PIECE)

    return script


def planner_for(method: str) -> ModelPlanner:
    """Return a planner whose model is asked in one way only."""
    planner = ModelPlanner(chat_model("scripted"), SPECIALISTS, {}, 50, patience=Patience(first_s=0.001))
    planner._planning.methods = [method]  # type: ignore[list-item]
    return planner


def test_gold_plans_come_out_as_they_are(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """In different ways of writing and asking: the same dependencies, each task handed on as it is written."""
    rows = rows[: examples(120, 400)]
    methods = ("json_schema", "function_calling", "plain")
    answers, asked = {}, []
    for index, row in enumerate(rows):
        method = methods[index % 3]
        text = json.dumps(draft(row, index), ensure_ascii=index % 2 == 0)
        request = f"{index}: {row['title']}"
        answers[request] = text if method == "function_calling" else WRAPPERS[index % len(WRAPPERS)](text)
        asked.append((request, method, row, ID_STYLES[index % len(ID_STYLES)]))

    async def all_of_them() -> list[tuple[Planned, list[str]]]:
        planners = {method: planner_for(method) for method in methods}

        async def one(request: str, method: str) -> tuple[Planned, list[str]]:
            told: list[str] = []
            return await planners[method].plan(request, on_task=lambda task: told.append(task.id)), told

        gate = asyncio.Semaphore(16)

        async def gated(request: str, method: str) -> tuple[Planned, list[str]]:
            async with gate:
                return await one(request, method)

        return await asyncio.gather(*(gated(request, method) for request, method, _, _ in asked))

    with OpenAIServer(scripted(answers)) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        came = asyncio.run(all_of_them())
        assert len(server.requests) == len(rows)  # nothing had to be put right
        assert {ways(body) for body in server.requests} == {"tools", "schema", "plain"}
    handed_on = 0
    for (outcome, told), (request, _, row, name) in zip(came, asked, strict=True):
        assert outcome.plan is not None, (request, outcome)
        assert outcome.warnings == (), request
        made = {task.id: set(task.depends_on) for task in outcome.plan.tasks}
        gold = {str(name(task["id"])): {str(name(need)) for need in task["depends_on"]} for task in row["tasks"]}
        assert made == gold, request
        seen: set[str] = set()
        for task_id in told:
            assert gold[task_id] <= seen, request
            seen.add(task_id)
        handed_on += len(told)
    assert handed_on > 0.8 * sum(len(row["tasks"]) for row in rows)


Break = Callable[[dict[str, Any], random.Random], Any]


def tasks_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tasks of a drafted plan."""
    found: list[dict[str, Any]] = plan["tasks"]
    return found


def cycle(plan: dict[str, Any], rng: random.Random) -> Any:
    """The first waits for the last."""
    tasks_of(plan)[0]["depends_on"] = [tasks_of(plan)[-1]["id"]]
    tasks_of(plan)[-1]["depends_on"] = [tasks_of(plan)[0]["id"]]
    return plan


def cycle_by_references(plan: dict[str, Any], rng: random.Random) -> Any:
    """The same, by references alone."""
    first, last = tasks_of(plan)[0], tasks_of(plan)[-1]
    first["input"] = {"x": f"{{{{tasks.{last['id']}.output}}}}"}
    last["input"] = {"x": f"{{{{tasks.{first['id']}.output}}}}"}
    return plan


def changed(**fields: Any) -> Break:
    """A task has other fields."""

    def change(plan: dict[str, Any], rng: random.Random) -> Any:
        rng.choice(tasks_of(plan)).update(fields)
        return plan

    return change


def without(name: str) -> Break:
    """A task lacks a field."""

    def remove(plan: dict[str, Any], rng: random.Random) -> Any:
        rng.choice(tasks_of(plan)).pop(name, None)
        return plan

    return remove


def top(**fields: Any) -> Break:
    """The answer has other fields."""
    return lambda plan, rng: {**plan, **fields}


def as_text(change: Callable[[str], str]) -> Break:
    """The answer's text is changed."""
    return lambda plan, rng: change(json.dumps(plan))


def duplicate(plan: dict[str, Any], rng: random.Random) -> Any:
    """Two tasks have one id."""
    tasks_of(plan)[1]["id"] = tasks_of(plan)[0]["id"]
    return plan


def by_case(plan: dict[str, Any], rng: random.Random) -> Any:
    """Two ids differ in case only."""
    tasks_of(plan)[0]["id"], tasks_of(plan)[1]["id"] = "Step", "step"
    return plan


def waits_for_itself(plan: dict[str, Any], rng: random.Random) -> Any:
    """A task waits for itself."""
    tasks_of(plan)[0]["depends_on"] = [tasks_of(plan)[0]["id"]]
    return plan


def too_many(plan: dict[str, Any], rng: random.Random) -> Any:
    """There are more tasks than may be."""
    last = tasks_of(plan)[-1]
    return {**plan, "tasks": [*tasks_of(plan), *({**last, "id": f"more {n}", "depends_on": []} for n in range(60))]}


def not_a_task(value: Any) -> Break:
    """Something else stands among the tasks."""
    return lambda plan, rng: {**plan, "tasks": [*tasks_of(plan), value]}


BROKEN: dict[str, Break] = {
    "cycle": cycle,
    "cycle by references": cycle_by_references,
    "waits for itself": waits_for_itself,
    "duplicate id": duplicate,
    "ids by case": by_case,
    "unknown dependency": changed(depends_on=["nobody"]),
    "blank dependency": changed(depends_on=[""]),
    "dependency of a wrong type": changed(depends_on=[None]),
    "dependencies as an object": changed(depends_on={"1": True}),
    "unknown specialist": changed(specialist="persn"),
    "no specialist by that name at all": changed(specialist="quantum"),
    "aggregate": changed(specialist="aggregate"),
    "specialist of a wrong type": changed(specialist=["person"]),
    "specialist null": changed(specialist=None),
    "no specialist": without("specialist"),
    "no id": without("id"),
    "blank id": changed(id=" "),
    "id null": changed(id=None),
    "id of a wrong type": changed(id={"a": 1}),
    "id with a line break": changed(id="a\nb"),
    "id too long": changed(id="x" * 300),
    "description of a wrong type": changed(description=["do", "it"]),
    "title of a wrong type": changed(title=7),
    "reference to nobody": changed(input={"x": "{{tasks.nobody.output}}"}),
    "reference malformed": changed(input={"x": "{{tasks.1.outputs}}"}),
    "reference not closed": changed(input={"x": "{{tasks.1.output"}),
    "another name for dependencies": lambda plan, rng: (
        tasks_of(plan)[-1].pop("depends_on", None),
        tasks_of(plan)[-1].update(after=["1"]),
        plan,
    )[-1],
    "input too deep": changed(input=json.loads("[" * 150 + "]" * 150)),
    "number too large": changed(input={"n": 10**30}),
    "too many": too_many,
    "a text among the tasks": not_a_task("do the rest"),
    "null among the tasks": not_a_task(None),
    "a list among the tasks": not_a_task([1, 2]),
    "an empty object among the tasks": not_a_task({}),
    "tasks null": top(tasks=None),
    "tasks empty": top(tasks=[]),
    "tasks an object": lambda plan, rng: {**plan, "tasks": {t["id"]: t for t in tasks_of(plan)}},
    "tasks text": top(tasks="first this, then that"),
    "unknown workflow": top(workflow="nightly"),
    "workflow of a wrong type": top(workflow=3),
    "params of a wrong type": top(params=[1]),
    "reply of a wrong type": top(reply={"text": "hi"}),
    "empty answer": as_text(lambda text: ""),
    "empty object": as_text(lambda text: "{}"),
    "prose": as_text(lambda text: "I can't plan that, sorry."),
    "truncated": as_text(lambda text: text[: len(text) * 2 // 3]),
    "truncated at the start": as_text(lambda text: text[:20]),
    "single quotes": as_text(lambda text: text.replace('"', "'")),
    "trailing comma": as_text(lambda text: text.replace("}], ", "},], ")),
    "no commas": as_text(lambda text: text.replace('", "', '" "')),
    "comments": as_text(lambda text: text.replace('"tasks":', '// the tasks\n"tasks":')),
    "NaN": as_text(lambda text: text.replace('"minutes": ', '"minutes": NaN, "m": ')),
    "a number alone": as_text(lambda text: "42"),
    "half a surrogate": as_text(lambda text: text.replace('"description": "', '"description": "\\ud800')),
}


def test_there_are_fifty_ways_to_break_a_plan() -> None:
    """So that none is lost."""
    assert len(BROKEN) >= 50


@pytest.mark.parametrize("repaired", [False, True], ids=["never put right", "put right"])
def test_broken_plans_end_in_a_plan_or_the_router(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch, repaired: bool
) -> None:
    """Each is told to the model; what it does not put right is left out with a warning, or the rules plan."""
    usable = [row for row in rows if len(row["tasks"]) >= 3]
    answers, good = {}, {}
    for index, (name, change) in enumerate(BROKEN.items()):
        rng, row = random.Random(index), usable[index % len(usable)]
        broken = change(draft(row, 1), rng)
        answers[name] = broken if isinstance(broken, str) else json.dumps(broken)
        good[name] = json.dumps(draft(row, 1))

    def script(body: dict[str, Any]) -> Say:
        name = next(m["content"] for m in body["messages"] if m["role"] == "user")
        asked_again = last_user_text(body) != name
        if asked_again:
            assert last_user_text(body).startswith("This answer can't be used:\n- ")
        return Say(good[name] if asked_again and repaired else answers[name], piece=PIECE)

    async def all_of_them() -> dict[str, Planned]:
        planner = planner_for("json_schema")
        came = await asyncio.gather(*(planner.plan(name) for name in BROKEN))
        return dict(zip(BROKEN, came, strict=True))

    with OpenAIServer(script) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        came = asyncio.run(all_of_them())
        requests = len(server.requests)
    for name, outcome in came.items():
        if repaired:
            assert outcome.plan is not None and outcome.warnings == () and not outcome.use_router, (name, outcome)
            assert "after 1 correction" in outcome.why, (name, outcome.why)
        else:
            assert (outcome.plan is not None) != outcome.use_router, (name, outcome)
            assert outcome.warnings, name
            assert outcome.plan is None or outcome.plan.tasks, name
    assert requests == len(BROKEN) * (2 if repaired else 3)
    if not repaired:
        saved = [name for name, outcome in came.items() if outcome.plan is not None]
        assert len(saved) >= 30, saved
