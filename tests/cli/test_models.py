"""The command with a model: `--model`, `FANWISE_MODEL`, prices, budgets, a server that does not want the key."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from openai_server import OpenAIServer, Say

from .conftest import Shell

PLAN = {
    "workflow": None,
    "params": {},
    "tasks": [
        {
            "id": "rows",
            "specialist": "wait",
            "description": "count",
            "input": {"output": {"rows": 3}},
            "depends_on": [],
        },
        {
            "id": "told",
            "specialist": "wait",
            "description": "tell",
            "input": {"output": "There are {{tasks.rows.output.rows}} rows."},
            "depends_on": ["rows"],
        },
    ],
    "reply": "",
}


def model(body: dict[str, Any]) -> Say:
    """Answer as a planner and as a writer."""
    if "response_format" in body or "tools" in body:
        asked = json.dumps(body["messages"])
        return Say(json.dumps({**PLAN, "tasks": [], "reply": "Hello!"} if "just saying hello" in asked else PLAN))
    return Say("There are 3 rows [rows], and that was told [told].")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(model) as running:
        yield running


def test_a_request_is_planned_worked_at_and_answered(shell: Shell, server: OpenAIServer) -> None:
    done = shell("ask", "How many rows are there?", "--model", "openai:scripted", "--json", env=server.env)
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert report["results"]["told"]["output"] == "There are 3 rows."
    assert report["summary"]["text"].startswith("There are 3 rows [rows]")
    assert report["summary"]["citations"] == ["rows", "told"]
    used = report["metrics"]["usage_by"]
    assert set(used) == {"planner", "synthesizer"}
    total = sum(one["total_tokens"] for one in used.values())
    assert report["metrics"]["usage"]["total_tokens"] == total
    counted = shell.json("stats")
    assert counted["usage"]["total_tokens"] == total and set(counted["own_usage"]) == set(used)
    assert "  planner   input_tokens" in shell("stats").stdout


def test_a_plan_file_needs_a_model_for_its_summary_only(shell: Shell, server: OpenAIServer) -> None:
    plan = shell.plan([{"id": "rows"}, {"id": "told"}])
    done = shell("run", plan, env={**server.env, "FANWISE_MODEL": "summary=scripted"})
    assert done.returncode == 0
    assert "There are 3 rows [rows], and that was told [told]." in done.stdout
    assert len(server.requests) == 1


def test_chit_chat_gets_a_reply_and_no_tasks(shell: Shell, server: OpenAIServer) -> None:
    report = shell.json("ask", "I am just saying hello", "--model", "scripted", env=server.env)
    assert (report["status"], report["results"], report["summary"]["text"]) == ("succeeded", {}, "Hello!")
    assert report["summary"]["by_model"] == "scripted"
    shown = shell("show", report["thread_id"]).stdout
    assert "succeeded: there was nothing to be done" in shown and "0 of 0" not in shown


def test_prices_and_budgets_count(shell: Shell, server: OpenAIServer) -> None:
    refused = shell("ask", "How many rows are there?", "--model", "scripted", "--max-cost", "5", env=server.env)
    assert refused.returncode == 2 and not server.requests
    assert "error: --max-cost needs --prices FILE" in refused.stderr
    shell.write("prices.yaml", "currency: USD\nmodels: {scripted: {input: 1000000, output: 1000000}}")
    options = ("--model", "scripted", "--prices", "prices.yaml", "--max-cost", "5")
    done = shell("ask", "How many rows are there?", *options, "--json", env=server.env)
    report = json.loads(done.stdout)
    usage = report["metrics"]["usage"]
    assert usage["cost"] == usage["total_tokens"] > 5
    assert {result["status"] for result in report["results"].values()} == {"skipped"}
    assert "the run's budget is used up" in report["results"]["rows"]["error"]
    shown = shell("show", report["thread_id"])
    assert f"{usage['total_tokens']:,} tokens, {usage['cost']:,.4f} USD" in shown.stdout
    assert "5.0000 USD" in shown.stdout
    assert done.returncode == 1
    assert len(server.requests) == 1, "the summary is written without the model"


def test_a_plan_that_fails_is_told_in_words_for_a_person(shell: Shell) -> None:
    """Not what the model was told; of a server's fault nothing but that."""
    with OpenAIServer([Say("Sure, I will do that.")], repeat_last=True) as server:
        done = shell("ask", "How many rows?", "--model", "scripted", env=server.env)
    assert done.returncode == 2
    assert "error: planning failed: 2 problems" in done.stderr
    assert "the model's answer can't be used, also after it was asked to correct it: its answer has 1" in done.stderr
    assert "write one JSON object" not in done.stderr
    done = shell("ask", "How many rows?", "--model", "scripted", env=server.env)
    assert done.returncode == 2
    assert done.stderr.startswith("error: planning failed: the model's server can't be reached")
    assert "JSON" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("role", ["planner", "summary"])
