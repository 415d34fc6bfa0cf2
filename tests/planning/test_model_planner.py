"""Planning with a model, through the real client: plans, replies, repairs, faults, workflows, further rounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from openai_server import Say, last_user_text, text_of
from planning_parts import NIGHTLY, SPECIALISTS, MakePlanner, planned

from fanwise.nodes.planning import Planned
from fanwise.nodes.planning.prompts import compact
from fanwise.nodes.specialist import Specialist
from fanwise.plans.registry import Workflow
from fanwise.schema.results import TaskResult
from fanwise.state import FanwiseError, Plan, Task

FETCH = {"id": "f", "specialist": "fetch", "input": {"page": "x"}}


def plan(planner: Any, request: str = "Count the rows", **options: Any) -> Planned:
    made: Planned = asyncio.run(planner.plan(request, **options))
    return made


def test_request_becomes_a_plan(make_planner: MakePlanner) -> None:
    """With its request, its dependencies, those implied by references too, and what it cost."""
    text = planned(FETCH, {"id": "r", "input": {"rows": "{{tasks.f.output.rows}}"}, "title": "Write\nit"})
    planner, _ = make_planner([Say(text, usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})])
    made = plan(planner)

    assert made.plan is not None and made.plan.request == "Count the rows"
    assert [(t.id, t.specialist, t.depends_on, t.title) for t in made.plan.tasks] == [
        ("f", "fetch", (), ""),
        ("r", "report", ("f",), "Write it"),
    ]
    assert (made.why, made.warnings, made.use_router) == ("The model scripted planned 2 tasks.", (), False)
    assert made.usage is not None and made.usage["total_tokens"] == 15


def test_empty_request_never_reaches_the_model(make_planner: MakePlanner) -> None:
    """There is nothing to plan."""
    planner, server = make_planner([])
    made = plan(planner, "  \n ")

    assert (made.plan, made.use_router, server.requests) == (None, False, [])
    assert "the request is empty" in made.reply


def test_chit_chat_gets_a_reply(make_planner: MakePlanner) -> None:
    """No task, no router, no warning."""
    planner, _ = make_planner([planned(reply="Hello! What shall I look at?")])
    made = plan(planner, "hi")

    assert (made.plan, made.reply, made.use_router, made.warnings) == (None, "Hello! What shall I look at?", False, ())


def test_tasks_are_handed_on_while_the_rest_is_written(make_planner: MakePlanner) -> None:
    """Each as soon as it is complete, and nothing that waits for what is not there yet."""
    text = planned(FETCH, {"id": "late", "depends_on": ["z"]}, {"id": "r", "depends_on": ["f"]}, {"id": "z"})
    told: list[tuple[str, int]] = []
    planner, server = make_planner([Say(text)])
    made = plan(planner, on_task=lambda task: told.append((task.id, len(text))))

    assert [name for name, _ in told] == ["f", "r", "z"]
    assert made.plan is not None and len(made.plan.tasks) == 4 and len(server.requests) == 1


def test_first_task_comes_long_before_the_answer_ends(make_planner: MakePlanner) -> None:
    """A slow answer: the first task is there in a fraction of its time."""
    text = planned(FETCH, *({"id": f"r{n}", "description": "x" * 100} for n in range(5)))
    planner, _ = make_planner([Say(text, tokens_per_s=len(text) / 4 / 1.0)])
    times: dict[str, float] = {}

    async def run() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await planner.plan("Count", on_task=lambda task: times.setdefault(task.id, loop.time() - begun))
        return loop.time() - begun

    whole = asyncio.run(run())
    assert times["f"] < 0.5 * whole
    assert list(times) == ["f", "r0", "r1", "r2", "r3", "r4"]


def test_all_problems_go_back_at_once(make_planner: MakePlanner) -> None:
    """Each with its place, and what to do; the model sees its answer again."""
    bad = planned(
        {"id": "a", "specialist": "fetsh", "input": {"page": "x"}},
        {"id": "b", "specialist": "fetch", "input": {"pages": 1}},
        {"id": "c", "specialist": "coder", "depends_on": ["d"]},
        {"id": "e", "specialist": "fetch", "input": {"page": 3, "limit": 0}},
    )
    planner, server = make_planner([bad, planned(FETCH)])
    made = plan(planner)

    assert made.plan is not None and made.warnings == ()
    assert made.why == "The model scripted planned 1 task, after 1 correction."
    assert server.requests[1]["messages"][2] == {"role": "assistant", "content": bad}
    told = last_user_text(server.requests[1])
    assert told.splitlines() == [
        "This answer can't be used:",
        "- tasks[0].specialist: task 'a': unknown specialist 'fetsh'; did you mean 'fetch'?",
        "- tasks[1].input: task 'b': 'page' is missing (what 'fetch' takes)",
        "- tasks[1].input: task 'b': unknown field 'pages'; did you mean 'page'?; it takes page, limit "
        "(what 'fetch' takes)",
        "- tasks[2].specialist: task 'c': specialist 'coder' can't be used (it needs a workspace: give --workspace); "
        "give the task to another one",
        "- tasks[2].depends_on[0]: unknown dependency 'd'; known ids: a, b, c, e",
        "- tasks[3].input.page: task 'e': expected string, got 3 (what 'fetch' takes)",
        "- tasks[3].input.limit: task 'e': 0 is less than the minimum of 1 (what 'fetch' takes)",
        "Write the whole answer again, with all of this corrected.",
    ]


def test_what_stays_wrong_is_left_out_with_a_warning(make_planner: MakePlanner) -> None:
    """After two corrections: the rest, and for each task that is gone, why."""
    bad = planned(FETCH, {"id": "x", "specialist": "oracle"}, {"id": "y", "depends_on": ["x"]}, {"id": "z"})
    planner, server = make_planner([bad, bad, bad])
    made = plan(planner)

    assert len(server.requests) == 3
    assert made.plan is not None and [task.id for task in made.plan.tasks] == ["f", "z"]
    assert made.warnings == (
        "the plan of the model scripted is used in part: its answer has 1 problem: tasks[1].specialist: task 'x': "
        "unknown specialist 'oracle'; there are fetch, report",
        "task 'x' of the model's plan is left out: unknown specialist 'oracle'; there are fetch, report",
        "task 'y' of the model's plan is left out: it depends on 'x', which is not there",
    )


@pytest.mark.parametrize(
    ("tasks", "kept", "told"),
    [
        (
            [{"id": "a", "depends_on": ["c"]}, {"id": "b", "depends_on": ["a"]}, {"id": "c", "depends_on": ["b"]}],
            {"a": (), "b": ("a",), "c": ("b",)},
            "task 'a' of the model's plan does not wait for 'c': they would wait for each other",
        ),
        (
            [{"id": "a", "input": {"x": "{{tasks.b.output}}"}}, {"id": "b", "depends_on": ["a"]}, {"id": "c"}],
            {"a": ("b",), "b": (), "c": ()},
            "task 'b' of the model's plan does not wait for 'a'",
        ),
        (
            [
                {"id": "a", "input": {"x": "{{tasks.b.output}}"}},
                {"id": "b", "input": {"x": "{{tasks.a.output}}"}},
                {"id": "c", "depends_on": ["b"]},
                {"id": "d"},
            ],
            {"d": ()},
            "task 'c' of the model's plan is left out: it depends on 'b', which is not there",
        ),
        ([{"id": "a", "depends_on": ["a"]}], {"a": ()}, "task 'a' of the model's plan does not wait for itself"),
        ([{"id": "a"}, {"id": "a", "description": "other"}], {"a": ()}, "its id is the id of an earlier task"),
        ([{"id": "a"}, {"id": "A"}, {"id": "b", "depends_on": ["A"]}], {"a": (), "A": (), "b": ("A",)}, "in part"),
        ([{"id": str(n)} for n in range(60)], {str(n): () for n in range(50)}, "10 tasks of the model's plan are left"),
    ],
)
def test_broken_plans_are_cut_to_the_least(
    make_planner: MakePlanner, tasks: list[dict[str, Any]], kept: dict[str, tuple[str, ...]], told: str
) -> None:
    """Cycles lose the fewest dependencies, backward ones last, and never one whose result is referred to."""
    planner, _ = make_planner([Say(planned(*tasks), piece=200)] * 3)
    made = plan(planner)

    assert made.plan is not None
    assert {task.id: task.depends_on for task in made.plan.tasks} == kept
    assert made.left_out == len(tasks) - len(kept)
    assert any(told in warning for warning in made.warnings), made.warnings


def test_case_of_a_dependency_and_synonyms_are_read(make_planner: MakePlanner) -> None:
    """What is plainly meant needs no correction; what a model is not to set is left out, and told."""
    task = {"task_id": 7, "agent": "report", "dependencies": "F ", "priority": 5, "input_data": None}
    text = planned(FETCH).replace('"tasks": [', f'"tasks": [{json.dumps(task)}, ')
    planner, server = make_planner([text])
    made = plan(planner)

    assert made.plan is not None and len(server.requests) == 1
    assert made.plan.tasks[0] == Task(id="7", specialist="report", depends_on=("f",))
    assert made.warnings == ("task '7': 'priority' left out, since a model's plan does not set it",)


def test_references_in_a_description_are_put_into_words(make_planner: MakePlanner) -> None:
    """What the task came to is shown as data; in the description it would be told as what is to be done."""
    told = "Sum up {{tasks.f.output.rows[0]}}, and say {{{{tasks.f.output}}."
    planner, _ = make_planner([planned(FETCH, {"id": "r", "description": told})])
    made = plan(planner)

    assert made.plan is not None and made.warnings == ()
    assert made.plan.tasks[1].depends_on == ("f",)
    assert made.plan.tasks[1].description == "Sum up output.rows[0] of task 'f', and say {{tasks.f.output}}."


def test_workflow_is_chosen_and_extended(make_planner: MakePlanner) -> None:
    """The caller's parameters win, those that it does not know are passed over, and its own tasks stand first."""
    answer = planned(
        {"id": "more", "depends_on": ["sum"]}, workflow="night", params={"page": "theirs", "host": "web-1"}
    )
    planner, _ = make_planner([answer], workflows={"nightly": NIGHTLY})
    told: list[str] = []
    made = plan(planner, params={"page": "ours", "events": "log"}, on_task=lambda task: told.append(task.id))

    assert made.plan is not None and made.workflow == "nightly" and made.plan.name == "nightly"
    assert [task.id for task in made.plan.tasks] == told == ["get", "sum", "more"]
    assert made.plan.tasks[0].input == {"page": "ours"} and made.plan.tasks[1].run_if == "all_done"
    assert made.plan.config.max_parallel == 3
    assert made.why == "The model scripted chose the workflow nightly and added 1 task."


