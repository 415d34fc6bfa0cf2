"""Further rounds: tasks that specialists propose, and that a model asks for once it sees the results."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import warm
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from openai_server import OpenAIServer, Say, text_of
from planning_graph import answer, graph_of, more

from fanwise.graph import Propose, build_graph, specialist
from fanwise.graph.again import edit, fork, retry
from fanwise.graph.run import execute, report
from fanwise.state import FanwiseError, RunContext, Task

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def proposer(tasks: Any, name: str = "scout") -> Any:
    """Return a specialist that proposes the same tasks each time."""

    @specialist(name)
    def scout(task: Any) -> Propose:
        return Propose({"seen": task.id}, tasks)

    return scout


def plan(*tasks: Mapping[str, Any], **config: Any) -> dict[str, Any]:
    return {"plan": {"tasks": list(tasks), "config": config}}


SCOUT = {"id": "scout", "specialist": "scout"}
NEXT = {"id": "next", "specialist": "wait", "depends_on": ["scout"]}


@pytest.mark.parametrize("is_sync", [False, True])
def test_proposed_tasks_run_in_another_round(is_sync: bool) -> None:
    """The output is kept, the ids stand beside it, and the summary and metrics know of all rounds."""
    tasks = [Task(id="next", specialist="wait", depends_on=("scout",)), {"task_id": "last", "agent": "wait"}]
    graph = build_graph([proposer(tasks)], checkpointer=InMemorySaver())
    given = plan(SCOUT, max_rounds=2)
    out = graph.invoke(given, CONFIG) if is_sync else asyncio.run(graph.ainvoke(given, CONFIG))
    assert out["status"] == "succeeded" and list(out["results"]) == ["scout", "next", "last"]
    assert out["results"]["scout"]["output"] == {"seen": "scout"}
    assert out["results"]["scout"]["proposed"] == ["next", "last"]
    assert "proposal" not in out["results"]["scout"]
    assert out["results"]["next"]["output"] == {"task_id": "next", "results": ["scout"]}
    assert out["metrics"]["tasks"] == 3 and not out["warnings"]
    values = graph.get_state(CONFIG).values
    assert values["round"] == 2 and values["added_tasks"] == ["next", "last"]


def test_the_stream_and_the_report_tell_of_a_round() -> None:
    """An event names the tasks that were added, and how many there are now."""
    events: list[Any] = []
    graph = build_graph([proposer([NEXT])], checkpointer=InMemorySaver())
    made = asyncio.run(execute(graph, plan(SCOUT, max_rounds=2), "t", on_event=events.append))
    told = next(event for event in events if event["type"] == "round_started")
    assert told == {
        "type": "round_started",
        "round": 2,
        "tasks": ["next"],
        "total": 2,
        "why": "task 'scout' proposed them",
    }
    assert made.results["scout"].proposed == ("next",)
    assert [e["total"] for e in events if e["type"] == "task_finished"] == [1, 2]


@pytest.mark.parametrize(
    ("tasks", "options", "config", "why"),
    [
        ([NEXT], {}, {}, "max_rounds is 1"),
        ([NEXT], {"max_tasks": 1}, {"max_rounds": 2}, "more than the limit of 1"),
        ([{**NEXT, "depends_on": ["nobody"]}], {}, {"max_rounds": 2}, "nobody"),
        ([{**NEXT, "specialist": "nobody"}], {}, {"max_rounds": 2}, "unknown specialist"),
        ([SCOUT], {}, {"max_rounds": 2}, "scout"),
        ([{**NEXT, "parallel_group": 1}], {}, {"max_rounds": 2}, "parallel_group"),
    ],
)
def test_what_is_refused_is_said(tasks: Any, options: Any, config: Any, why: str) -> None:
    """A proposal that does not fit the plan or its limits is a warning, and the run ends with what it has."""
    graph = build_graph([proposer(tasks)], checkpointer=InMemorySaver(), **options)
    out = asyncio.run(graph.ainvoke(plan(SCOUT, **config), CONFIG))
    assert out["status"] == "succeeded" and list(out["results"]) == ["scout"]
    assert len(out["warnings"]) == 1
    assert out["warnings"][0].startswith("tasks that 'scout' proposed (") and why in out["warnings"][0]
    assert "proposal" not in out["results"]["scout"]


def test_one_proposal_that_is_refused_does_not_refuse_another() -> None:
    """Each specialist's tasks stand or fall together."""
    bad = proposer([{**NEXT, "specialist": "nobody"}], "bad")
    graph = build_graph([proposer([NEXT]), bad], checkpointer=InMemorySaver())
    given = plan({"id": "b", "specialist": "bad"}, SCOUT, max_rounds=2)
    out = asyncio.run(graph.ainvoke(given, CONFIG))
    assert list(out["results"]) == ["b", "scout", "next"] and len(out["warnings"]) == 1


