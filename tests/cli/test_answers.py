"""What a run asks, and answers on the command line: `resume --answer`, `--approve-all`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click import UsageError

from fanwise.cli.answers import given_answer, matched
from fanwise.runs.questions import Asked, all_asked
from fanwise.runs.value_text import editable, from_text, same
from fanwise.schema.results import PendingInterrupt

from .conftest import Inside, Shell

ASKS = (
    "from fanwise.graph import specialist\nfrom langgraph.types import interrupt\n"
    "@specialist('ask')\ndef ask(task):\n    return interrupt({'question': 'which host?'})\n"
)


def _paused(shell: Shell, *options: str) -> str:
    shell.write("mine.py", ASKS)
    plan = shell.plan(
        [
            {"id": "deploy", "review": "before", "input": {"output": {"host": "web-01"}}},
            {"id": "letter", "review": "after", "input": {"output": "dear \x1b[31mreader"}},
            {"id": "who", "specialist": "ask"},
            {"id": "free"},
        ]
    )
    done = shell("run", plan, "--thread", "t", "--specialists", "mine.py", *options)
    assert done.returncode == 3, done.stderr
    return str(done.stdout + done.stderr)


RESUME = ("resume", "t", "--specialists", "mine.py")


def test_a_paused_run_prints_what_it_asks_and_how_to_answer(inside: Inside) -> None:
    """Each question with its id, its task, what it is about and what may be decided; the same in `show`."""
    text = _paused(inside)
    for part in (
        "task deploy, before it runs",
        "host: web-01",
        "decide: approve, edit, respond (skip), reject",
        "task letter, its output",
        "dear reader",
        "which host?",
        "fanwise review --specialists mine.py t",
        "fanwise resume --specialists mine.py t --answer ",
    ):
        assert part in text
    assert "\x1b" not in text
    shown = inside("show", "t").stdout
    assert "task deploy, before it runs" in shown and "fanwise review --specialists mine.py t" in shown


def test_answers_go_by_id_by_task_and_from_a_file(inside: Inside) -> None:
    """Words, JSON, plain text for a specialist's own question, and edits; what is left stays open."""
    _paused(inside)
    ids = {question["task_id"]: question["id"] for question in inside.json("show", "t")["interrupts"]}
    edit = {"type": "edit", "edited_action": {"name": "wait", "args": {"output": {"host": "web-02"}}}}
    inside.write("edit.json", json.dumps({"decisions": [edit]}))
    first = inside(*RESUME, "--answer", f"{ids['deploy'][:5]}=@edit.json", "--answer", "who=web 03", "--json")
    report = json.loads(first.stdout)
    assert (first.returncode, [question["task_id"] for question in report["interrupts"]]) == (3, ["letter"])
    assert (
        report["results"]["deploy"]["output"] == {"host": "web-02"} and report["results"]["who"]["output"] == "web 03"
    )
    last = inside(*RESUME, "--answer", "letter=reject", "--json")
    assert last.returncode == 1 and json.loads(last.stdout)["results"]["letter"]["status"] == "failed"
    over = inside(*RESUME, "--answer", "letter=approve")
    assert over.returncode == 2 and "nothing to answer" in over.stderr


def test_wrong_answers_change_nothing(inside: Inside) -> None:
    """The code is 2, the message says what is open or what would do, and every question stays open."""
    _paused(inside)
    for given, said in (
        ("nobody=approve", "no open question; open: "),
        ("deploy=maybe", "'maybe' is none of the decisions: approve, edit, respond (or skip), reject"),
        ("deploy=two words", "neither JSON nor a decision"),
        ('deploy={"type": "edit"}', "an edit needs 'edited_action'"),
        ("deploy=@nothing.json", "'nothing.json' can't be read"),
        ("deploy", "is not ID=JSON"),
    ):
        done = inside(*RESUME, "--answer", "letter=approve", "--answer", given)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    twice = inside(*RESUME, "--answer", "deploy=approve", "--answer", "deploy=skip")
    assert twice.returncode == 2 and "answered twice" in twice.stderr
    assert len(inside.json("show", "t")["interrupts"]) == 3


def test_approve_all_leaves_what_can_not_be_approved(inside: Inside) -> None:
    """Reviews are approved; a specialist's own question is listed and stays open."""
    _paused(inside)
    done = inside(*RESUME, "--approve-all")
    assert done.returncode == 3 and "task who, its own question" in done.stdout and "deploy" not in done.stdout
    assert inside(*RESUME, "--approve-all", "--answer", "who=x").returncode == 0


def test_a_plan_is_reviewed_before_anything_runs(inside: Inside) -> None:
    """--review-plan asks; a bad edit is refused at once with its problems; a rejection ends the run."""
    plan = inside.plan([{"id": "a"}])
    asked = inside("run", plan, "--thread", "t", "--review-plan")
    assert asked.returncode == 3 and "the plan, before anything runs" in asked.stdout
    assert "1 task in 1 phase" in asked.stdout
    bad = {"type": "edit", "edited_action": {"name": "plan", "args": {"plan": {"tasks": [{"id": "a"}, {"id": "a"}]}}}}
    refused = inside("resume", "t", "--answer", f"plan={json.dumps(bad)}")
    assert refused.returncode == 2 and "tasks[1].id" in refused.stderr
    done = inside("resume", "t", "--answer", 'plan={"type": "reject", "message": "not today"}')
    assert done.returncode == 1 and "not today" in done.stdout