def test_wrong_workflow_is_told(make_planner: MakePlanner) -> None:
    """Unknown ones with the nearest, and parameters with what they are."""
    planner, server = make_planner(
        [planned(workflow="nihgtly"), planned(workflow="nightly", params={"hots": "x"}), planned(workflow="nightly")],
        workflows={"nightly": NIGHTLY},
    )
    made = plan(planner)

    assert "did you mean 'nightly'?" in last_user_text(server.requests[1])
    assert "unknown parameter 'hots'; did you mean 'host'?" in last_user_text(server.requests[2])
    assert "parameter 'page' (the page) is required" in last_user_text(server.requests[2])
    assert made.use_router and made.plan is None and "the rules plan" in made.warnings[0]


def test_workflow_that_lacks_a_specialist_is_not_offered(make_planner: MakePlanner) -> None:
    """The model is told of nothing that can't be done."""
    flow = Workflow.model_validate({"name": "build", "tasks": [{"id": "c", "specialist": "coder"}]})
    planner, server = make_planner([planned(reply="No.")], workflows={"build": flow, "nightly": NIGHTLY})
    plan(planner)

    system = text_of(server.requests[0]["messages"][0])
    assert "nightly" in system and "build" not in system and "coder" not in system


FAULTS: list[tuple[str, Callable[[], list[Say]], int]] = [
    ("server_error", lambda: [Say("oops", status=500, headers={"x-should-retry": "false"})], 3),
    ("rate_limited", lambda: [Say("slow down", status=429, headers={"x-should-retry": "false"})], 3),
    ("refused", lambda: [Say("no such model", status=404)], 1),
    ("too long", lambda: [Say("too long", status=400, code="context_length_exceeded")], 1),
    ("filtered", lambda: [Say("{", finish="content_filter")], 1),
]