def test_rounds_end_where_the_plan_says() -> None:
    """A task that always proposes one more stops at max_rounds, and it is said."""

    @specialist("more")
    def always(task: Any) -> Propose:
        return Propose(None, [{"id": f"{task.id}x", "specialist": "more"}])

    graph = build_graph([always], checkpointer=InMemorySaver())
    out = asyncio.run(graph.ainvoke(plan({"id": "a", "specialist": "more"}, max_rounds=3), CONFIG))
    assert list(out["results"]) == ["a", "ax", "axx"]
    assert "max_rounds is 3" in out["warnings"][0]


def test_after_a_failure_that_ends_the_run_nothing_is_added() -> None:
    """on_failure: fast holds for rounds too."""
    graph = build_graph([proposer([NEXT])], checkpointer=InMemorySaver())
    bad = {"id": "bad", "specialist": "wait", "depends_on": ["scout"], "input": {"fail": "no"}}
    out = asyncio.run(graph.ainvoke(plan(SCOUT, bad, max_rounds=2, on_failure="fast"), CONFIG))
    assert out["status"] == "failed" and "on_failure: fast" in out["warnings"][0]


def test_a_proposal_is_no_list_of_tasks() -> None:
    """The attempt fails with what is expected."""
    graph = build_graph([proposer("next")])
    out = asyncio.run(graph.ainvoke(plan(SCOUT, max_rounds=2)))
    assert out["results"]["scout"]["status"] == "failed"
    assert "Propose(tasks=...) takes a list" in out["results"]["scout"]["error"]


def test_many_proposed_tasks_run_in_batches() -> None:
    """Batches carry proposals up, and those that are added run in batches."""
    tasks = [{"id": f"n{n}", "specialist": "wait", "depends_on": [f"s{n % 7}"]} for n in range(30)]

    @specialist("scout")
    def scout(task: Any) -> Propose:
        return Propose(task.id, [item for item in tasks if item["depends_on"] == [task.id]])

    graph = build_graph([scout], checkpointer=InMemorySaver(), batch_size=4)
    given = plan(*({"id": f"s{n}", "specialist": "scout"} for n in range(7)), max_rounds=2)
    out = asyncio.run(graph.ainvoke(given, CONFIG))
    assert out["metrics"]["succeeded"] == 37 and not out["warnings"]


def test_the_model_sees_the_results_and_adds_tasks_until_it_is_done() -> None:
    """It is asked after each round but the last, and its tokens are the planner's."""
    first = {"id": "a", "specialist": "wait", "input": {"output": "the disk is full"}}
    second = {"id": "b", "specialist": "wait", "depends_on": ["a"]}
    with OpenAIServer([Say(answer(first)), Say(more(second)), Say(more(why="All is clear."))]) as server:
        graph = graph_of(server, checkpointer=InMemorySaver())
        out = asyncio.run(graph.ainvoke({"request": "look"}, CONFIG, context=RunContext(max_rounds=5)))
        assert list(out["results"]) == ["a", "b"] and out["status"] == "succeeded"
        assert len(server.requests) == 3
        assert "the disk is full" in json.dumps([text_of(m) for m in server.requests[1]["messages"]])
        values = graph.get_state(CONFIG).values
        assert values["round"] == 2 and values["rounds_over"] == "All is clear."
        asked = [sum(len(text_of(m)) for m in body["messages"]) for body in server.requests]
        assert out["metrics"]["usage_by"]["planner"]["input_tokens"] > sum(asked) // 5


def test_without_a_round_left_the_model_is_not_asked() -> None:
    """By default there is one round: the plan itself."""
    with OpenAIServer([Say(answer({"id": "a", "specialist": "wait"}))]) as server:
        out = asyncio.run(graph_of(server).ainvoke({"request": "look"}))
        assert out["status"] == "succeeded" and len(server.requests) == 1 and not out["warnings"]