def test_plan_is_the_plan_s_question_and_else_no_task_s(inside: Inside) -> None:
    """A task of this name is answered by its question's id where the plan asks nothing."""
    inside("run", inside.plan([{"id": "plan", "review": "before"}]), "--thread", "t", "--review-plan")
    asked = inside("resume", "t", "--answer", "plan=approve")
    assert asked.returncode == 3 and "task plan, before it runs" in asked.stdout
    (question,) = inside.json("show", "t")["interrupts"]
    refused = inside("resume", "t", "--answer", "plan=approve")
    assert refused.returncode == 2 and f"its question's id, {question['id'][:6]}" in refused.stderr
    assert inside("resume", "t", "--answer", f"{question['id'][:6]}=approve").returncode == 0


def test_what_a_person_changed_is_shown(inside: Inside) -> None:
    """A paused task names its question, a finished one its reviews with what was replaced."""
    plan = inside.plan([{"id": "a", "review": "both", "input": {"output": 1}}])
    inside("run", plan, "--thread", "t")
    (question,) = inside.json("show", "t")["interrupts"]
    command = f"fanwise show t --question {question['id'][:6]}"
    assert f"for a person: `{command}` shows the question" in inside("show", "t", "--task", "a").stdout
    for args in ({"output": 2}, {"output": 3}):
        edit = {"type": "edit", "edited_action": {"name": "wait", "args": args}}
        inside("resume", "t", "--answer", f"a={json.dumps(edit)}")
    text = inside("show", "t", "--task", "a").stdout
    assert 'with the input {"output": 2}' in text and "the output was 2" in text and text.endswith("output\n3\n")
    assert re.search(r"reviewed +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ after: edit\n", text)


def test_a_paused_run_that_is_not_kept_says_so(inside: Inside) -> None:
    """With `memory` nobody can answer it later."""
    done = inside("run", inside.plan([{"id": "a", "review": "before"}]), "--db", "memory")
    assert done.returncode == 3 and "so it can't be answered any more" in done.stderr


def test_one_question_is_shown_whole(inside: Inside) -> None:
    """A long value is cut in the list, with the command that shows all of it."""
    plan = inside.plan([{"id": "a", "review": "before", "input": {"lines": [f"line {n}" for n in range(100)]}}])
    listed = inside("run", plan, "--thread", "t").stdout
    assert "line 5" in listed and "line 99" not in listed and "fanwise show t --question " in listed
    assert "line 99" in inside("show", "t", "--question", "a").stdout


def test_a_question_can_be_answered_from_standard_input(shell: Shell) -> None:
    """`@-` reads it there; two processes can't work on one run."""
    plan = shell.plan([{"id": "a", "review": "before"}])
    shell("run", plan, "--thread", "t")
    done = shell("resume", "t", "--answer", "a=@-", stdin='{"type": "respond", "message": "no need"}', env={})
    assert "no need" in done.stdout


TOOLS = {
    "action_requests": [{"name": "rm", "args": {"path": "/"}}, {"name": "ls", "args": {}}],
    "review_configs": [
        {"action_name": "rm", "allowed_decisions": ["reject"]},
        {"action_name": "ls", "allowed_decisions": ["approve", "edit", "respond"]},
    ],
}
CALL = {"type": "tool_approval", "tool_call_id": "1", "name": "ls", "args": {}, "description": "list"}


def _asked(*values: Any) -> list[Asked]:
    return all_asked([PendingInterrupt(id=f"abcdef{n}", task_id=f"t{n}", value=v) for n, v in enumerate(values)])


def test_tool_calls_of_an_agent_take_one_decision_each() -> None:
    """Held against what each tool allows; a call that is asked alone takes its decision bare."""
    questions = _asked(TOOLS, CALL, "just text")
    assert [asked.kind for asked in questions] == ["tools", "call", "own"]
    assert [asked.short for asked in questions] == ["abcdef0", "abcdef1", "abcdef2"]
    assert [asked.approval() for asked in questions] == [None, {"type": "approve"}, None]
    both = '[{"type": "reject", "message": "never"}, "approve"]'
    given = [given_answer(text) for text in (f"t0={both}", "t1=accept", "t2=[1]")]
    assert matched(given, questions, ()) == {
        "abcdef0": {"decisions": [{"type": "reject", "message": "never"}, {"type": "approve"}]},
        "abcdef1": {"type": "approve"},
        "abcdef2": [1],
    }
    for text in ("t0=approve", "t0=[]", 't1={"type": "respond"}', "t1=maybe", "abcdef=approve"):
        with pytest.raises(UsageError):
            matched([given_answer(text)], questions, ())


@pytest.mark.parametrize(
    "value",
    [
        {"a": ["1e3", "yes", "0x1F", "12:30", "", " x ", "null", "~"], "b": [1, 1.5, True, None, -0.0, 1e300]},
        {"text": "one\ntwo \n\nthree", "tabs": "a\tb\n", "marks": "# no: comment\n#: ! ours\n- x"},
        {"control": "\x1b[31m\x00", "wide": "日本語 \u202e \U0001f600", "": {"": []}},
        {"tasks": [{"id": "a", "input": {}}, {"id": "b", "depends_on": ["a"]}]},
    ],
)
def test_what_is_edited_reads_back_as_the_same(value: Any) -> None:
    """Whatever text looks like a number, a boolean or a comment stays text."""
    text, extension = editable(value)
    assert same(from_text(text, extension), value) and not same(1, True)