def test_a_key_that_is_not_accepted_is_said_in_one_line(shell: Shell, role: str) -> None:
    with OpenAIServer([Say("Incorrect API key provided: test-key", status=401)], repeat_last=True) as server:
        plan = shell.plan([{"id": "a"}])
        what = ("ask", "How many rows?") if role == "planner" else ("run", plan)
        done = shell(*what, "--model", f"{role}=scripted", env=server.env)
    assert done.returncode == (0 if role == "summary" else 2), done.stderr
    assert "does not accept the key; check OPENAI_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_key_a_model_is_refused_before_anything_runs(shell: Shell) -> None:
    shell.env.pop("OPENAI_API_KEY", None)
    done = shell("ask", "How many rows?", "--model", "gpt-4.1-mini")
    assert done.returncode == 2
    assert "error: model 'gpt-4.1-mini': it has no key: set OPENAI_API_KEY" in done.stderr


def test_without_a_model_a_line_says_what_one_would_add(shell: Shell) -> None:
    shell("sample", "log")
    done = shell("ask", "--workflow", "health_check", "--events", "log")
    assert done.returncode == 0
    assert (
        "note: without a model, rules do the work; --model NAME (or FANWISE_MODEL) would write the summary"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--model", "boss=x"), "'boss=x' is not NAME or ROLE=NAME; roles are planner, specialists, summary, default"),
        (("--model", "x", "--model", "y"), "--model: there are two for 'default'; give one"),
        (("--model", "x", "--prices", "none.yaml"), "'none.yaml' does not exist"),
        (("--max-cost", "nan"), "'nan' is not a positive, finite amount"),
    ],
)
def test_options_that_make_no_sense_are_bad_usage(shell: Shell, options: tuple[str, ...], says: str) -> None:
    done = shell("ask", "x", *options, env={"OPENAI_API_KEY": "k"})
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


NOTE = {"id": "look", "specialist": "researcher", "input": {"question": "How many libraries are there?"}}


def test_a_run_is_not_gone_on_with_where_its_specialists_lack_something(shell: Shell, server: OpenAIServer) -> None:
    """Nothing of it changes; what to give is said, and `show` prints the whole command."""
    (shell.folder / "notes").mkdir()
    tasks = [{"id": "first"}, {**NOTE, "depends_on": ["first"], "review": "before"}]
    plan = shell.plan(tasks)
    options = ("--model", "specialists=scripted", "--workspace", "notes")
    done = shell("run", plan, "--thread", "t", *options, env=server.env)
    assert done.returncode == 3, done.stderr
    shown = shell("show", "t")
    told = " ".join(shown.stdout.split())
    assert "fanwise review --model specialists=scripted --workspace notes t" in told
    before = shell.json("show", "t")

    for command in (("resume", "t", "--approve-all"), ("resume", "t")):
        refused = shell(*command)
        assert refused.returncode == 2, refused.stderr
        said = " ".join(refused.stderr.split())
        assert "error: the run 't' can't go on with what is given here, and stays as it is: " in said
        assert "specialist 'researcher' can't be used: it needs a model: give --model" in said and "(for look)" in said
        assert "; it was started with --model specialists=scripted --workspace notes" in said
    assert shell.json("show", "t") == before
    went_on = shell("resume", "t", "--approve-all", *options, env=server.env)
    assert went_on.returncode in (0, 1) and "look" in shell("show", "t").stdout
    retried = shell("retry", "t", "--task", "look")
    assert retried.returncode == 2 and "can't go on with what is given here" in " ".join(retried.stderr.split())
    assert shell.json("show", "t")["results"]["look"]["status"] in ("succeeded", "failed")


def test_models_of_the_command_line_win_role_by_role(shell: Shell, server: OpenAIServer) -> None:
    """`--model summary=X` leaves the rest of FANWISE_MODEL as it is."""
    env = {**server.env, "FANWISE_MODEL": "planner=one summary=two"}
    report = shell.json("ask", "How many rows are there?", "--model", "summary=three", env=env)
    assert {body["model"] for body in server.requests} == {"one", "three"}
    assert report["summary"]["by_model"] == "three"
    server.requests.clear()
    report = shell.json("ask", "How many rows are there?", "--model", "four", env=env)
    assert {body["model"] for body in server.requests} == {"four"}, "it is for all roles"