def test_a_task_of_a_round_begins_while_the_round_is_written() -> None:
    """What the model adds overlaps with its writing, as the plan's own tasks do."""
    calls: list[str] = []

    @specialist("probe", pure=True)
    async def probe(task: Any, results: Any) -> Any:
        calls.append(task.id)
        return [result.output for result in results.values()]

    added = [{"id": "b", "specialist": "probe", "depends_on": ["a"]}]
    filler = {"id": "c", "specialist": "wait", "description": "x" * 300}
    script = [Say(answer({"id": "a", "specialist": "probe"})), Say(more(*added, filler), tokens_per_s=100)]
    events: list[Any] = []
    with OpenAIServer(script) as server:
        graph = graph_of(server, [probe], checkpointer=InMemorySaver())
        given = {"request": "look"}
        made = asyncio.run(execute(graph, given, "t", on_event=events.append, context=RunContext(max_rounds=2)))
    assert calls == ["a", "b"] and made.results["b"].output == [[]]
    ahead = {event["task_id"]: event.get("ahead_s", 0) for event in events if event["type"] == "task_started"}
    assert ahead["b"] > 0.3


@pytest.mark.parametrize("decision", ["approve", "reject", "edit"])
def test_a_person_looks_at_what_is_added_where_plans_are_reviewed(decision: str) -> None:
    """A rejected addition ends the run normally with the results so far; an edit can't change what is over."""
    graph = build_graph([proposer([NEXT])], checkpointer=InMemorySaver())

    async def scenario() -> None:
        out = await graph.ainvoke(plan(SCOUT, max_rounds=2, review="plan"), CONFIG)
        out = await graph.ainvoke(Command(resume="approve"), CONFIG)
        question = out["__interrupt__"][0].value
        shown = question["action_requests"][0]
        assert "next" in shown["description"] and "to be added" in shown["description"]
        if decision == "edit":
            edited = json.loads(json.dumps(shown["args"]["plan"]))
            edited["tasks"][0]["description"] = "another"
            asked = {"type": "edit", "edited_action": {"name": "plan", "args": {"plan": edited}}}
            out = await graph.ainvoke(Command(resume=asked), CONFIG)
            assert "can't be changed" in out["__interrupt__"][0].value["problems"][0]
            edited["tasks"] = [shown["args"]["plan"]["tasks"][0], {**NEXT, "id": "mine"}]
            out = await graph.ainvoke(Command(resume=asked), CONFIG)
            assert list(out["results"]) == ["scout", "mine"] and out["status"] == "succeeded"
            return
        answered = {"type": "reject", "message": "enough"} if decision == "reject" else "approve"
        out = await graph.ainvoke(Command(resume=answered), CONFIG)
        assert out["status"] == "succeeded"
        if decision == "reject":
            assert list(out["results"]) == ["scout"]
            assert out["warnings"] == ["tasks that were to be added (next) were rejected: enough"]
        else:
            assert list(out["results"]) == ["scout", "next"]

    asyncio.run(scenario())


def test_second_thoughts_about_a_run_of_two_rounds(tmp_path: Path) -> None:
    """Retry, edit and fork take a grown plan as any other; a task that runs again may propose again."""
    path = str(tmp_path / "runs.db")
    fails = {"fail": True}

    @specialist("flaky")
    def flaky(task: Any) -> str:
        if fails["fail"]:
            raise OSError("down")
        return "up"

    added = {"id": "flaky", "specialist": "flaky", "depends_on": ["scout"]}

    async def scenario() -> None:
        async with AsyncSqliteSaver.from_conn_string(path) as saver:
            graph = build_graph([proposer([added]), flaky], checkpointer=saver)
            made = await execute(graph, plan(SCOUT, max_rounds=2), "t")
            assert made.status == "failed" and made.results["flaky"].status == "failed"
            fails["fail"] = False
            assert await retry(graph, "t") == ["flaky"]
            assert (await execute(graph, None, "t")).status == "succeeded"
            await fork(graph, "t", "copy")
            assert (await report(graph, "copy")).results["flaky"].output == "up"
            assert await edit(graph, "copy", "scout", input={"n": 2}) == ["scout", "flaky"]
            made = await execute(graph, None, "copy")
            assert made.status == "succeeded" and list(made.results) == ["scout", "flaky"]
            assert any("max_rounds is 2" in text for text in made.warnings), "the same was proposed again"

    asyncio.run(scenario())


