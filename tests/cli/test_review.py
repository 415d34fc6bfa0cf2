"""Questions in a terminal: `fanwise review`, `run -i`; and one process at a time for a run."""

from __future__ import annotations

import json
import os
import re
import signal
import termios
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
    assert "changed: task deploy" in shown and "+ host: web-02" in shown and "first" in shown
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
    """Later and quit leave questions open (3), also where the specialist is asked last."""
    _paused(inside)
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_answer_is_kept_the_moment_it_is_given(inside: Inside, number: signal.Signals) -> None:
    """Whatever ends the review then: it is told, not asked again, and used when the run goes on."""
    _paused(inside)
    terminal = Terminal(inside, "review", "t", *MINE)
    terminal.answer("> ", "a")
    terminal.until("question 2 of 3")
    terminal.until("> ")
    os.killpg(terminal.process.pid, number)
    code, _ = terminal.end()
    if number != signal.SIGKILL:
        assert code == 130 and "1 answer is kept; `fanwise resume --specialists mine.py t` goes on" in terminal.said
        assert "Traceback" not in terminal.said
    report = inside.json("show", "t")
    assert [question["task_id"] for question in report["interrupts"]] == ["letter", "who"]
    assert "task deploy is answered; the answer is used when the run goes on" in inside("show", "t").stdout
    assert "its question is answered" in inside("show", "t", "--task", "deploy").stdout
    again = inside("resume", "t", *MINE, "--answer", "deploy=reject")
    assert again.returncode == 2 and "deploy is answered already, the answer is kept; `fanwise resume" in again.stderr
    done = inside("resume", "t", *MINE, "--answer", "letter=approve", "--answer", "who=x", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["results"]["deploy"]["reviews"][0]["decision"] == "approve"


def test_an_answer_that_does_not_fit_is_asked_for_again(inside: Inside) -> None:
    """A specialist's schema refuses it when the run goes on; it is not kept, in `review` and in `resume`."""
    code = OWN.replace("interrupt({'question': 'which host?'})", "interrupt('how many?', response_schema=int)")
    inside.write("mine.py", code)
    inside("run", inside.plan([{"id": "a", "specialist": "ask"}]), "--thread", "t", *MINE)
    refused = inside("resume", "t", *MINE, "--answer", "a=many")
    assert refused.returncode == 2 and "does not fit its question" in refused.stderr
    terminal = Terminal(inside, "review", "t", *MINE)
    for text in ("many", "3"):
        terminal.answer("> ", "a")
        terminal.answer("answer (text, or JSON): ", text)
    assert terminal.end()[0] == 0 and "does not fit its question" in terminal.said
    assert inside.json("show", "t")["results"]["a"]["output"] == 3


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
    """The run drains; the question is open then, and asked again when the run is resumed."""
    plan = inside.plan([{"id": "deploy", "review": "before"}, {"id": "slow", "input": {"seconds": 0.3}}])
    terminal = Terminal(inside, "run", plan, "-i", "--thread", "t")
    terminal.until("> ")
    os.killpg(terminal.process.pid, signal.SIGINT)
    assert terminal.end()[0] == 130
    assert "stopping: " in terminal.said and "Traceback" not in terminal.said
    report = inside.json("show", "t")
    assert report["results"]["deploy"]["status"] == "paused" and len(report["interrupts"]) == 1
    assert "task deploy, before it runs" in inside("resume", "t").stdout


EDITOR = (  # saves, makes the terminal raw as an editor does, tells that it is there, and stays
    "#!/bin/sh\nsed -i s/web-01/web-02/ $1\nstty raw -echo\necho rest > $(dirname $1)/.$(basename $1).swp\n"
    "echo in the editor >&2\nexec sleep 30\n"
)


@pytest.mark.parametrize("command", ["run", "review"])
def test_an_editor_that_is_ended_leaves_text_and_terminal(inside: Inside, command: str) -> None:
    """Ctrl-C is the editor's own; where a signal ends it, its modes are undone and its text is kept in a file."""
    inside.write("editor.sh", EDITOR)
    (inside.folder / "editor.sh").chmod(0o755)
    plan = inside.plan([{"id": "deploy", "review": "before", "input": {"host": "web-01"}}])
    env = {"VISUAL": str(inside.folder / "editor.sh"), "TMPDIR": str(inside.folder)}
    if command == "review":
        inside("run", plan, "--thread", "t")
    terminal = Terminal(inside, *(("review", "t") if command == "review" else ("run", plan, "-i")), env=env)
    before = termios.tcgetattr(terminal.far)
    terminal.answer("> ", "e")
    terminal.until("in the editor")
    assert termios.tcgetattr(terminal.far) != before
    os.kill(terminal.process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert terminal.process.poll() is None
    os.kill(terminal.process.pid, signal.SIGTERM)
    name = terminal.until(".yaml").rpartition("what you saved is kept: ")[2]
    assert terminal.process.wait(30) == 130
    assert termios.tcgetattr(terminal.far) == before
    assert terminal.end()[0] == 130 and f"`vi -r {name}` recovers it" in terminal.said
    assert "host: web-02" in (inside.folder / name).read_text()


def test_a_question_whose_time_is_over_is_settled_when_the_run_goes_on(inside: Inside) -> None:
    """The list of questions says so; an answer that comes before counts, and is told to be late."""
    limits = {"review": "before", "review_timeout_s": 1.5, "review_default": "approve"}
    plan = inside.plan([{"id": "a", **limits}])
    for thread in "uv":
        assert "then: approve" in inside("run", plan, "--thread", thread).stdout
    time.sleep(1.5)
    assert "time is over since" in inside("show", "u").stdout
    assert inside("resume", "u").returncode == 0
    assert re.search(r"\dZ before: approve by default, nobody ", inside("show", "u", "--task", "a").stdout)
    late = inside("resume", "v", "--answer", "a=reject")
    assert "late: the time to decide about task a was over since 2" in late.stderr
    assert inside.json("show", "v")["results"]["a"]["status"] == "cancelled"


def test_a_person_who_is_asked_has_time(inside: Inside) -> None:
    """With -i nothing is decided while somebody is asked, however long that takes."""
    plan = inside.plan([{"id": "a", "review": "before", "review_timeout_s": 0.2}])
    terminal = Terminal(inside, "run", plan, "-i", "--thread", "t")
    terminal.until("> ")
    time.sleep(0.4)
    terminal.type("a")
    assert terminal.end()[0] == 0 and "late: the time to decide about task a was over" in terminal.said


def test_without_a_terminal_the_command_for_scripts_is_named(inside: Inside) -> None:
    """`review` and -i are bad usage there."""
    plan = inside.plan([{"id": "a", "review": "before"}])
    refused = inside("run", plan, "-i")
    assert refused.returncode == 2 and "leave -i out" in refused.stderr and "fanwise resume" not in refused.stderr
    inside("run", plan, "--thread", "t")
    assert "there is no run 'nosuch'" in inside("review", "nosuch").stderr
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
