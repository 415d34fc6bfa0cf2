"""Questions in a terminal: `fanwise review`, `run -i`; and one process at a time for a run."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from .conftest import Inside, Shell, Terminal

OWN = (
    "import asyncio\nfrom fanwise.graph import specialist\nfrom langgraph.types import interrupt\n"
    "@specialist('ask')\ndef ask(task):\n    return interrupt({'question': 'which host?'})\n"
    "@specialist('write')\ndef write(task, comment=''):\n    return {'text': comment or 'first'}\n"
)
MINE = ("--specialists", "mine.py")


def _paused(shell: Inside) -> None:
    shell.write("mine.py", OWN)
    plan = shell.plan(
        [
            {"id": "deploy", "review": "before", "input": {"output": {"host": "web-01"}}},
            {"id": "letter", "specialist": "write", "review": "after"},
            {"id": "who", "specialist": "ask"},
            {"id": "end", "depends_on": ["deploy", "letter", "who"]},
        ]
    )
    assert shell("run", plan, "--thread", "t", *MINE).returncode == 3


def _editor(shell: Shell, *scripts: str) -> dict[str, str]:
    """Return an environment whose editor does one of these things each time it is called, one after another."""
    lines = [f"  {n}) {script};;" for n, script in enumerate(scripts, 1)]
    count = 'n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; cp "$1" seen.$n'
    (shell.folder / "edit.sh").write_text("\n".join(["#!/bin/sh", count, "case $n in", *lines, "esac"]))
    (shell.folder / "edit.sh").chmod(0o755)
    return {"VISUAL": str(shell.folder / "edit.sh")}


@pytest.mark.parametrize("columns", [40, 100])
def test_a_review_asks_one_question_after_another(inside: Inside, columns: int) -> None:
    """Edited, commented on and answered; then the run goes on, and a new question is asked in turn."""
    _paused(inside)
    env = {"NO_COLOR": "1", **_editor(inside, "sed -i s/web-01/web-02/ $1")}
    terminal = Terminal(inside, "review", "t", *MINE, env=env, columns=columns)
    assert "host: web-01" in terminal.answer("> ", "e")
    shown = terminal.answer("> ", "c")
    assert "+ host: web-02" in shown and "first" in shown
    terminal.answer("comment: ", "second")
    assert "which host?" in terminal.answer("> ", "x")
    assert "none of these" in terminal.answer("> ", "a")
    terminal.answer("answer (text, or JSON): ", "web 03")
    assert "second" in terminal.answer("> ", "v")
    terminal.answer("> ", "a")
    code, out = terminal.end()
    assert code == 0 and out.startswith("4 of 4 tasks succeeded"), terminal.said
    assert "\x1b" not in terminal.said
    results = inside.json("show", "t")["results"]
    assert [results[task]["output"] for task in ("deploy", "letter")] == [{"host": "web-02"}, {"text": "second"}]
    assert results["who"]["output"] == "web 03"
    asked = terminal.said.partition("text, or JSON")[0]
    assert all(len(line) <= columns for line in asked.splitlines())


def test_a_bad_edit_of_a_plan_is_shown_and_edited_again(inside: Inside) -> None:
    """The text is kept, with its problems above; the run goes on with the plan as it was changed."""
    plan = inside.plan([{"id": "a"}, {"id": "b", "depends_on": ["a"]}])
    inside("run", plan, "--thread", "t", "--review-plan")
    env = _editor(
        inside, "sed -i 's/- a$/- x/' $1", "echo '- : [' >> $1", "sed -i 's/- x$/- a/; s/id: b/id: c/; /- : /d' $1"
    )
    terminal = Terminal(inside, "review", "t", env=env)
    terminal.answer("> ", "e")
    assert "depends_on" in terminal.answer("[d] drop the edit: ", "e")
    terminal.answer("[d] drop the edit: ", "e")
    assert terminal.end()[0] == 0, terminal.said
    assert list(inside.json("show", "t")["results"]) == ["a", "c"]
    seen = (inside.folder / "seen.2").read_text()
    assert "#: ! " in seen and "- x" in seen


def test_what_is_left_for_later_stays_open(inside: Inside) -> None:
    """Later and quit leave questions open (3); an interrupt drops the answers before it, says so, and sends nothing."""
    _paused(inside)
    terminal = Terminal(inside, "review", "t", *MINE)
    terminal.answer("> ", "a")
    terminal.until("question 2 of 3")
    terminal.until("> ")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end()[0] == 130
    assert "1 answer given before it was dropped" in terminal.said
    assert len(inside.json("show", "t")["interrupts"]) == 3
    terminal = Terminal(inside, "review", "t", *MINE)
    terminal.answer("> ", "l")
    terminal.answer("> ", "r")
    terminal.answer("reason (Enter for none): ", "not good")
    terminal.answer("> ", "q")
    code, out = terminal.end()
    assert code == 3 and "task who, its own question" in out
    report = inside.json("show", "t")
    assert report["results"]["letter"]["error"].endswith("not good")
    assert [question["task_id"] for question in report["interrupts"]] == ["deploy", "who"]


def test_questions_are_asked_at_once_while_other_tasks_go_on(inside: Inside) -> None:
    """With -i the live display gives way to a question; what is left for later pauses the run in the end."""
    inside.write("mine.py", OWN)
    tasks = [
        {"id": "deploy", "review": "before", "input": {"output": 1}},
        {"id": "other", "review": "before"},
        {"id": "who", "specialist": "ask"},
        {"id": "slow", "input": {"seconds": 0.5}},
    ]
    terminal = Terminal(inside, "run", inside.plan(tasks), "-i", "--thread", "t", *MINE, columns=60)
    for _ in range(2):
        asked = terminal.until("> ")
        assert "other tasks go on" in asked
        terminal.type("a" if "task deploy" in asked else "l")
    assert "which host?" in terminal.answer("> ", "a")
    terminal.answer("answer (text, or JSON): ", "[3]")
    code, _ = terminal.end()
    assert code == 3, terminal.said
    results = inside.json("show", "t")["results"]
    assert [result["status"] for result in results.values()] == ["succeeded", "paused", "succeeded", "succeeded"]
    assert results["who"]["output"] == [3]


def test_a_signal_gives_a_question_up(inside: Inside) -> None:
    """The run drains, and asks again when it is resumed."""
    plan = inside.plan([{"id": "deploy", "review": "before"}, {"id": "slow", "input": {"seconds": 0.3}}])
    terminal = Terminal(inside, "run", plan, "-i", "--thread", "t")
    terminal.until("> ")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end()[0] == 130
    assert "stopping: " in terminal.said and "Traceback" not in terminal.said
    assert "task deploy, before it runs" in inside("resume", "t").stdout


def test_a_question_whose_time_is_over_is_settled_with_its_default(inside: Inside) -> None:
    """With -i at once; else when the run is gone on with, and the list of questions says so."""
    limits = {"review": "before", "review_timeout_s": 0.3, "review_default": "approve"}
    plan = inside.plan([{"id": "a", **limits}])
    terminal = Terminal(inside, "run", plan, "-i", "--thread", "t")
    assert terminal.end()[0] == 0 and "nobody answered by" in terminal.said
    assert "then: approve" in inside("run", plan, "--thread", "u").stdout
    time.sleep(0.3)
    assert "time is over since" in inside("show", "u").stdout
    assert inside("resume", "u").returncode == 0


def test_without_a_terminal_the_command_for_scripts_is_named(inside: Inside) -> None:
    """`review` and -i are bad usage there."""
    plan = inside.plan([{"id": "a", "review": "before"}])
    assert inside("run", plan, "-i").returncode == 2
    inside("run", plan, "--thread", "t")
    done = inside("review", "t")
    assert done.returncode == 2 and "fanwise resume t --answer ID=JSON" in done.stderr


def test_a_run_belongs_to_one_process(inside: Inside) -> None:
    """A second one is refused (2) while the first works, and `show` and `runs` tell that it runs."""
    plan = inside.plan(
        [{"id": "a", "input": {"seconds": 0.1}}, {"id": "b", "depends_on": ["a"], "input": {"hang": True}}]
    )
    process = inside.start("run", plan, "--thread", "t", "-v")
    assert process.stderr is not None
    for line in process.stderr:
        if "b started" in line:
            break
    for command in (("resume", "t"), ("retry", "t"), ("edit", "t", "--task", "a", "--output", "1")):
        refused = inside(*command)
        assert refused.returncode == 2 and f"worked on already, by process {process.pid}" in refused.stderr
    assert inside.json("show", "t")["status"] == "running" and inside.json("runs")[0]["status"] == "running"
    process.kill()
    process.communicate(timeout=30)
    assert inside.json("show", "t")["status"] == "interrupted"


def test_of_two_who_go_on_with_a_run_one_is_refused(shell: Shell) -> None:
    """Started at the same moment, one works and the other is told so."""
    shell("run", shell.plan([{"id": "a", "review": "before", "input": {"seconds": 1}}]), "--thread", "t")
    both = [shell.start("resume", "t", "--answer", "a=approve") for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], said
    assert shell.json("show", "t")["results"]["a"]["attempts"] == 1


def test_the_grace_period_ends_what_does_not_end(shell: Shell) -> None:
    """After it running work is stopped as with the second signal; what was done is kept."""
    plan = shell.plan([{"id": "a"}, {"id": "b", "input": {"hang": True}}])
    process = shell.start("run", plan, "--thread", "t", "-v", "--grace", "0.5", "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if "a succeeded" in line:
            break
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and 0.5 <= time.monotonic() - started < 10
    assert "what runs has 0.5 s" in err and "the 0.5 s are over" in err
    assert [result["status"] for result in json.loads(out)["results"].values()] == ["succeeded", "pending"]