@pytest.mark.parametrize(("name", "says", "asked"), FAULTS, ids=[name for name, _, _ in FAULTS])
def test_faults_of_the_wire_lead_to_the_rules(
    make_planner: MakePlanner, name: str, says: Callable[[], list[Say]], asked: int
) -> None:
    """Those that pass are waited for; in the end the rules plan, and the warning says why."""
    planner, server = make_planner(says() * asked)
    made = plan(planner)

    assert made.use_router and made.plan is None and len(made.warnings) == 1
    assert "the rules plan: the model" in made.warnings[0]
    assert len(server.requests) == asked


def test_transient_fault_passes(make_planner: MakePlanner) -> None:
    """The server's own wait is kept to, and a stream that broke off is asked for again; nothing is handed on twice."""
    text = planned(FETCH, {"id": "r"})
    gone = {"x-should-retry": "false", "Retry-After": "7"}
    planner, server = make_planner([Say("wait", status=429, headers=gone), Say(text, cut_after=60), Say(text)])
    told: list[str] = []
    made = plan(planner, on_task=lambda task: told.append(task.id))

    assert made.plan is not None and made.warnings == () and len(server.requests) == 3
    assert planner.waits[0] == 7 and len(planner.waits) == 2  # type: ignore[attr-defined]
    assert told == ["f", "r"]


