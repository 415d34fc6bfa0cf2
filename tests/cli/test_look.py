"""`fanwise validate`, `explain`, `show`, `runs` and the lists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import pytest

from fanwise.cli.output import Column, table

from .conftest import Inside, Shell

CHAIN = [
    {"id": "a", "input": {"seconds": 1}},
    {"id": "b", "input": {"seconds": 2}},
    {"id": "c", "depends_on": ["a", "b"], "input": {"seconds": 3}},
]


def test_validate_accepts_and_counts(inside: Inside) -> None:
    """A good plan is one line, or an object with `ok`."""
    plan = inside.plan(CHAIN)
    assert inside("validate", plan).stdout == "ok: 3 tasks, 1 specialist, 2 phases, 2 dependencies\n"
    assert inside.json("validate", plan)["ok"] is True


def test_validate_lists_every_problem_with_its_line(inside: Inside) -> None:
    """The code is 2, in JSON too; unknown specialists are problems, and warnings where the plan lets them pass."""
    tasks = "tasks:\n  - {id: a, specialist: wiat}\n  - {id: b, specialist: wait, depends_on: [c]}\n"
    bad = inside.write("bad.yaml", tasks)
    done = inside("validate", bad)
    assert done.returncode == 2 and done.stdout == "" and "bad.yaml: 2 problems" in done.stderr
    told = inside.json("validate", bad)
    assert told["ok"] is False and [problem["line"] for problem in told["problems"]] == [2, 3]
    lenient = inside.write("skip.yaml", "config: {unknown_specialist: skip}\ntasks: [{id: a, specialist: wiat}]\n")
    accepted = inside("validate", lenient)
    assert accepted.returncode == 0 and "warning" in accepted.stderr and "'wiat'" in accepted.stderr


def test_an_unknown_specialist_may_be_one_of_ones_own(inside: Inside) -> None:
    """It is said where those come from; what combines results is none that a task names."""
    plan = inside.write("plan.yaml", "tasks:\n  - {id: a, specialist: scrape}\n  - {id: b, specialist: agregate}\n")
    for command in ("validate", "run"):
        first, second = inside(command, plan).stderr.splitlines()[1:3]
        own = " (one of your own comes with --specialists FILE)"
        assert first.endswith(f"unknown specialist 'scrape'; did you mean 'scope'?{own}")
        assert "'aggregate'" not in second and " aggregate" not in second and second.endswith(own)


def test_validate_knows_the_functions_that_run_knows(inside: Inside) -> None:
    """Unknown ones are problems with their lines, beside those of other kinds."""
    text = (
        "tasks:\n  - {id: a, specialist: wiat}\n"
        "  - {id: m, depends_on: [a], aggregate: {strategy: merge, mode: deeep}}\n"
        "  - {id: n, depends_on: [a], aggregate: {strategy: reduce, function: summ}}\n"
    )
    told = inside.json("validate", inside.write("bad.yaml", text))
    assert [problem["line"] for problem in told["problems"]] == [2, 3, 4]
    good = inside.json("validate", inside.write("good.yaml", text.replace("wiat", "wait")))
    assert [problem["line"] for problem in good["problems"]] == [3, 4] and "'deep'" in str(good["problems"])


def test_validate_warns_of_what_can_never_count(inside: Inside) -> None:
    """Of what the plan says, and of what its specialists say."""
    own = inside.write("own.py", OWN_TEST)
    text = "tasks:\n  - {id: a, specialist: wait, weight: 2}\n  - {id: t, specialist: check, hedge: {after_s: 1}}\n"
    done = inside("validate", inside.write("plan.yaml", text), "--specialists", own)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "warning: task 'a': 'weight' says nothing: no vote depends on it",
        "warning: task 't': 'hedge' never begins: the task is exclusive, and a second attempt would work beside it",
    ]


OWN_TEST = """
from fanwise.graph import specialist

@specialist("check", tags=("test",))
async def check(task):
    return 1
