"""`fanwise run` and `ask`: results, exit codes, what goes to which stream."""

from __future__ import annotations

import json
import subprocess

import pytest

from .conftest import COMMAND, Inside, Shell

OK = {"id": "a", "input": {"output": {"rows": 3}}}
BAD = {"id": "b", "input": {"fail": "the disk is full"}}


def test_a_plan_runs_and_its_summary_is_all_that_standard_output_holds(shell: Shell) -> None:
    """The summary goes to standard output; progress, counts and the thread go to standard error."""
    done = shell("run", shell.plan([OK, {"id": "c", "depends_on": ["a"]}]), "--thread", "t1")
    assert done.returncode == 0
    assert done.stdout.startswith("2 of 2 tasks succeeded.")
    assert "[1/2] a succeeded" in done.stderr and "thread t1 · fanwise show t1" in done.stderr
    assert "thread" not in done.stdout


@pytest.mark.parametrize(
    ("tasks", "config", "code", "status"),
    [
        ([OK], {}, 0, "succeeded"),
        ([OK, BAD], {}, 1, "failed"),
        ([OK, {**BAD, "required": False}], {}, 4, "partial"),
        ([OK, BAD], {"on_failure": "soft", "min_success": 1}, 4, "partial"),
        ([{**BAD, "fallback": {"output": 1}}], {}, 0, "succeeded"),
    ],
)
def test_the_exit_code_tells_how_the_run_ended(
    inside: Inside, tasks: list, config: dict, code: int, status: str
) -> None:
    """0 succeeded, 1 failed, 4 in part; the report says the same, with results in plan order."""
    done = inside("run", inside.plan(tasks, **config), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"]) == (code, status)
    assert list(report["results"]) == [task["id"] for task in tasks]


def test_json_has_the_fields_that_scripts_rely_on(inside: Inside) -> None:
    """The report's fields, its results' and its metrics' are those of the contract."""
    report = inside.json("run", inside.plan([OK]))
    assert {"thread_id", "status", "summary", "results", "metrics", "interrupts", "warnings"} <= set(report)
    assert {"text", "severity", "findings", "recommendations"} <= set(report["summary"])
    result = {"task_id", "specialist", "status", "output", "error", "attempts", "queued_s", "duration_s"}
    assert result | {"started_at", "finished_at", "usage"} <= set(report["results"]["a"])
    counts = {"tasks", "succeeded", "failed", "timed_out", "skipped", "cancelled"}
    times = {"makespan_s", "sequential_s", "speedup", "critical_path_s", "supersteps"}
    assert counts | times <= set(report["metrics"])


def test_a_failed_task_is_shown_with_its_reason(inside: Inside) -> None:
    """The reason is in the progress and in the summary."""
    done = inside("run", inside.plan([BAD]))
    assert "b failed" in done.stderr and "the disk is full" in done.stderr
    assert "the disk is full" in done.stdout


def test_quiet_says_nothing_but_the_result(inside: Inside) -> None:
    """With -q, standard error stays empty."""
    done = inside("run", inside.plan([OK, BAD]), "-q")
    assert done.stderr == "" and "1 of 2 tasks succeeded" in done.stdout


def test_verbose_tells_every_step(inside: Inside) -> None:
    """With -v there are lines for queued, started and failed attempts."""
    retry = {"max_attempts": 2, "initial_s": 0}
    done = inside("run", inside.plan([{"id": "a", "input": {"fail_times": 1}, "retry": retry}]), "-v")
    for text in ("a queued", "a started", "attempt 1 failed", "started, attempt 2", "a succeeded"):
        assert text in done.stderr


def test_a_plan_comes_from_standard_input_in_the_dispatchers_words_too(shell: Shell) -> None:
    """`run -` reads the dispatcher's task JSON, whose fields have other names."""
    given = {
        "max_workers": 2,
        "timeout_seconds": 5,
        "tasks": [
            {"task_id": "a", "agent": "wait", "description": "first", "input_data": {"output": 1}},
            {"task_id": "b", "agent": "wait", "dependencies": ["a"]},
        ],
    }
    plain = {"tasks": given["tasks"], "config": {"max_workers": 2, "timeout_seconds": 5}}
    for text in (json.dumps(plain), json.dumps(given["tasks"])):
        report = shell.json("run", "-", stdin=text)
        assert report["status"] == "succeeded" and report["results"]["b"]["output"]["results"] == ["a"]


def test_a_refused_plan_runs_nothing_and_leaves_no_run(inside: Inside) -> None:
    """Every problem is listed with its line, the code is 2, and the database has no such run."""
    inside("run", inside.plan([OK]), "--thread", "good")
    bad = inside.write(
        "bad.yaml", "tasks:\n  - {id: a, specialist: wiat}\n  - {id: b, specialist: wait, depends_on: [x]}\n"
    )
    done = inside("run", bad, "--thread", "bad", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "plan" and [problem["line"] for problem in error["problems"]] == [2, 3]
    assert "did you mean 'wait'?" in done.stderr
    assert [row["thread_id"] for row in inside.json("runs")] == ["good"]


def test_a_request_that_is_refused_inside_the_graph_leaves_no_run(inside: Inside) -> None:
    """What only the planner can refuse leaves nothing either."""
    inside("run", inside.plan([OK]), "--thread", "good")
    done = inside("ask", "why?", "--events", "nowhere.log", "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["kind"] == "events"
    assert [row["thread_id"] for row in inside.json("runs")] == ["good"]


def test_a_request_without_a_log_says_what_to_do(inside: Inside) -> None:
    """The message names the option, and the command that writes a sample."""
    done = inside("ask", "Why did web-03 go quiet?")
    assert done.returncode == 2 and done.stdout == ""
    assert "--events PATH" in done.stderr and "fanwise sample DIR" in done.stderr


def test_a_request_is_answered_from_a_log(inside: Inside) -> None:
    """The log can be named by a relative path; its checks run and are summed up."""
    line = "Mar  4 10:{:02}:00 web-01 app[1]: all is well\n"
    inside.write("syslog", "".join(line.format(minute) for minute in range(50)))
    done = inside("ask", "is all healthy?", "--events", "syslog", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and len(report["results"]) >= 2, done.stderr


def test_a_workflow_of_ones_own_takes_parameters(inside: Inside) -> None:
    """Values are JSON where they read as JSON, else text; NaN is no JSON."""
    (inside.folder / "flows").mkdir()
    text = "name: mine\nparams: {n: {required: true}, s: {}, x: {}}\n"
    task = '{id: a, specialist: wait, input: {output: ["{{params.n}}", "{{params.s}}", "{{params.x}}"]}}'
    inside.write("flows/mine.yaml", f"{text}tasks:\n  - {task}\n")
    given = ("--param", "n=[1, 2]", "--param", "s=web-03", "--param", "x=NaN")
    report = inside.json("ask", "--workflow", "mine", "--workflows", "flows", *given)
    assert report["results"]["a"]["output"] == [[1, 2], "web-03", "NaN"]
    twice = inside("ask", "--workflow", "mine", "--workflows", "flows", "--param", "n=1", "--param", "n=2")
    assert twice.returncode == 2 and "--param n is given twice" in twice.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--max-parallel", "0"),
        ("--timeout", "-1"),
        ("--timeout", "nan"),
        ("--deadline", "inf"),
        ("--deadline", "soon"),
        ("--schedule", "random"),
        ("--thread", ""),
        ("--thread", "a\x1b[31m"),
        ("--thread", "x" * 201),
    ],
)
def test_a_value_that_makes_no_sense_is_bad_usage(inside: Inside, option: tuple[str, str]) -> None:
    """The code is 2, the option is named, nothing ran, and there is no traceback."""
    done = inside("run", inside.plan([OK]), *option)
    assert done.returncode == 2 and done.stdout == ""
    assert option[0] in done.stderr and "Traceback" not in done.stderr and "\x1b" not in done.stderr
    assert not (inside.folder / ".fanwise").exists()


def test_options_win_over_the_plan(inside: Inside) -> None:
    """A slot limit and a time-out of the command line take the place of the plan's."""
    tasks = [{"id": f"t{n}", "input": {"seconds": 0.15}} for n in range(4)]
    report = inside.json("run", inside.plan(tasks, max_parallel=4), "--max-parallel", "1")
    assert report["metrics"]["makespan_s"] >= 0.6
    slow = inside.plan([{"id": "a", "input": {"hang": True}}], timeout_s=60)
    assert inside.json("run", slow, "--timeout", "0.1")["results"]["a"]["status"] == "timed_out"
    assert inside.json("run", slow, "--deadline", "0.2")["results"]["a"]["status"] == "cancelled"


def test_a_thread_is_not_run_twice(inside: Inside) -> None:
    """A name that a run has already is refused; the message names what can be done with it."""
    plan = inside.plan([OK])
    inside("run", plan, "--thread", "mine")
    again = inside("run", plan, "--thread", "mine")
    assert again.returncode == 2
    assert "fanwise resume mine" in again.stderr and "fanwise show mine" in again.stderr


def test_specialists_of_ones_own_come_from_a_file_or_a_module(shell: Shell) -> None:
    """What they print, and what their child processes print, does not get into the result."""
    code = (
        "import subprocess\nfrom fanwise.graph import specialist\nprint('imported')\n"
        "@specialist('shout')\ndef shout(task):\n    print('loud')\n    subprocess.run(['echo', 'louder'])\n"
        "    return task.input['text'].upper()\n"
    )
    shell.write("mine.py", code)
    shell.plan([{"id": "a", "specialist": "shout", "input": {"text": "hi"}}])
    for source in ("mine.py", "mine"):
        done = shell("run", "plan.json", "--specialists", source, "--json")
        assert json.loads(done.stdout)["results"]["a"]["output"] == "HI"
        assert {"imported", "loud", "louder"} <= set(done.stderr.split())
    assert shell("run", "plan.json").returncode == 2


def test_a_run_that_waits_for_a_person_exits_with_3(shell: Shell) -> None:
    """Other work is done; the report holds the question, and showing the run tells that it is paused."""
    code = (
        "from fanwise.graph import specialist\nfrom langgraph.types import interrupt\n"
        "@specialist('ask')\ndef ask(task):\n    return interrupt({'task_id': task.id, 'question': 'deploy?'})\n"
    )
    shell.write("mine.py", code)
    shell.plan([{"id": "a", "specialist": "ask"}, {"id": "b", "specialist": "wait"}])
    done = shell("run", "plan.json", "--specialists", "mine.py", "--thread", "t", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (3, "paused")
    assert [told["results"][task]["status"] for task in "ab"] == ["paused", "succeeded"]
    assert told["interrupts"][0]["value"]["question"] == "deploy?"
    assert json.loads(shell("show", "t", "--json").stdout)["status"] == "paused"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\n", "holds no specialist and no reducer"),
        ("import nothing_like_this\n", "line 1"),
        ("def f(:\n", "line 1"),
        ("raise SystemExit(0)\n", "SystemExit"),
    ],
)
def test_code_that_is_no_good_is_bad_usage(inside: Inside, code: str, message: str) -> None:
    """The file and the line are named."""
    done = inside("run", inside.plan([OK]), "--specialists", inside.write("mine.py", code))
    assert done.returncode == 2 and message in done.stderr and "mine.py" in done.stderr


def test_text_of_tasks_can_not_command_the_terminal(inside: Inside) -> None:
    """Control characters of ids, errors and outputs are left out; markup is text."""
    evil = "\x1b[31m[bold]x[/bold]\x1b]0;title\x07\u202e\r\n"
    tasks = [{"id": "a", "input": {"fail": evil}}, {"id": "[red]b", "input": {"output": evil}}]
    done = inside("run", inside.plan(tasks), "-v", "--thread", "t")
    shown = inside("show", "t").stdout + inside("show", "t", "--task", "[red]b").stdout
    for mark in ("\x1b", "\x07", "\u202e"):
        assert mark not in done.stdout + done.stderr + shown
    assert "[bold]x[/bold]" in done.stderr and "[red]b" in done.stderr


def test_a_reader_that_goes_away_is_no_error(shell: Shell) -> None:
    """`fanwise run ... --json | head -1` says nothing about pipes."""
    tasks = [{"id": f"t{n}", "input": {"output": "x" * 1000}} for n in range(200)]
    shell.plan(tasks)
    process = shell.start("run", "plan.json", "--json", "-q")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(30)
    process.stderr.close()


def test_it_works_where_the_terminal_has_ascii_only(shell: Shell) -> None:
    """With LANG=C and no UTF-8 mode, text is written in what there is, and JSON stays JSON."""
    env = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    plan = shell.plan([{"id": "größe", "input": {"output": "naïve ✓"}}])
    done = shell("run", plan, "--json", env=env)
    assert done.returncode == 0 and json.loads(done.stdout)["results"]["größe"]["output"] == "naïve ✓"
    assert shell("explain", plan, env=env).returncode == 0


def test_an_unknown_command_names_the_nearest() -> None:
    """`fanwise vaildate` is told about `validate`."""
    done = subprocess.run([*COMMAND, "vaildate"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "did you mean 'validate'?" in done.stderr


def test_a_database_that_is_none_is_refused(inside: Inside) -> None:
    """No SQLite database, an unknown kind of address, a server that is not there: each ends with a message."""
    plan = inside.plan([OK])
    for db, said in ((plan, "--db"), ("mysql://host/db", "--db"), ("postgresql://127.0.0.1:1/db", "can't be reached")):
        done = inside("run", plan, "--db", db)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