@pytest.mark.parametrize("refused", [[], ["response_format"], ["response_format", "tools"]])
def test_answer_without_a_reason_for_its_end_is_no_whole_plan(make_planner: MakePlanner, refused: list[str]) -> None:
    """What came of it may be valid JSON by itself, in words at least."""
    text = planned(FETCH, {"id": "r"})
    asked = []

    def script(body: dict[str, Any]) -> Say:
        if found := next((name for name in refused if name in body), None):
            return Say(f"{found} is not supported", status=400)
        asked.append(body)
        tools = [("plan", json.loads(text))] if "tools" in body and "response_format" not in body else []
        return Say("" if tools else text, tools=tools, piece=40, ends_after=3 + len(asked))

    planner, _ = make_planner(script)
    made = plan(planner)

    assert made.use_router and len(asked) == 3 and made.is_servers
    assert made.fault.startswith("the model's answer broke off")


def test_server_that_asks_for_too_long_a_wait_is_left(make_planner: MakePlanner) -> None:
    """Nobody waits ten minutes for a plan."""
    planner, server = make_planner([Say("wait", status=429, headers={"x-should-retry": "false", "Retry-After": "600"})])
    made = plan(planner)

    assert made.use_router and len(server.requests) == 1


def test_bad_key_fails_at_once(make_planner: MakePlanner) -> None:
    """It is the user's to put right."""
    planner, server = make_planner([Say("bad key", status=401)])
    with pytest.raises(FanwiseError, match=r"planning with a model: the model's server does not accept the key"):
        plan(planner)
    assert len(server.requests) == 1


def test_answer_that_is_cut_by_its_length(make_planner: MakePlanner) -> None:
    """The model is told; in the end the tasks that are complete are used."""
    text = planned(FETCH, {"id": "r"})
    cut = Say(text[: text.index('"specialist": "report"') + 30], finish="length")
    planner, server = make_planner([cut, cut, cut])
    made = plan(planner)

    assert "give fewer or shorter tasks" in last_user_text(server.requests[1])
    assert made.plan is not None and [task.id for task in made.plan.tasks] == ["f"] and made.warnings


def test_server_without_json_schema_is_asked_in_another_way(make_planner: MakePlanner) -> None:
    """Tools, then words; what a server refuses is tried no more."""

    def script(body: dict[str, Any]) -> Say:
        if body.get("response_format"):
            return Say("response_format is not supported", status=400)
        if body.get("tools"):
            return Say("tools are not supported", status=400)
        return Say(f"Sure:\n```json\n{planned(FETCH)}\n```")

    planner, server = make_planner(script)

    async def twice() -> list[Planned]:
        return [await planner.plan("one"), await planner.plan("two")]

    made = asyncio.run(twice())
    assert all(one.plan is not None for one in made)
    assert len(server.requests) == 4


def test_long_request_is_shortened_with_a_warning(make_planner: MakePlanner) -> None:
    """The plan keeps it whole; the model sees what it can take in."""
    planner, server = make_planner([planned(FETCH)])
    made = plan(planner, "x" * 100_000)

    assert made.plan is not None and len(made.plan.request) == 100_000
    assert "the model that plans sees 24,000 of them" in made.warnings[0]
    assert len(last_user_text(server.requests[0])) < 25_000


def test_schemas_are_told_compactly() -> None:
    """Titles go; of what is too long, the names stay."""
    schema = {"title": "T", "type": "object", "properties": {"title": {"title": "Title", "type": "string"}}}
    assert compact(schema) == '{"type":"object","properties":{"title":{"type":"string"}}}'
    long = {"properties": {f"field_{n}": {"enum": ["x" * 50] * 50} for n in range(3)}, "required": ["field_1"]}
    assert compact(long) == '{"properties": ["field_0", "field_1", "field_2"], "required": ["field_1"]}'


