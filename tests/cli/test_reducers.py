"""Reducers of the user's own: `--specialists` brings them to every command that runs or checks tasks."""

from __future__ import annotations

import json

import pytest

from .conftest import Inside, Shell

OWN = """
from fanwise.graph import reducer, specialist

@reducer("longest")
def longest(so_far, output):
    return max(so_far, output, key=len)

@reducer("joined")
def joined(so_far, output):
    if output == "broken":
        raise RuntimeError("out of ink")
    return f"{so_far}-{output}"

@specialist("say")
def say(task):
    return task.input["text"]
"""

BEST = {"id": "best", "depends_on": ["a", "b"], "aggregate": {"strategy": "reduce", "function": "longest"}}
BOTH = {"id": "both", "depends_on": ["a", "b"], "aggregate": {"strategy": "merge", "mode": "joined"}}


def plan(shell: Shell, *combine: dict[str, object], second: str = "coffee", **fields: object) -> str:
    tasks = [{"id": "a", "specialist": "say", "input": {"text": "tea"}, **fields}]
    tasks.append({"id": "b", "specialist": "say", "input": {"text": second}})
    shell.write("mine.py", OWN)
    return shell.write("plan.json", json.dumps({"tasks": [*tasks, *combine]}, indent=0))


MINE = ("--specialists", "mine.py")


def test_reducers_come_with_the_code(inside: Inside) -> None:
    """Plans reduce and merge with them; what looks at a plan needs no code."""
    file = plan(inside, BEST, BOTH)
    assert inside("validate", file, *MINE).returncode == 0
    results = inside.json("run", file, *MINE)["results"]
    assert results["best"]["output"] == "coffee" and results["both"]["output"] == "tea-coffee"
    assert inside("explain", file).returncode == 0 and inside("rehearse", file, "--draws", "2").returncode == 0
    assert inside("rehearse", file, "--speed", "1000", "-q").returncode == 0


def test_a_file_may_hold_reducers_alone(inside: Inside) -> None:
    """Several files make one set; the same reducer, imported twice, is one."""
    file = plan(inside, BEST, BOTH)
    inside.write("words.py", OWN.split("@specialist")[0].replace("longest", "lengthiest").replace("joined", "glued"))
    inside.write("again.py", "from words import lengthiest as one, lengthiest as two\n")
    sources = [word for name in ("words", "again.py") for word in ("--specialists", name)]
    assert inside("validate", file, *MINE, *sources).returncode == 0
    assert inside("specialists", *sources).returncode == 0


def test_an_unknown_function_is_refused_with_the_known_ones(inside: Inside) -> None:
    """By `validate` and `run` alike, with its line; nothing ran."""
    file = plan(inside, {**BEST, "aggregate": {"strategy": "reduce", "function": "zzz"}})
    for command in ("validate", "run"):
        refused = inside(command, file, *MINE)
        assert refused.returncode == 2 and "unknown function 'zzz'; known are all, any, concat" in refused.stderr
        assert "joined, last, longest, max" in refused.stderr and "@reducer" in refused.stderr
        assert f"{file}: 1 problem\n  - line " in refused.stderr
    near = plan(inside, {**BEST, "aggregate": {"strategy": "reduce", "function": "longst"}})
    assert "did you mean 'longest'?" in inside("run", near, *MINE).stderr
    assert "unknown function 'longest'" in inside("validate", plan(inside, BEST)).stderr


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("@reducer('sum')\ndef f(a, b): return a\n", "can't be called 'sum': there is a built-in one"),
        ("@reducer('x')\nasync def f(a, b): return a\n", "function 'x' is async: write it with `def`"),
        ("@reducer('x')\ndef f(a): return a\n", "function 'x' does not take two values: give it (so_far, output)"),
        ("@reducer\ndef f(a, b): return a\n", "a reducer needs a name: write @reducer('NAME')"),
        ("x = reducer('x')(5)\n", "function 'x': int is no function"),
    ],
)
def test_what_is_no_reducer_is_refused_with_its_line(inside: Inside, code: str, message: str) -> None:
    """The file is named too, and no traceback is shown."""
    source = inside.write("bad.py", f"from fanwise.graph import reducer\n{code}")
    done = inside("validate", inside.plan([{"id": "a"}]), "--specialists", source)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.startswith("error: --specialists bad.py: line 2: ") and done.stderr.count("\n") == 1


def test_two_reducers_of_one_name_are_refused(inside: Inside) -> None:
    """Also where they come from two files."""
    file = plan(inside, BEST)
    inside.write("more.py", "from fanwise.graph import reducer\n@reducer('longest')\ndef f(a, b): return a\n")
    done = inside("run", file, *MINE, "--specialists", "more.py")
    assert done.returncode == 2 and "two reducers are called 'longest'" in done.stderr


def test_a_failed_reducer_is_retried_with_better_code(inside: Inside) -> None:
    """Without its code, the run is not touched."""
    assert inside("run", plan(inside, BOTH, second="broken"), *MINE, "--thread", "t").returncode == 1
    assert "RuntimeError: out of ink" in inside("show", "t").stdout
    bare = inside("retry", "t")
    assert bare.returncode == 2
    assert "the run 't' needs functions that are not here: joined; give the code" in bare.stderr
    inside.write("mended.py", OWN.replace('raise RuntimeError("out of ink")', 'return "mended"'))
    assert inside("retry", "t", "--specialists", "mended.py").stdout.count("mended") == 1


def test_a_run_that_was_stopped_goes_on_with_its_reducers(inside: Inside) -> None:
    """`resume` has them too, and says what it lacks."""
    file = plan(inside, BEST, review="after")
    assert inside("run", file, *MINE, "--thread", "t").returncode == 3
    bare = inside("resume", "t", "--approve-all")
    assert bare.returncode == 2 and "functions that are not here: longest" in bare.stderr
    done = inside("resume", "t", "--approve-all", *MINE)
    assert done.returncode == 0 and "- best: coffee" in done.stdout


def test_an_edited_plan_may_ask_for_known_functions_only(inside: Inside) -> None:
    """A person who edits the plan is told what is wrong with it, and the plan stays open."""
    file = plan(inside, BEST)
    assert inside("run", file, *MINE, "--review-plan", "--thread", "t").returncode == 3
    tasks = json.loads((inside.folder / file).read_text())["tasks"]
    for name, code in (("zzz", 3), ("joined", 0)):
        tasks[-1]["aggregate"] = {"strategy": "reduce", "function": name}
        edit = {"type": "edit", "edited_action": {"name": "plan", "args": {"plan": {"tasks": tasks}}}}
        done = inside("resume", "t", "--answer", f"plan={json.dumps(edit)}", *MINE)
        assert done.returncode == code, done.stderr
    assert "- best: tea-coffee" in done.stdout