"""


def test_limits_can_be_raised_and_lowered(inside: Inside) -> None:
    """--max-tasks and --max-bytes go before the usual limits."""
    plan = inside.plan(CHAIN)
    assert inside("validate", plan, "--max-tasks", "2").returncode == 2
    assert inside("validate", plan, "--max-bytes", "10").returncode == 2
    many = inside.plan(({"id": f"t{n}"} for n in range(10_001)), name="many.json")
    assert inside("validate", many).returncode == 2
    assert inside("validate", many, "--max-tasks", "10001").returncode == 0


def test_validate_needs_no_langgraph(shell: Shell) -> None:
    """It is quick because it leaves the graph's machinery alone."""
    shell.write(
        "check.py",
        "import sys\nfrom fanwise.cli.app import _code_of\nassert _code_of(['validate', 'plan.json']) == 0\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'langgraph']\n",
    )
    shell.plan(CHAIN)
    done = subprocess.run([sys.executable, "check.py"], cwd=shell.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_explain_tells_phases_path_and_times(inside: Inside) -> None:
    """The object has the contract's fields; the text marks the critical path."""
    plan = inside.plan(CHAIN)
    told = inside.json("explain", plan)
    assert told["critical_path"] == ["b", "c"] and told["critical_path_s"] == 5
    names = {"tasks", "phases", "total_s", "lower_bound_s", "expected_makespan_s", "phased_makespan_s", "speedup"}
    assert names <= set(told)
    text = inside("explain", plan, "--slots", "1").stdout
    assert "b > c" in text and "with 1 slot," in text and re.search(r"^b +1 +wait +2\.00 s +\*", text, re.M)


def test_explain_breaks_what_does_not_fit(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """No column is left out, and no line is longer than there is room for, in a pipe either."""
    names = [f"step-{n}-of-the-chain" for n in range(6)]
    title = "Check out the sources of shop, web, admin and mobile"
    tasks = [{"id": name, "title": title, "depends_on": names[:n]} for n, name in enumerate(names)]
    plan = inside.plan(tasks)
    for columns in ("80", "120", ""):
        monkeypatch.setenv("COLUMNS", columns)
        text = inside("explain", plan).stdout
        assert max(map(len, text.splitlines())) <= int(columns or 100)
        assert re.match(r"task +title +phase +specialist +expected +\* +depends on\n", text)
        flat = " ".join(text.split())
        assert flat.count("Check out") == 6 and " > ".join(names) in flat and "wait" in flat
    one = inside("explain", inside.plan([{"id": "a"}])).stdout
    assert "in 1 task\n" in one and "title" not in one


def test_explain_does_not_ask_who_the_specialists_are(inside: Inside) -> None:
    """A plan can be looked at where its specialists are not."""
    assert inside("explain", inside.plan([{"id": "a", "specialist": "not-here"}])).returncode == 0


def test_mermaid_is_safe_whatever_ids_hold(inside: Inside) -> None:
    """Ids are numbers; in labels only plain characters stand for themselves."""
    evil = 'x"] --> y; click t0 "javascript:alert(1)" %% <b>'
    text = inside("explain", inside.plan([{"id": evil}, {"id": "end", "depends_on": [evil]}]), "--mermaid").stdout
    assert text.startswith("flowchart LR\n") and "t0 ==> t1" in text and "class t0,t1 critical" in text
    label = re.search(r't0\["(.*)"\]', text)
    assert label and not re.search(r"[\"<>\[\]()%]", label[1].replace("<br/>", ""))


def test_show_tells_tasks_summary_and_a_whole_output(inside: Inside) -> None:
    """A table, then the summary; --task gives one result whole; --json is the report."""
    inside("run", inside.plan([{"id": "a", "input": {"output": "x" * 1000}}]), "--thread", "t")
    text = inside("show", "t").stdout
    assert re.search(r"^a +wait +succeeded +1 ", text, re.M) and "1 of 1 task succeeded" in text
    assert "x" * 1000 in inside("show", "t", "--task", "a").stdout
    assert inside.json("show", "t")["results"]["a"]["output"] == "x" * 1000
    wrong = inside("show", "t", "--task", "b")
    assert wrong.returncode == 2 and "no task 'b'" in wrong.stderr


def test_show_tells_of_an_output_that_is_lost(inside: Inside) -> None:
    """Where the file of large outputs is gone, the task says so in place of its output."""
    inside("run", inside.plan([{"id": "a", "input": {"output": "x" * 100_000}}]), "--thread", "t")
    (file,) = inside.folder.glob(".fanwise/*.outputs.db")
    file.unlink()
    text = inside("show", "t", "--task", "a").stdout
    assert "the output of task 'a' (100,002 bytes) was kept apart and is not there any more" in text


def test_show_tells_how_to_go_on(inside: Inside) -> None:
    """A run that was stopped is resumed, one that failed is retried, one whose plan was rejected is neither."""
    inside("run", inside.plan([{"id": "a", "input": {"fail": "no"}}]), "--thread", "failed")
    assert "to run what failed once more: fanwise retry failed" in inside("show", "failed").stdout
    inside(
        "fork", "failed", "--thread", "copy", "--at", inside.json("show", "failed", "--history")[-1]["checkpoint_id"]
    )
    assert "to go on: fanwise resume copy" in inside("show", "copy").stdout
    inside("run", inside.plan([{"id": "a"}]), "--thread", "no", "--review-plan")
    assert "fanwise retry" not in inside("resume", "no", "--answer", "plan=reject").stderr


def test_runs_lists_the_newest_first(inside: Inside) -> None:
    """Each with its status, its progress and what it was about."""
    inside("run", inside.plan([{"id": "a"}]), "--thread", "one")
    inside("run", inside.plan([{"id": "a", "input": {"fail": "no"}}]), "--thread", "two")
    rows = inside.json("runs")
    assert [(row["thread_id"], row["status"], row["done"], row["tasks"]) for row in rows] == [
        ("two", "failed", 1, 1),
        ("one", "succeeded", 1, 1),
    ]
    assert len(inside.json("runs", "--limit", "1")) == 1
    assert inside("runs").stdout.splitlines()[1].startswith("two ")


def test_specialists_and_workflows_are_listed(inside: Inside) -> None:
    """The built-in ones, with what they are for and what they take."""
    assert {"wait"} <= {row["name"] for row in inside.json("specialists")}
    rows = {row["name"]: row for row in inside.json("workflows")}
    assert {"health_check", "missing_data_troubleshooting", "performance"} <= set(rows)
    assert rows["missing_data_troubleshooting"]["aliases"] == ["missing_data"]
    assert "--param events=" in inside("workflows").stdout


def test_a_sample_is_written_and_the_next_step_told(inside: Inside) -> None:
    """The same seed gives the same log."""
    told = inside.json("sample", "logs", "--seed", "3")
    assert told["faults"] and any((inside.folder / "logs").iterdir())
    (inside.folder / "file").write_text("")
    refused = inside("sample", "file/logs")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr


def test_traces_are_written_for_each_task_and_the_run(inside: Inside) -> None:
    """A file for each task, under a name that stays in the folder; an index that leads to them."""
    ids = ["a", "../../evil", "A", "dispatch-x", ".", "con", "ü", "x" * 200, ".._.._evil"]
    inside(
        "run", inside.plan({"id": name, "input": {"output": 1}} for name in ids), "--trace-dir", "t", "--thread", "r"
    )
    folder = inside.folder / "t"
    (index,) = folder.glob("dispatch-*.json")
    told = json.loads(index.read_text())
    assert told["correlation_id"] == "r" and told["status"] == "succeeded"
    assert [task["id"] for task in told["tasks"]] == ids
    names = [task["trace"] for task in told["tasks"]]
    assert len({name.casefold() for name in names}) == len(ids)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, index.name])
    trace = json.loads((folder / names[0]).read_text())
    assert trace["task"]["id"] == "a" and trace["output"] == 1 and trace["timing"]["started_at"]