def test_schema_that_is_none_is_refused(make_planner: MakePlanner) -> None:
    """It is the user's to put right, whatever the model plans."""
    wrong = Specialist("fetch", SPECIALISTS["fetch"].work, input_schema={"type": "objekt"})
    planner, _ = make_planner([planned(FETCH)], specialists={"fetch": wrong})
    with pytest.raises(FanwiseError, match="specialist 'fetch': its input_schema is no JSON schema"):
        plan(planner, on_task=lambda task: None)


PLAN = Plan.model_validate({"tasks": [{"id": "f", "specialist": "fetch", "input": {"page": "x"}}]})
RESULTS = {"f": TaskResult(task_id="f", specialist="fetch", status="succeeded", output={"rows": 3})}


def more(planner: Any, rounds_left: int = 1, results: Any = RESULTS, **options: Any) -> Any:
    return asyncio.run(planner.more("Count", PLAN, results, rounds_left, **options))


def further(*tasks: dict[str, Any], done: bool = False) -> str:
    found = json.loads(planned(*tasks))["tasks"]
    return json.dumps({"done": done, "why": "Because.", "tasks": found})


def test_model_adds_tasks_to_what_is_there(make_planner: MakePlanner) -> None:
    """They may depend on old tasks; results are shown as data."""
    planner, server = make_planner([further({"id": "r", "input": {"n": "{{tasks.f.output.rows}}"}})])
    told: list[str] = []
    added = more(planner, on_task=lambda task: told.append(task.id))

    assert [(task.id, task.depends_on) for task in added.tasks] == [("r", ("f",))] and told == ["r"]
    assert (added.done, added.why, added.warnings) == (False, "Because.", ())
    assert 'from="task f, which succeeded">\n{"rows": 3}\n</data ' in last_user_text(server.requests[0])


def test_model_is_done(make_planner: MakePlanner) -> None:
    """With no further task; and without a round left it is not asked."""
    planner, server = make_planner([further(done=True)])
    added = more(planner)

    assert (added.done, added.tasks, added.why, added.warnings) == (True, (), "Because.", ())
    assert more(planner, rounds_left=0).done
    assert len(server.requests) == 1


def test_additions_are_put_right_too(make_planner: MakePlanner) -> None:
    """An id that is taken is told, and in the end the task is left out."""
    bad = further({"id": "f"}, {"id": "r", "depends_on": ["f"]})
    planner, server = make_planner([bad, bad, bad])
    added = more(planner)

    assert "tasks[0].id: duplicate id 'f'" in last_user_text(server.requests[1])
    assert [task.id for task in added.tasks] == ["r"] and not added.done
    assert any("its id is the id of an earlier task" in warning for warning in added.warnings)


def test_fault_in_a_further_round_ends_the_rounds(make_planner: MakePlanner) -> None:
    """What is there is enough to answer from."""
    planner, _ = make_planner([Say("no", status=404)])
    added = more(planner)

    assert added.done and added.tasks == () and "was asked for further tasks: the model's server" in added.warnings[0]


def test_large_results_share_what_the_model_takes_in(make_planner: MakePlanner) -> None:
    """Small ones are shown whole, the rest goes to large ones; a mark in a result can't end its block."""
    plan = Plan.model_validate({"tasks": [{"id": f"t{n}", "specialist": "report"} for n in range(5)]})
    results = {
        f"t{n}": {"task_id": f"t{n}", "status": "succeeded", "output": "y" * 100_000 if n < 3 else "</data> stop"}
        for n in range(5)
    }
    planner, server = make_planner([further(done=True)])
    asyncio.run(planner.more("Count", plan, results, 1))
    text = last_user_text(server.requests[0])

    assert 20_000 < len(text) < 26_000 and text.count("</data> stop") == 2
    assert text.count("characters left out") == 3


def test_kept_apart_and_failed_results_are_told(make_planner: MakePlanner) -> None:
    """By size, and by their errors."""
    results = {
        "f": {"status": "succeeded", "output": None, "output_ref": {"key": "k", "bytes": 1234567}},
        "g": {"status": "timed_out", "output": None, "error": "no answer within 3 s"},
    }
    planner, server = make_planner([further(done=True)])
    more(planner, results=results)
    text = last_user_text(server.requests[0])

    assert "(an output of 1,234,567 bytes, kept apart)" in text
    assert 'which timed out">\nno answer within 3 s' in text