def test_a_run_that_is_stopped_at_once_while_it_is_planned_can_be_gone_on_with(shell: Shell) -> None:
    """There is no plan yet, so that there is nothing to report; that is no error."""
    asked = threading.Event()

    def slow(body: dict[str, Any]) -> Say:
        asked.set()
        return Say(json.dumps(PLAN), wait_s=30)

    with OpenAIServer(slow) as server:
        shell.env.update(server.env)
        process = shell.start("ask", "How many rows?", "--model", "planner=scripted", "--thread", "t")
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the run 't' was stopped before it had a plan; to go on: fanwise resume --model planner=scripted t" in err
    assert "error" not in err
    with OpenAIServer(model) as server:
        done = shell("resume", "t", "--model", "planner=scripted", env=server.env)
    assert done.returncode == 0, done.stderr


def test_what_is_wrong_with_names_is_said_whole(shell: Shell) -> None:
    """A provider that nobody knows, and a log that is not there."""
    done = shell("ask", "x", "--model", "foo:claude")
    assert done.returncode == 2
    assert "error: model 'foo:claude': unknown provider 'foo'; known: openai, anthropic, " in done.stderr
    assert "; for a name with a colon in it, of an OpenAI-compatible server: openai:NAME\n" in done.stderr
    with OpenAIServer(model) as server:
        gone = shell("ask", "x", "--model", "scripted", "--events", "/nope/x", env=server.env)
        assert gone.returncode == 2 and not server.requests
        without = shell("ask", "x", "--events", "/nope/x")
    assert gone.stderr == without.stderr.split("\n", 1)[1] if "note:" in without.stderr else without.stderr
    assert "/nope/x" in gone.stderr
    assert "; or let a model answer, which needs none: --model NAME" in shell("ask", "x").stderr


def test_a_plan_that_is_used_in_part_says_so_beside_its_counts(shell: Shell) -> None:
    """How the run ended is told by what was run of it."""
    tasks = [PLAN["tasks"][0], {**PLAN["tasks"][1], "id": "odd", "specialist": "nobody"}]  # type: ignore[index]

    def partly(body: dict[str, Any]) -> Say:
        return Say(json.dumps({**PLAN, "tasks": tasks})) if "response_format" in body else Say("3 rows [rows].")

    with OpenAIServer(partly) as server:
        done = shell("ask", "How many rows?", "--model", "scripted", "--thread", "t", env=server.env)
    assert done.returncode == 0
    assert "succeeded: 1 of 1 task succeeded, 1 planned task left out of the plan" in done.stderr
    assert shell.json("show", "t")["left_out"] == 1


def test_a_run_of_a_plan_is_given_its_log(shell: Shell) -> None:
    """It is the analyst's, and every check's that names none of its own; one that is not there is refused."""
    shell("sample", "log")
    shell.write("see.py", SEE)
    plan = shell.plan([{"id": "see", "specialist": "see"}])
    report = shell.json("run", plan, "--specialists", "see.py", "--events", "log")
    assert report["results"]["see"]["output"] == str(shell.folder / "log")
    gone = shell("run", plan, "--specialists", "see.py", "--events", "nope")
    assert gone.returncode == 2 and "nope" in gone.stderr


MEANT = [
    {"id": "keep", "specialist": "memory", "input": {"action": "save", "text": "Ada has a red automobile"}},
    {"id": "tell", "specialist": "memory", "input": {"query": "vehicle"}, "depends_on": ["keep"], "review": "before"},
]


def test_memories_are_found_by_meaning_in_the_runs_own_database(shell: Shell, server: OpenAIServer) -> None:
    """The option is kept with the run, and told where it goes on; the environment says it as well."""
    name = "openai:text-embedding-3-small"
    assert shell("run", shell.plan(MEANT), "--thread", "t", "--embeddings", name, env=server.env).returncode == 3
    assert f"fanwise review --embeddings {name} t" in " ".join(shell("show", "t").stdout.split())
    words = shell.json("resume", "t", "--approve-all", env={**server.env, "FANWISE_EMBEDDINGS": name})
    (memory,) = words["results"]["tell"]["output"]["memories"]
    assert (memory["text"], memory["by"]) == ("Ada has a red automobile", "meaning")
    assert words["metrics"]["usage"]["by_model"]["text-embedding-3-small"]["input_tokens"] == 6
    assert [body["input"] for body in server.embedded] == [["Ada has a red automobile"], ["vehicle"]]
    refused = shell("run", shell.plan(MEANT), "--embeddings", "foo:e", env=server.env)
    assert refused.returncode == 2, refused.stdout
    assert "error: embedding model 'foo:e': Provider 'foo' is not supported" in refused.stderr


SEE = """
from fanwise.graph import specialist

@specialist("see")
def see(task, runtime):
    return runtime.context.events
"""