CHILD = """
import asyncio, sys
sys.path[:0] = [{tests!r}, {here!r}]
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langchain_openai import ChatOpenAI
from fanwise.graph import build_graph, specialist
from fanwise.state import RunContext

@specialist("note", pure={pure})
async def note(task):
    with open({log!r}, "a") as file:
        file.write(task.id + "\\n")
    await asyncio.sleep(float(task.input.get("seconds", 0)))
    return task.id

async def main():
    model = ChatOpenAI(model="scripted", base_url={url!r}, api_key="test", max_retries=0)
    async with AsyncSqliteSaver.from_conn_string({db!r}) as saver:
        graph = build_graph([note], model=model and {{"planner": model}}, checkpointer=saver)
        given = {{"request": "look"}} if sys.argv[1] == "start" else None
        config = {{"configurable": {{"thread_id": "t"}}}}
        out = await graph.ainvoke(given, config, context=RunContext(max_rounds=3), durability="sync")
        print(out["status"], *out["results"])

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["planning", "first", "replanning", "second"])
def test_a_run_that_is_killed_anywhere_goes_on(place: str, tmp_path: Path) -> None:
    """Killed while the plan is written, in a round, between them: no finished task runs again, nothing is lost."""
    log, going = tmp_path / "log", list[subprocess.Popen[str]]()
    first = [{"id": "a", "specialist": "note"}, {"id": "b", "specialist": "note", "depends_on": ["a"]}]
    second = [{"id": "cherry", "specialist": "note", "depends_on": ["b"]}, {"id": "d", "specialist": "note"}]
    if place == "first":
        first[1]["input"] = {"seconds": 1}
    if place == "second":
        second[0]["input"] = {"seconds": 1}
    asked = {"plan": 0, "more": 0}

    def script(body: dict[str, Any]) -> Say:
        is_more = "more_tasks" in json.dumps(body.get("response_format") or body.get("tools") or {})
        asked["more" if is_more else "plan"] += 1
        if place == ("replanning" if is_more else "planning") and asked["more" if is_more else "plan"] == 1:
            if not is_more:
                return Say(
                    answer(*first, {"id": "z", "specialist": "note", "description": "x" * 4000}), tokens_per_s=99
                )
            going[0].kill()
        if not is_more:
            return Say(answer(*first))
        told = json.dumps([text_of(m) for m in body["messages"]])
        return Say(more() if "cherry" in told else more(*second))

    with OpenAIServer(script) as server:
        here = Path(__file__).parent
        text = CHILD.format(
            tests=str(here.parent),
            here=str(here),
            log=str(log),
            url=server.base_url,
            db=str(tmp_path / "runs.db"),
            pure=place == "planning",
        )

        def child(how: str) -> subprocess.Popen[str]:
            return warm.Popen([sys.executable, "-c", text, how], stdout=subprocess.PIPE, text=True)

        going.append(child("start"))
        wanted = {"planning": "a", "first": "b", "second": "cherry"}.get(place)
        for _ in range(3000):
            if going[0].poll() is not None or (wanted and log.exists() and wanted in log.read_text().split()):
                break
            try:
                going[0].wait(0.01)
            except subprocess.TimeoutExpired:
                pass
        time.sleep(0.4)  # what came to its end is saved by then
        going[0].kill()
        going[0].communicate()
        before = log.read_text().split()
        again = child("start" if place == "planning" else "resume")
        told, _ = again.communicate(timeout=60)
    assert told.split() == ["succeeded", "a", "b", "cherry", "d"]
    after = log.read_text().split()[len(before) :]
    finished = {"planning": [], "first": ["a"], "replanning": ["a", "b"], "second": ["a", "b"]}[place]
    assert not set(finished) & set(after)


def test_the_deadline_cuts_planning() -> None:
    """A model that takes too long is not waited for; in a later round, what is done stands."""

    async def planned(script: Any, **context: Any) -> Any:
        with OpenAIServer(script) as server:
            graph = graph_of(server, checkpointer=InMemorySaver())
            return await graph.ainvoke({"request": "do it"}, CONFIG, context=RunContext(**context))

    with pytest.raises(FanwiseError, match=r"planning failed: the run's deadline came first"):
        asyncio.run(planned([Say(answer(), wait_s=20)], deadline_s=0.3))
    first = answer({"id": "a", "specialist": "wait"})
    script = [Say(first), Say(more({"id": "b", "specialist": "wait"}), wait_s=20)]
    out = asyncio.run(planned(script, deadline_s=1.5, max_rounds=2))
    assert list(out["results"]) == ["a"] and out["status"] == "succeeded"
    assert any("deadline came before the model said" in warning for warning in out["warnings"])
