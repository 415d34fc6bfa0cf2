"""Stopping a run and going on with it: signals, a crash, and `fanwise resume`."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time

import pytest

from .conftest import COMMAND, Inside, Shell


def _wait_for(process: subprocess.Popen[str], text: str) -> str:
    """Read standard error up to a line that holds the text."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"never said {text!r}: {read}")


def _end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def _chain(shell: Shell, seconds: float = 0.4) -> str:
    tasks = [{"id": "t0", "input": {"seconds": 0.1}}]
    tasks += [{"id": f"t{n}", "depends_on": [f"t{n - 1}"], "input": {"seconds": seconds}} for n in range(1, 5)]
    return shell.plan([*tasks, {"id": "free", "input": {"seconds": 0.1}}])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_and_resume_goes_on(shell: Shell, number: signal.Signals) -> None:
    """What runs comes to its end; the rest runs on resume, and nothing runs twice."""
    process = shell.start("run", _chain(shell), "--thread", "t", "--json", "-v")
    _wait_for(process, "t1 started")
    process.send_signal(number)
    code, out, err = _end(process)
    before = json.loads(out)
    assert code == 130 and before["status"] == "interrupted"
    assert before["results"]["t1"]["status"] == "succeeded" and before["results"]["t2"]["status"] == "pending"
    assert "fanwise resume t" in err
    after = shell.json("resume", "t")
    assert after["status"] == "succeeded"
    for task in ("t0", "t1", "free"):
        assert after["results"][task] == before["results"][task]


def test_the_second_signal_stops_at_once(shell: Shell) -> None:
    """A task that hangs is not waited for; the run can be resumed all the same."""
    plan = shell.plan([{"id": "a"}, {"id": "b", "input": {"hang": True}}])
    process = shell.start("run", plan, "--thread", "t", "-v")
    _wait_for(process, "a succeeded")
    process.send_signal(signal.SIGINT)
    _wait_for(process, "stopping")
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, _, _ = _end(process)
    assert code == 130 and time.monotonic() - started < 10
    results = shell.json("show", "t")["results"]
    assert (results["a"]["status"], results["b"]["status"]) == ("succeeded", "pending")


def test_a_killed_run_is_resumed_without_running_a_finished_task_again(shell: Shell) -> None:
    """After SIGKILL the finished tasks keep their results, to the moment of their start."""
    process = shell.start("run", _chain(shell), "--thread", "t", "-v")
    _wait_for(process, "t2 started")
    time.sleep(0.1)  # the result before it is on its way to the disk
    process.kill()
    _end(process)
    before = shell.json("show", "t")
    assert before["status"] == "interrupted"
    done = {name for name, result in before["results"].items() if result["status"] == "succeeded"}
    assert {"t0", "t1", "free"} <= done
    resumed = shell("resume", "t")
    assert resumed.returncode == 0 and "t1 succeeded" not in resumed.stderr and "[6/6]" in resumed.stderr
    after = shell.json("show", "t")
    assert all(after["results"][name] == before["results"][name] for name in done)


def test_a_resumed_run_takes_a_deadline_and_slots_of_its_own(shell: Shell) -> None:
    """`resume --deadline` counts from the resume, and ends what is left with a summary."""
    process = shell.start("run", _chain(shell), "--thread", "t", "-v", "--deadline", "60")
    _wait_for(process, "t1 started")
    process.kill()
    _end(process)
    done = shell("resume", "t", "--deadline", "0.2", "--max-parallel", "1", "--json")
    report = json.loads(done.stdout)
    assert report["results"]["t0"]["status"] == "succeeded"
    assert report["results"]["t4"]["status"] == "cancelled", done.stderr
    assert report["summary"]["text"] and done.returncode == 1


def test_a_run_that_is_over_is_just_shown(inside: Inside) -> None:
    """Nothing runs again; the exit code is that of the run."""
    inside("run", inside.plan([{"id": "a", "input": {"fail": "no"}}]), "--thread", "t")
    done = inside("resume", "t")
    assert done.returncode == 1 and "is over" in done.stderr and "0 of 1" in done.stdout


def test_an_unknown_run_names_the_nearest(inside: Inside) -> None:
    """The message says what there is; without a database it says so."""
    assert "no database of runs" in inside("resume", "t").stderr
    inside("run", inside.plan([{"id": "a"}]), "--thread", "nightly-1")
    done = inside("resume", "nightly-2")
    assert done.returncode == 2 and "did you mean 'nightly-1'?" in done.stderr and "fanwise runs" in done.stderr


def test_a_run_whose_specialists_are_not_here_is_not_resumed(shell: Shell) -> None:
    """The missing names are told; with the code that has them, it goes on; showing needs no code."""
    code = "import time\nfrom fanwise.graph import specialist\n@specialist('mine')\ndef mine(task):\n    return 1\n"
    shell.write("mine.py", code)
    plan = shell.plan([{"id": "a", "input": {"seconds": 0.5}}, {"id": "b", "specialist": "mine", "depends_on": ["a"]}])
    process = shell.start("run", plan, "--thread", "t", "--specialists", "mine.py", "-v")
    _wait_for(process, "a started")
    process.send_signal(signal.SIGINT)
    _, _, err = _end(process)
    assert "fanwise resume --specialists mine.py t" in err
    refused = shell("resume", "t")
    assert refused.returncode == 2 and "mine" in refused.stderr and "--specialists" in refused.stderr
    assert shell("show", "t").returncode == 0
    assert shell("resume", "t", "--specialists", "mine.py").returncode == 0


def test_the_live_display_tells_that_it_stops(shell: Shell) -> None:
    """On a terminal, the bar is drawn and the message about the stop is not drawn over."""
    near, far = pty.openpty()
    plan = shell.plan([{"id": "first", "input": {"seconds": 2}}, {"id": "then", "depends_on": ["first"]}])
    env = {**shell.env, "TERM": "xterm", "COLUMNS": "60", "LINES": "20"}
    command = [*COMMAND, "run", plan, "--thread", "t"]
    process = subprocess.Popen(command, cwd=shell.folder, stdout=subprocess.DEVNULL, stderr=far, env=env)
    os.close(far)
    drawn = b""
    while chunk := _read(near):
        before, drawn = drawn, drawn + chunk
        if b"first" in drawn and b"first" not in before:
            process.send_signal(signal.SIGINT)
    os.close(near)
    assert process.wait(30) == 130
    text = drawn.decode()
    assert (
        "0/2" in text
        and "stopping: what runs has 30 s to come to its end" in text
        and "to go on: fanwise resume t" in text
    )


def _read(near: int) -> bytes:
    try:
        return os.read(near, 4096)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize("command", ["run", "resume", "retry"])
def test_an_interruption_before_anything_runs_is_told(shell: Shell, command: str) -> None:
    """While a command starts, nothing is on the screen yet: what Ctrl-C did is said all the same."""
    plan = shell.plan([{"id": "a"}])
    shell("run", plan, "--thread", "t")
    stops = shell.write("stops.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = shell(command, plan if command == "run" else "t", "--specialists", str(stops))
    told = "interrupted" if command == "retry" else "interrupted; nothing was changed"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", told)