def test_traces_are_written_while_the_run_goes_on(shell: Shell) -> None:
    """A run that is killed leaves the traces of what was finished; the plan may name the folder."""
    plan = shell.plan([{"id": "a"}, {"id": "b", "depends_on": ["a"], "input": {"seconds": 30}}], trace_dir="t")
    process = shell.start("run", plan, "-q")
    until = time.monotonic() + 30
    while not (shell.folder / "t" / "a.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=30)
    assert (shell.folder / "t" / "a.json").exists() and not (shell.folder / "t" / "b.json").exists()


def test_a_trace_folder_that_can_not_be_is_bad_usage(inside: Inside) -> None:
    """It is refused before anything runs."""
    inside.write("file", "")
    done = inside("run", inside.plan([{"id": "a"}]), "--trace-dir", "file/t")
    assert done.returncode == 2 and "--trace-dir" in done.stderr


@pytest.mark.parametrize("width", [40, 120])
def test_a_table_keeps_to_the_width(width: int) -> None:
    """Optional columns go first; wide and control characters do no harm."""
    columns = [Column("task"), Column("specialist", optional=True), Column("took", right=True), Column("error")]
    rows = [["t" * 60, "s" * 30, "1.00 s", "e" * 300], ["日本語" * 20, "x", "2.00 s", "\x1b[31mred\nline"]]
    from rich.cells import cell_len

    lines = table(columns, rows, width).splitlines()
    assert len(lines) == 3 and all(cell_len(line) <= width for line in lines) and "\x1b" not in "".join(lines)
