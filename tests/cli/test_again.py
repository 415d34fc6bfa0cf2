"""Second thoughts: `fanwise retry`, `edit`, `fork`, the history, and the end of old runs."""

from __future__ import annotations

import json
from datetime import timedelta

import click
import pytest

from fanwise.cli.job import Job
from fanwise.cli.kinds import age
from fanwise.graph.checkpoints import without_password
from fanwise.runs.setup import Setup

from .conftest import Inside, Terminal


def _failed(inside: Inside) -> None:
    tasks = [
        {"id": "a"},
        {"id": "b", "input": {"fail": "no disk"}},
        {"id": "c", "depends_on": ["a", "b"]},
        {"id": "d", "depends_on": ["b"], "run_if": "all_done"},
    ]
    done = inside("run", inside.plan(tasks), "--thread", "t")
    assert done.returncode == 1 and "fanwise retry t" in done.stderr


def test_an_edited_input_runs_again_with_what_depends_on_it(inside: Inside) -> None:
    """The command tells what will run and how to go on; results that hold are kept."""
    _failed(inside)
    before = inside.json("show", "t")["results"]
    inside.write("input.json", '{"output": 5}')
    done = inside("edit", "t", "--task", "b", "--input", "@input.json")
    assert done.returncode == 0 and "to run again: b, c, d" in done.stdout and "fanwise resume t" in done.stderr
    after = inside.json("resume", "t")
    assert after["status"] == "succeeded" and after["results"]["b"]["output"] == 5
    assert after["results"]["a"] == before["a"]


def test_an_edited_output_stands_for_the_task(inside: Inside) -> None:
    """The task itself does not run; `--json` gives the list; wrong use is refused."""
    _failed(inside)
    assert inside.json("edit", "t", "--task", "b", "--output", "[1]")["again"] == ["c", "d"]
    report = inside.json("resume", "t")
    assert report["results"]["b"]["output"] == [1] and report["results"]["c"]["status"] == "succeeded"
    at_once = inside("edit", "t", "--task", "b", "--input", "{}", "--resume")
    assert at_once.returncode == 0 and "again: b, c, d" in at_once.stderr and "4 of 4" in at_once.stdout
    for args, said in (
        (("--task", "x", "--output", "1"), "no task 'x'"),
        (("--task", "b"), "give either --input or --output"),
        (("--task", "b", "--output", "{bad"), "is no JSON"),
        (("--task", "b", "--output", "@none"), "can't be read"),
    ):
        wrong = inside("edit", "t", *args)
        assert wrong.returncode == 2 and said in wrong.stderr


def test_failed_tasks_are_tried_again(inside: Inside) -> None:
    """Without names: those that failed, and what was skipped for them; named ones, with dependents on request."""
    _failed(inside)
    again = inside("retry", "t")
    assert again.returncode == 1 and "again: b, c" in again.stderr and "a succeeded" not in again.stderr
    assert "again: a, b, c, d" in inside("retry", "t", "--task", "a", "--failed", "--with-dependents").stderr
    assert "no task 'x'" in inside("retry", "t", "--task", "x").stderr
    inside("run", inside.plan([{"id": "a"}]), "--thread", "fine")
    fine = inside("retry", "fine")
    assert fine.returncode == 2 and "no task of the run 'fine' failed" in fine.stderr


def test_a_fork_leaves_the_run_as_it_is(inside: Inside) -> None:
    """It begins where the run stands, or at a checkpoint that the history lists; the copy can be gone on with."""
    _failed(inside)
    before = inside.json("show", "t")
    done = inside("fork", "t", "--thread", "copy")
    assert done.stdout == "copy\n" and "fanwise resume copy" in done.stderr and "fanwise edit copy" in done.stderr
    moments = inside.json("show", "t", "--history")
    first = moments[-1]
    assert {"checkpoint_id", "at", "next", "done", "total"} == set(first) and first["done"] == 0
    assert first["checkpoint_id"] in inside("show", "t", "--history").stdout
    new = inside.json("fork", "t", "--at", first["checkpoint_id"])["thread_id"]
    assert inside.json("resume", new)["results"]["a"]["status"] == "succeeded"
    assert inside.json("show", "t") == before
    assert "no checkpoint 'zzz'" in inside("fork", "t", "--at", "zzz").stderr
    again = inside("fork", "t", "--thread", "copy").stderr
    assert "copy" in again and "asked anew" not in again


def test_a_fork_of_a_paused_run_tells_that_it_asks_anew(inside: Inside) -> None:
    """The copy has no questions before it is resumed."""
    inside("run", inside.plan([{"id": "a", "review": "before"}]), "--thread", "t")
    assert "what the run asks is asked anew in the copy" in inside("fork", "t", "--thread", "copy").stderr
    assert "task a, before it runs" in inside("resume", "copy").stdout


def test_old_runs_are_deleted(inside: Inside) -> None:
    """Only those that have lain still for long enough; the command says how many."""
    inside("run", inside.plan([{"id": "a"}]), "--thread", "t")
    assert inside("runs", "--prune", "--older-than", "30d").stdout.startswith("0 runs deleted")
    assert inside.json("runs", "--prune", "--older-than", "0s")["deleted"] == ["t"]
    assert inside.json("runs") == []
    assert inside("runs", "--prune").returncode == 2 and inside("runs", "--older-than", "1d").returncode == 2


def test_a_person_is_asked_before_runs_are_deleted(inside: Inside) -> None:
    """With the duration as it was given; nothing is deleted where they say no."""
    inside("run", inside.plan([{"id": "a"}]), "--thread", "t")
    terminal = Terminal(inside, "runs", "--prune", "--older-than", "5m")
    assert "lain still for 5m?" in terminal.answer("[y/N]: ", "n")
    assert terminal.end()[0] == 130 and len(inside.json("runs")) == 1


def test_durations_are_read() -> None:
    """Number and unit; anything else is bad usage."""
    assert age("30d").duration == timedelta(days=30) and age("1.5h").duration == timedelta(hours=1.5)
    assert age("90m") == ("90m", timedelta(minutes=90))
    for text in ("", "30", "d", "-1d", "1y", "9999999999w", "nan d"):
        with pytest.raises(click.BadParameter):
            age(text)


def test_a_password_is_never_shown() -> None:
    """Command lines to be copied name the database without it."""
    db = "postgresql://me:se%40cret@host:5432/runs?sslmode=require&password=hush&application_name=x"
    assert without_password(db) == "postgresql://me@host:5432/runs?sslmode=require&application_name=x"
    command = Job("t", db=db, setup=Setup(("mine.py",))).command("retry", "--failed")
    assert "cret" not in command and "hush" not in command and "--specialists mine.py" in command
    assert json.dumps(without_password("my@file:x.db")) == '"my@file:x.db"'
